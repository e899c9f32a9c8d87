//! The results as a picture: each figure as a share of the value that the bar allows. Pure.

use std::fmt::Write as _;

use crate::bench::{
    line::{Goal, Line, Sense, Verdict},
    number::number,
    spread::Spread,
};

const WIDTH: f64 = 1000.0;
const LABELS: f64 = 420.0;
const FIGURES: f64 = 150.0;
const ROW: f64 = 26.0;
const TOP: f64 = 74.0;
/// The axis ends at twice the value that the bar allows.
const AXIS_MAX: f64 = 2.0;

/// A picture of the lines that have a bar.
pub(super) fn svg(lines: &[Line]) -> String {
    let bars: Vec<(&Line, Goal, Spread)> =
        lines.iter().filter_map(|line| Some((line, line.goal?, line.judged()?))).collect();
    let height = TOP + ROW * bars.len() as f64 + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"16\" y=\"28\" font-size=\"18\">synguard: measured, as a share of what the bar allows</text>\n\
         <text x=\"16\" y=\"48\" fill=\"#666\">left of the line is better; whiskers are least and most, ticks the \
         stretch</text>\n"
    );
    let bottom = TOP + ROW * bars.len() as f64;
    for tick in [0.0, 0.5, 1.0, 1.5, 2.0] {
        let (x, colour) = (x(tick), if tick == 1.0 { "#222" } else { "#ddd" });
        let _ = writeln!(svg, "<path d=\"M{x} {TOP}V{bottom}\" stroke=\"{colour}\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#666\">{tick}</text>",
            bottom + 18.0
        );
    }
    for (i, (line, goal, judged)) in bars.into_iter().enumerate() {
        bar(&mut svg, TOP + ROW * i as f64, line, goal, judged);
    }
    svg + "</svg>\n"
}

fn bar(svg: &mut String, y: f64, line: &Line, goal: Goal, judged: Spread) {
    let middle = y + ROW / 2.0;
    let share = |figure| x(share(goal, figure));
    let colour = match line.verdict() {
        Verdict::Missed => "#c0392b",
        Verdict::Stretch => "#1e8449",
        _ => "#5dade2",
    };
    let text = middle + 4.5;
    let _ = writeln!(
        svg,
        "<text x=\"{:.0}\" y=\"{text}\" text-anchor=\"end\">{}</text>",
        LABELS - 10.0,
        escape(&line.what)
    );
    let end = share(judged.median);
    let _ = writeln!(
        svg,
        "<rect x=\"{LABELS}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>",
        y + 5.0,
        end - LABELS,
        ROW - 10.0
    );
    let ends = [share(judged.min), share(judged.max)];
    let _ = writeln!(svg, "<path d=\"M{:.1} {middle}H{:.1}\" stroke=\"#222\"/>", ends[0], ends[1]);
    if let Some(stretch) = goal.stretch.map(share) {
        let _ = writeln!(
            svg,
            "<path d=\"M{stretch:.1} {}V{}\" stroke=\"#222\" stroke-width=\"2\"/>",
            y + 4.0,
            y + ROW - 4.0
        );
    }
    let figure = format!("{} (bar {})", number(judged.median), goal.bar);
    let _ = writeln!(svg, "<text x=\"{:.0}\" y=\"{text}\">{figure}</text>", WIDTH - FIGURES + 10.0);
}

/// Returns a figure as a share of the value that the bar allows: 1 on the bar, less if it is better.
fn share(goal: Goal, figure: f64) -> f64 {
    match goal.sense {
        // Where nothing is allowed, nothing is well within it and anything beyond the axis.
        Sense::AtMost if goal.bar == 0.0 => {
            if figure > 0.0 {
                f64::INFINITY
            } else {
                0.0
            }
        }
        Sense::AtMost => figure / goal.bar,
        Sense::AtLeast => goal.bar / figure.max(f64::MIN_POSITIVE),
    }
}

fn x(share: f64) -> f64 {
    LABELS + (WIDTH - LABELS - FIGURES) * share.clamp(0.0, AXIS_MAX) / AXIS_MAX
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_is_left_of_the_bar_in_both_senses() {
        assert_eq!(share(Goal::at_most(0.5, 0.1), 0.25), 0.5);
        assert_eq!(share(Goal::at_least(0.5, 0.9), 1.0), 0.5);
        assert_eq!(share(Goal::at_most(0.0, 0.0), 0.0), 0.0);
        assert!(share(Goal::at_most(0.0, 0.0), 1.0) > AXIS_MAX);
        assert_eq!(x(f64::INFINITY), WIDTH - FIGURES);
    }

    #[test]
    fn lines_without_a_bar_are_left_out() {
        let with = Line {
            value: Some(Spread::single(0.4)),
            goal: Some(Goal::at_most(0.5, 0.1)),
            ..Line::new("row", "a < b", "s")
        };
        let without = Line { goal: None, ..with.clone() };
        let svg = svg(&[with, without, Line::not_run("row", "other", "why")]);
        assert_eq!(svg.matches("a &lt; b").count(), 1);
        assert!(!svg.contains("other"));
    }
}

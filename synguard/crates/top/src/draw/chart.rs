//! Draws the charts of the last minutes, each with its highest value at the top of the left axis and its time span below.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Text},
    widgets::Sparkline,
};

use crate::{
    format::{age, fit, left, right, short},
    history::Point,
    palette::Palette,
    state::AppState,
};

/// Minimum width of the screen, in columns, for the fourth chart.
const FOUR_FROM: u16 = 120;
/// Width of the left axis, in columns: a number and a space.
const AXIS: u16 = 6;

struct Chart {
    name: &'static str,
    unit: &'static str,
    value: fn(&Point) -> u64,
    unwanted: bool,
}

const CHARTS: [Chart; 4] = [
    Chart { name: "SYNs in", unit: "/s", value: |point| point.offered, unwanted: false },
    Chart { name: "not passed", unit: "/s", value: |point| point.not_passed, unwanted: true },
    Chart { name: "accepted", unit: "/s", value: |point| point.accepted, unwanted: false },
    Chart { name: "sources", unit: "", value: |point| point.distinct, unwanted: false },
];

/// Draws the charts side by side.
pub(super) fn draw(state: &AppState, frame: &mut Frame<'_>, area: Rect, palette: Palette) {
    let count = if area.width >= FOUR_FROM { CHARTS.len() } else { CHARTS.len() - 1 };
    let areas = Layout::horizontal(vec![Constraint::Fill(1); count]).spacing(1).split(area);
    for (chart, area) in CHARTS.iter().zip(areas.iter()) {
        draw_one(state, chart, frame, *area, palette);
    }
}

fn draw_one(state: &AppState, chart: &Chart, frame: &mut Frame<'_>, area: Rect, palette: Palette) {
    let [title, middle, below] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(area);
    let [axis, curve] = Layout::horizontal([Constraint::Length(AXIS), Constraint::Min(0)]).areas(middle);
    let (columns, span) = state.history.columns(curve.width.into(), chart.value);
    // The last column shows the highest value of some seconds.
    let now = state.history.latest().map_or(0, |point| (chart.value)(point));
    let highest = columns.iter().flatten().copied().max().unwrap_or(0);
    let text = format!("{} {}{}", chart.name, short(now), chart.unit);
    frame.render_widget(Line::styled(fit(&text, title.width.into()), palette.strong()), title);
    let sparkline =
        Sparkline::default().data(&columns).max(highest.max(1)).style(palette.curve(chart.unwanted));
    frame.render_widget(sparkline, curve);
    frame.render_widget(Text::from(axis_lines(highest, axis.height.into(), palette)), axis);
    let time = format!("-{}", age(span));
    let room = usize::from(curve.width).saturating_sub(time.len());
    let line = format!("{}{time}{}", " ".repeat(AXIS.into()), right("now", room));
    frame.render_widget(Line::styled(left(&line, below.width.into()), palette.label()), below);
}

/// Returns the lines of the left axis: the highest value at the top, half of it in the middle of a high chart, 0 at the bottom.
fn axis_lines(highest: u64, height: usize, palette: Palette) -> Vec<Line<'static>> {
    let value = |line: usize| match line {
        0 => Some(highest.max(1)),
        _ if line + 1 == height => Some(0),
        // The line in which a bar of half the height ends.
        _ if height >= 6 && line == height / 2 => Some(highest.max(1) / 2),
        _ => None,
    };
    let text = |line| right(&value(line).map_or_else(String::new, short), usize::from(AXIS) - 1);
    (0..height).map(|line| Line::styled(text(line), palette.label())).collect()
}

//! The lines at the top: are we attacked, by how many, what is being done, and does it work.

use ratatui::text::{Line, Span};
use synguard_common::verdict::Verdict;
use unicode_width::UnicodeWidthStr as _;

use super::{
    data::Survey,
    figure::{age, fit, left, percent, rate, right, short},
    palette::Palette,
    state::AppState,
    view::wrap,
};
use crate::policy::Phase;

/// Columns of a figure.
const FIGURE: usize = 5;

/// The lines, none of them wider than the screen.
pub(super) fn lines(state: &AppState, width: usize, palette: Palette) -> Vec<Line<'static>> {
    let Some(survey) = &state.survey else {
        let text = state.trouble.as_deref().unwrap_or("looking …");
        return wrap(text, width, 4).into_iter().map(Line::raw).collect();
    };
    let mut lines = vec![
        title(state, survey, width, palette),
        syns(state, palette),
        tables(survey, palette),
        kernel(state, survey, palette),
    ];
    for text in [&survey.arming, &state.trouble].into_iter().flatten() {
        lines.extend(wrap(text, width, 2).into_iter().map(|line| Line::styled(line, palette.alert())));
    }
    lines
}

fn title(state: &AppState, survey: &Survey, width: usize, palette: Palette) -> Line<'static> {
    let phase = match survey.phase {
        Phase::Attack => " ATTACK ".to_owned(),
        phase => phase.name().to_owned(),
    };
    let mut about = String::new();
    if let Some(kind) = &survey.kind {
        about += &format!(" {kind}");
    }
    if let Some(seconds) = survey.phase_seconds {
        about += &format!(" for {}", age(seconds));
    }
    let name = fit(&survey.instance, 16);
    let paused = if state.paused { " PAUSED " } else { "" };
    let used = "synguard ".len() + name.width() + 2 + phase.width() + about.width() + 2 + paused.width();
    let places: Vec<String> = survey
        .interfaces
        .iter()
        .map(|interface| format!("{} {}", fit(&interface.name, 15), interface.place))
        .collect();
    let places = if places.is_empty() { "on no interface".to_owned() } else { places.join(", ") };
    Line::from(vec![
        Span::styled("synguard ", palette.label()),
        Span::styled(name, palette.strong()),
        Span::raw("  "),
        Span::styled(phase, palette.phase(survey.phase)),
        Span::raw(about),
        Span::raw("  "),
        Span::styled(paused, palette.alert()),
        Span::raw(right(&places, width.saturating_sub(used))),
    ])
}

/// Named figures in fixed columns.
fn figures(lead: &str, figures: &[(&str, String, usize)], palette: Palette) -> Line<'static> {
    let mut spans = vec![Span::styled(lead.to_owned(), palette.label())];
    for (i, (name, figure, columns)) in figures.iter().enumerate() {
        let gap = if i == 0 && lead.is_empty() { "" } else { "  " };
        spans.push(Span::styled(format!("{gap}{name} "), palette.label()));
        spans.push(Span::styled(right(figure, *columns), palette.strong()));
    }
    Line::from(spans)
}

fn syns(state: &AppState, palette: Palette) -> Line<'static> {
    let per_second = &state.per_second;
    let counted = &per_second.counted;
    let figure = |count: u64| rate(per_second.of(count));
    // What was neither handed on nor discarded.
    let [total, pass, drop] =
        [counted.total(), counted.of(Verdict::Pass), counted.of(Verdict::Drop)].map(|sum| sum.packets);
    let answered = total.saturating_sub(pass + drop);
    let passed = counted.sum(|reason| reason.is_guarded_syn() && !reason.is_drop()).packets;
    figures(
        "SYN/s",
        &[
            ("in", figure(counted.guarded_syns()), FIGURE),
            ("passed", figure(passed), FIGURE),
            ("dropped", figure(drop), FIGURE),
            ("answered", figure(answered), FIGURE),
        ],
        palette,
    )
}

fn tables(survey: &Survey, palette: Palette) -> Line<'static> {
    let limit = match survey.distinct_limit {
        0 => "-".to_owned(),
        limit => short(limit),
    };
    let share = survey.tracked.used as f64 / survey.tracked.capacity.max(1) as f64;
    let of = |used: u64, of: &str| format!("{}/{of}", right(&short(used), FIGURE));
    let table = of(survey.tracked.used, &short(survey.tracked.capacity));
    figures(
        "",
        &[
            ("distinct", left(&of(survey.distinct, &limit), 11), 11),
            ("table", format!("{} {:>4}", left(&table, 11), percent(share)), 16),
            ("hold", short(survey.in_hold), FIGURE),
        ],
        palette,
    )
}

fn kernel(state: &AppState, survey: &Survey, palette: Palette) -> Line<'static> {
    let sysctl = survey.cookies.sysctl.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let per_second = &state.per_second;
    let of = |count: u64| {
        if survey.listeners.is_some() { rate(per_second.of(count)) } else { "-".to_owned() }
    };
    figures(
        "",
        &[
            ("cookies", left(&survey.cookies.mode, 6), 6),
            ("sysctl", sysctl, 1),
            ("drops/s: listen", of(per_second.listen_drops), FIGURE),
            ("queue", of(per_second.queue_full), FIGURE),
        ],
        palette,
    )
}

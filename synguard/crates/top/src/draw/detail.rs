//! Draws the details of one row: the facts that are shown about it, and why SYNs from a source pass or not.

use std::time::Duration;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span, Text},
};
use synguard_common::reason::Reason;
use synguard_model::{
    source::{SourceStatus, display, display_prefix},
    time,
};

use super::reasons::{meaning, packets, verdict};
use crate::{
    format::{
        age, grouped, left, percent, rate,
        wrap::{wrap, wrap_indented},
    },
    palette::Palette,
    sources::{Row, status_word},
    state::{AppState, Tab},
    view_model::{ListRow, SourceExplanation, TopView},
};

/// Width, in columns, of a fact's label.
const NAME: usize = 9;
/// Maximum number of lines of one fact.
const FACT_LINES: usize = 8;
/// Mark of a rule that decides.
const DECIDES: &str = "=>";
/// Width, in columns, of a rule's mark and title.
const RULE_TITLE: usize = 17;
/// Maximum number of lines of one rule.
const RULE_LINES: usize = 4;

/// Draws every fact about the selected row and, of a source, the explanation.
pub(super) fn draw(state: &AppState, frame: &mut Frame<'_>, area: Rect, palette: Palette) {
    let Some(facts) = facts(state) else {
        return frame.render_widget(Line::raw("This entry no longer exists. Esc: back"), area);
    };
    let width = usize::from(area.width);
    let mut lines = Vec::new();
    for (name, text) in facts {
        for (i, line) in wrap(&text, width.saturating_sub(NAME), FACT_LINES).into_iter().enumerate() {
            let name = if i == 0 { name } else { "" };
            lines.push(Line::from(vec![Span::styled(left(name, NAME), palette.label()), Span::raw(line)]));
        }
    }
    if state.tab == Tab::Sources {
        let room = usize::from(area.height).saturating_sub(lines.len());
        lines.extend(explanation(state, width, room, palette));
    }
    frame.render_widget(Text::from(lines), area);
}

/// Returns the explanation of the selected source. If it is longer than the screen, the rules that decide come first.
fn explanation(state: &AppState, width: usize, room: usize, palette: Palette) -> Vec<Line<'static>> {
    let Some(SourceExplanation { lines, .. }) =
        state.explanation.as_ref().filter(|explanation| Some(explanation.key) == state.kept)
    else {
        return vec![Line::styled("reading why …", palette.label())];
    };
    let is_long = lines.len() + 1 > room;
    let (deciding, others): (Vec<&String>, Vec<&String>) =
        lines.iter().partition(|line| is_long && line.starts_with(DECIDES));
    let mut shown = Vec::new();
    if !is_long {
        shown.push(Line::raw(""));
    }
    // The first line only repeats the source.
    for line in deciding.into_iter().chain(others.into_iter().skip(usize::from(is_long))) {
        let style = if line.starts_with(DECIDES) { palette.strong() } else { ratatui::style::Style::new() };
        let lines = wrap_indented(line, width, RULE_TITLE, RULE_LINES);
        shown.extend(lines.into_iter().map(|line| Line::styled(line, style)));
    }
    shown
}

fn facts(state: &AppState) -> Option<Vec<(&'static str, String)>> {
    let view = state.view.as_ref().filter(|_| !state.gone)?;
    let at = state.chosen[state.tab as usize];
    match state.tab {
        Tab::Sources => {
            let row = state.chosen_source()?;
            Some(row_facts(state, row, view, ("source", display(&row.key, view.v6_length))))
        }
        Tab::Prefixes => {
            let row = state.prefixes().get(at).copied()?;
            Some(row_facts(state, row, view, ("prefix", display_prefix(&row.key))))
        }
        Tab::Lists => state.chosen_entry().map(entry_facts),
        Tab::Events => state.events().get(at).map(|event| {
            let at = format!("{} {}", event.at, view.zone);
            vec![("time", at), ("event", event.kind.clone()), ("what", event.text.clone())]
        }),
        Tab::Reasons => state.reasons().get(at).map(|&reason| reason_facts(state, reason)),
        Tab::Help => None,
    }
}

fn reason_facts(state: &AppState, reason: Reason) -> Vec<(&'static str, String)> {
    let (total, fresh) = packets(state, reason);
    vec![
        ("reason", reason.label().to_owned()),
        ("verdict", verdict(reason).to_owned()),
        ("packets", format!("{} so far, {} /s now", grouped(total), rate(fresh))),
        ("meaning", meaning(reason)),
    ]
}

fn entry_facts(entry: &ListRow) -> Vec<(&'static str, String)> {
    let what = if entry.scope == "syn" { "its SYNs; connections that exist go on" } else { "every packet" };
    let reason = if entry.reason.is_empty() { "none was given" } else { &entry.reason };
    vec![
        ("target", entry.target.clone()),
        ("state", entry.status.label().to_owned()),
        ("scope", what.to_owned()),
        ("by", entry.origin.clone()),
        ("packets", format!("{} so far, {} /s now", grouped(entry.hits), rate(entry.rate))),
        ("expires", expiry_text(entry)),
        ("reason", reason.to_owned()),
    ]
}

fn expiry_text(entry: &ListRow) -> String {
    entry.seconds_left.map_or_else(
        || "never".to_owned(),
        |left| format!("in {}", time::format_left(Duration::from_secs(left))),
    )
}

fn row_facts(
    state: &AppState,
    row: &Row,
    view: &TopView,
    (what, name): (&'static str, String),
) -> Vec<(&'static str, String)> {
    let ago = |ns: u64| format!("{} ago", age(view.at_ns.saturating_sub(ns) / 1_000_000_000));
    let monitor = view.drops_nothing();
    let hold = match row.hold_until_ns.saturating_sub(view.at_ns) {
        0 if row.hold_until_ns == 0 => "never over its limit".to_owned(),
        0 => format!("over its limit until {}", ago(row.hold_until_ns)),
        left if monitor => format!("would be in hold for another {}", age(left.div_ceil(1_000_000_000))),
        left => format!("in hold for another {}", age(left.div_ceil(1_000_000_000))),
    };
    let share = percent(row.dropped as f64 / row.syn_total.max(1) as f64);
    let dropped = if monitor { "would have been dropped" } else { "dropped" };
    let seen = format!("first {}, last {}", ago(row.first_seen_ns), ago(row.last_seen_ns));
    let listed = match state.entry(&name) {
        Some(entry) => {
            let (label, origin) = (entry.status.label(), &entry.origin);
            format!("{label} ({origin}), expires {}, {} packets", expiry_text(entry), grouped(entry.hits))
        }
        None if matches!(row.status, SourceStatus::Blocked | SourceStatus::Allowed) => {
            format!("{} as part of a prefix", row.status.label())
        }
        None => "on neither list".to_owned(),
    };
    vec![
        (what, format!("{name}  {}", status_word(row.status, monitor))),
        ("rate", format!("{} SYN/s; {hold}", grouped(row.syn_rate.round() as u64))),
        ("SYNs", format!("{}, {} {dropped} ({share}); {seen}", grouped(row.syn_total), grouped(row.dropped))),
        ("lists", listed),
    ]
}

//! Draws the detail page of one row, and the confirmation dialog before a change.

use std::time::Duration;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span, Text},
    widgets::{Block, Clear},
};
use synguard_common::reason::Reason;
use synguard_model::{
    source::{SourceStatus, display, display_prefix},
    time,
};

use super::reasons::{meaning, packets, verdict};
use crate::{
    format::{age, grouped, left, percent, rate, wrap::wrap},
    keys::offers_times,
    list_edit::{ListEdit, TIMES, time_text},
    palette::Palette,
    sources::Row,
    state::{AppState, Tab},
    view_model::{ListRow, TopView},
};

/// Width, in columns, of a fact's label.
const NAME: usize = 12;
/// Maximum number of lines of one fact.
const FACT_LINES: usize = 8;

/// Draws every fact about the selected row.
pub(super) fn detail(state: &AppState, frame: &mut Frame<'_>, area: Rect, palette: Palette) {
    let Some(facts) = facts(state) else {
        return frame.render_widget(Line::raw("it is gone; Esc goes back"), area);
    };
    let width = usize::from(area.width).saturating_sub(NAME);
    let mut lines = Vec::new();
    for (name, text) in facts {
        for (i, line) in wrap(&text, width, FACT_LINES).into_iter().enumerate() {
            let name = if i == 0 { name } else { "" };
            lines.push(Line::from(vec![Span::styled(left(name, NAME), palette.label()), Span::raw(line)]));
        }
    }
    frame.render_widget(Text::from(lines), area);
}

fn facts(state: &AppState) -> Option<Vec<(&'static str, String)>> {
    let view = state.view.as_ref()?;
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
            let (at, kind, text) = (event.at.clone() + " UTC", event.kind.clone(), event.text.clone());
            vec![("time", at), ("event", kind), ("what", text)]
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
    let what = if entry.scope == "syn" { "its SYNs; connections go on" } else { "every packet" };
    let reason = if entry.reason.is_empty() { "none was given" } else { &entry.reason };
    vec![
        ("target", entry.target.clone()),
        ("state", entry.status.label().to_owned()),
        ("scope", what.to_owned()),
        ("by", entry.origin.clone()),
        ("packets", format!("{} so far, {} /s now", grouped(entry.hits), rate(entry.rate))),
        ("left", left_text(entry)),
        ("reason", reason.to_owned()),
    ]
}

fn left_text(entry: &ListRow) -> String {
    entry.seconds_left.map_or_else(
        || "for good".to_owned(),
        |left| format!("for another {}", time::format_left(Duration::from_secs(left))),
    )
}

fn row_facts(
    state: &AppState,
    row: &Row,
    view: &TopView,
    (what, name): (&'static str, String),
) -> Vec<(&'static str, String)> {
    let ago = |ns: u64| format!("{} ago", age(view.at_ns.saturating_sub(ns) / 1_000_000_000));
    let share = row.dropped as f64 / row.syn_total.max(1) as f64;
    let hold = match row.hold_until_ns.saturating_sub(view.at_ns) {
        0 if row.hold_until_ns == 0 => "never was over its rate".to_owned(),
        0 => format!("was in hold until {}", ago(row.hold_until_ns)),
        left => format!("in hold for another {}", age(left.div_ceil(1_000_000_000))),
    };
    let listed = match state.entry(&name) {
        Some(entry) => {
            let (label, origin, left) = (entry.status.label(), &entry.origin, left_text(entry));
            format!("{label} by {origin} {left}, {} packets", grouped(entry.hits))
        }
        None if matches!(row.status, SourceStatus::Blocked | SourceStatus::Allowed) => {
            format!("{} as part of a prefix", row.status.label())
        }
        None => "on no list".to_owned(),
    };
    vec![
        (what, name),
        ("state", row.status.label().to_owned()),
        ("hold", hold),
        ("lists", listed),
        ("rate", format!("{:.1} SYN/s", row.syn_rate)),
        ("SYNs", format!("{} since its entry was made", grouped(row.syn_total))),
        ("dropped", format!("{} of them, {}", grouped(row.dropped), percent(share))),
        ("seen", format!("first {}, last {}", ago(row.first_seen_ns), ago(row.last_seen_ns))),
    ]
}

/// Draws the confirmation dialog over the rows.
pub(super) fn confirm(change: &ListEdit, time: usize, frame: &mut Frame<'_>, over: Rect, palette: Palette) {
    let inner = usize::from(over.width.saturating_sub(4)).min(56);
    let mut lines: Vec<Line<'_>> =
        wrap(&question(change, time), inner, 2).into_iter().map(Line::raw).collect();
    if offers_times(change, time) {
        let mut choices = Vec::new();
        for (i, &choice) in TIMES.iter().enumerate() {
            let text = time_text(choice);
            choices.push(match i == time {
                true => Span::styled(format!("[{text}]"), palette.chosen()),
                false => Span::styled(format!(" {text} "), palette.label()),
            });
        }
        lines.push(Line::from(choices));
        lines.push(Line::raw("← → choose, Enter does it, Esc does not"));
    } else {
        lines.push(Line::raw("Enter does it, Esc does not"));
    }
    let height = (lines.len() as u16 + 2).min(over.height);
    let width = inner as u16 + 4;
    let area =
        Rect { x: over.x + (over.width - width) / 2, y: over.y + (over.height - height) / 2, width, height };
    frame.render_widget(Clear, area);
    let block = Block::bordered().style(palette.strong());
    let text = Rect { x: area.x + 2, width: inner as u16, ..block.inner(area) };
    frame.render_widget(block, area);
    frame.render_widget(Text::from(lines), text);
}

fn question(change: &ListEdit, time: usize) -> String {
    match change {
        ListEdit::Add { status: SourceStatus::Allowed, target, .. } if offers_times(change, time) => {
            format!("Allow {target}: nothing from it is dropped.")
        }
        ListEdit::Add { target, .. } if offers_times(change, time) => {
            format!("Block {target}: everything from it is dropped.")
        }
        _ => {
            let mut text = change.describe();
            if let Some(first) = text.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            text + "?"
        }
    }
}

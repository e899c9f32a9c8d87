//! Draws the tabs of lists, events and reasons.

use std::time::Duration;

use ratatui::style::Style;
use synguard_common::reason::{Reason, Verdict};
use synguard_model::time;

use super::{
    empty::nothing,
    table::{Column, ColumnTable, Side},
};
use crate::{
    format::{age, grouped, rate, short},
    palette::Palette,
    state::AppState,
};

/// Minimum width, in columns, for an entry's reason and an event's kind.
const WIDE_FROM: usize = 80;
/// Minimum width, in columns, for an entry's scope.
const SCOPE_FROM: usize = 100;
/// Minimum width, in columns, at which the longest target fits beside the other columns.
const WIDEST_FROM: usize = 120;

/// A hundred days, in seconds: from here on hours are omitted.
const LONG: u64 = 100 * 86_400;

/// Draws the operator's lists.
pub(super) fn lists(state: &AppState, width: usize, palette: Palette) -> ColumnTable<'_> {
    let is_wide = width >= WIDE_FROM;
    let target = match width {
        ..WIDE_FROM => Column::rest("TARGET"),
        WIDE_FROM..WIDEST_FROM => Column::new("TARGET", 23, Side::Left),
        _ => Column::new("TARGET", 43, Side::Left),
    };
    let mut columns = vec![
        Column::new("LIST", 7, Side::Left),
        target,
        Column::new("by", 8, Side::Left),
        Column::new("pkt/s", 5, Side::Right),
        Column::new("packets", 7, Side::Right),
        Column::new("left", 7, Side::Right),
    ];
    let has_scope = width >= SCOPE_FROM;
    if has_scope {
        columns.push(Column::new("scope", 5, Side::Left));
    }
    if is_wide {
        let unread = state.view.as_ref().is_some_and(|view| view.reasons_unread);
        columns.push(Column::rest(if unread { "reason (not read)" } else { "reason" }));
    }
    let entries = state.list_rows();
    ColumnTable {
        columns,
        count: entries.len(),
        row: Box::new(move |at| {
            let Some(entry) = entries.get(at) else { return (Vec::new(), Style::new()) };
            let mut cells = vec![
                entry.status.label().to_owned(),
                entry.target.clone(),
                entry.origin.clone(),
                rate(entry.rate),
                short(entry.hits),
                entry.seconds_left.map_or_else(|| "no end".to_owned(), left),
            ];
            if has_scope {
                cells.push(entry.scope.clone());
            }
            cells.push(entry.reason.clone());
            (cells, palette.status(entry.status))
        }),
        empty: nothing(state, "both lists are empty; b and a in the first two tabs add an entry"),
    }
}

/// Formats a remaining time in at most seven columns.
fn left(seconds: u64) -> String {
    match seconds {
        0..LONG => time::format_left(Duration::from_secs(seconds)),
        _ => age(seconds),
    }
}

/// Draws the events.
pub(super) fn events(state: &AppState, width: usize, palette: Palette) -> ColumnTable<'_> {
    let is_wide = width >= WIDEST_FROM;
    let mut columns = vec![Column::new("TIME (UTC)", 14, Side::Left)];
    if is_wide {
        columns.push(Column::new("event", 23, Side::Left));
    }
    columns.push(Column::rest("what, why, and what was done"));
    let events = state.events();
    let has_controller = state.view.as_ref().is_some_and(|view| view.controller.is_some());
    let empty =
        if has_controller { "nothing has happened" } else { "no controller runs that would write any down" };
    ColumnTable {
        columns,
        count: events.len(),
        row: Box::new(move |at| {
            let Some(event) = events.get(at) else { return (Vec::new(), palette.label()) };
            let mut cells = vec![event.at.clone()];
            if is_wide {
                cells.push(event.kind.clone());
            }
            cells.push(event.text.clone());
            (cells, Style::new())
        }),
        empty: nothing(state, empty),
    }
}

/// Width, in columns, of the longest reason label.
const REASON: usize = 27;

/// Draws the packets by reason.
pub(super) fn reasons(state: &AppState, width: usize, palette: Palette) -> ColumnTable<'_> {
    let reasons = state.reasons();
    let is_wide = width >= SCOPE_FROM;
    let mut columns = vec![
        Column::new("", 6, Side::Left),
        Column { most: REASON, ..Column::rest("REASON") },
        Column::new("packets/s", 9, Side::Right),
        Column::new("packets in all", 18, Side::Right),
    ];
    if is_wide {
        columns[1] = Column::new("REASON", REASON, Side::Left);
        columns.push(Column::rest("what it means"));
    }
    ColumnTable {
        columns,
        count: reasons.len(),
        row: Box::new(move |at| {
            let Some(&reason) = reasons.get(at) else { return (Vec::new(), Style::new()) };
            let (total, fresh) = packets(state, reason);
            let cells = vec![
                verdict(reason).to_owned(),
                reason.label().to_owned(),
                rate(fresh),
                grouped(total),
                meaning(reason),
            ];
            let style = match (total, reason.is_drop()) {
                (0, _) => palette.label(),
                (_, true) => palette.status(synguard_model::source::SourceStatus::Hold),
                (_, false) => Style::new(),
            };
            (cells, style)
        }),
        empty: String::new(),
    }
}

/// Packets of a reason: the total, and the rate a second.
pub(super) fn packets(state: &AppState, reason: Reason) -> (u64, f64) {
    let total = state.view.as_ref().map_or(0, |view| view.counters.get(reason).packets);
    (total, state.per_second.of(state.per_second.counted.get(reason).packets))
}

/// Returns the verdict of a reason as one word.
pub(super) fn verdict(reason: Reason) -> &'static str {
    match reason.verdict() {
        Verdict::Pass => "pass",
        Verdict::Drop => "drop",
        Verdict::Transmit => "answer",
    }
}

/// Returns the documentation of a reason without its markup.
pub(super) fn meaning(reason: Reason) -> String {
    let mut text = String::new();
    let mut rest = reason.meaning().trim();
    // A link is `[`Name`](Self::Name)`.
    while let Some((before, after)) = rest.split_once("[`") {
        let (name, after) = after.split_once("`](").unwrap_or((after, ""));
        text += before;
        text += name;
        rest = after.split_once(')').map_or(after, |(_, after)| after);
    }
    (text + rest).replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_explained_without_signs() {
        for &reason in Reason::ALL {
            let text = meaning(reason);
            assert!(text.len() > 10 && text.ends_with('.'), "{text}");
            assert!(!text.contains(['`', '[', ']', ':']) || text.contains(": "), "{text}");
        }
        assert_eq!(meaning(Reason::WouldHold), "As Hold, in monitor mode.");
        assert_eq!(meaning(Reason::Hold), "A SYN from a source in hold.");
    }

    #[test]
    fn times_left_fit_their_column() {
        for (seconds, text) in
            [(0, "0s"), (3599, "59m 59s"), (86_399, "23h 59m"), (8_639_999, "99d 23h"), (8_640_000, "100d")]
        {
            assert_eq!(left(seconds), text);
        }
    }
}

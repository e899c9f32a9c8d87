//! The tabs of lists, events and reasons.

use ratatui::style::Style;
use synguard_common::verdict::Reason;

use super::{
    figure::{age, grouped, rate, short},
    palette::Palette,
    state::AppState,
    table::{Column, Side, Table},
};

/// From this width on there is room to say why an entry is there.
const REASON_FROM: usize = 80;

/// The operator's lists.
pub(super) fn lists(state: &AppState, width: usize, palette: Palette) -> Table<'_> {
    let wide = width >= REASON_FROM;
    let target = if wide { Column::new("TARGET", 24, Side::Left) } else { Column::rest("TARGET") };
    let mut columns = vec![
        Column::new("LIST", 7, Side::Left),
        target,
        Column::new("scope", 5, Side::Left),
        Column::new("origin", 8, Side::Left),
        Column::new("hits", 5, Side::Right),
        Column::new("left", 5, Side::Right),
    ];
    if wide {
        columns.push(Column::rest("reason"));
    }
    let entries = state.listed();
    Table {
        columns,
        count: entries.len(),
        row: Box::new(move |at| {
            let Some(entry) = entries.get(at) else { return (Vec::new(), Style::new()) };
            let cells = vec![
                entry.standing.label().to_owned(),
                entry.target.clone(),
                entry.scope.clone(),
                entry.origin.clone(),
                short(entry.hits),
                entry.seconds_left.map_or_else(|| "never".to_owned(), age),
                entry.reason.clone(),
            ];
            (cells, palette.standing(entry.standing))
        }),
        empty: "no address or network is on a list; b and a in the first two tabs put one there".to_owned(),
    }
}

/// What happened.
pub(super) fn events(state: &AppState, palette: Palette) -> Table<'_> {
    let events = state.happenings();
    Table {
        columns: vec![
            Column::new("TIME", 8, Side::Left),
            Column::new("event", 10, Side::Left),
            Column::rest("what, why, and what was done"),
        ],
        count: events.len(),
        row: Box::new(move |at| {
            let Some(event) = events.get(at) else { return (Vec::new(), palette.label()) };
            (vec![event.at.clone(), event.kind.clone(), event.text.clone()], Style::new())
        }),
        empty: "nothing has happened".to_owned(),
    }
}

/// Packets by reason.
pub(super) fn reasons(state: &AppState, palette: Palette) -> Table<'_> {
    let reasons = state.reasons();
    Table {
        columns: vec![
            Column::new("", 4, Side::Left),
            Column::name("REASON"),
            Column::new("packets/s", 9, Side::Right),
            Column::new("packets in all", 18, Side::Right),
        ],
        count: Reason::ALL.len(),
        row: Box::new(move |at| {
            let Some(&reason) = reasons.get(at) else { return (Vec::new(), Style::new()) };
            let total = state.survey.as_ref().map_or(0, |survey| survey.counters.get(reason).packets);
            let fresh = state.per_second.of(state.per_second.counted.get(reason).packets);
            let verdict = if reason.is_drop() { "drop" } else { "pass" };
            let cells = vec![verdict.to_owned(), reason.label().to_owned(), rate(fresh), grouped(total)];
            let style = match (total, reason.is_drop()) {
                (0, _) => palette.label(),
                (_, true) => palette.standing(crate::sources::Standing::Hold),
                (_, false) => Style::new(),
            };
            (cells, style)
        }),
        empty: String::new(),
    }
}

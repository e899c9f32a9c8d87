//! The tabs of lists, events and reasons.

use ratatui::style::Style;
use synguard_common::verdict::Reason;

use super::{
    figure::{age, grouped, rate, short},
    palette::Palette,
    state::AppState,
    table::{Column, Side, Table},
};

/// From this width on there is room to say why an entry is there, and of what kind an event is.
const WIDE_FROM: usize = 80;
/// From this width on the longest target fits beside all else.
const WIDEST_FROM: usize = 120;

/// The operator's lists.
pub(super) fn lists(state: &AppState, width: usize, palette: Palette) -> Table<'_> {
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
        Column::new("left", 5, Side::Right),
    ];
    if is_wide {
        let unread = state.survey.as_ref().is_some_and(|survey| survey.reasons_unread);
        columns.push(Column::new("scope", 5, Side::Left));
        columns.push(Column::rest(if unread { "reason (not read)" } else { "reason" }));
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
                entry.origin.clone(),
                rate(entry.rate),
                short(entry.hits),
                entry.seconds_left.map_or_else(|| "never".to_owned(), age),
                entry.scope.clone(),
                entry.reason.clone(),
            ];
            (cells, palette.standing(entry.standing))
        }),
        empty: nothing(
            state,
            "no address or network is on a list; b and a in the first two tabs put one there",
        ),
    }
}

/// What happened.
pub(super) fn events(state: &AppState, width: usize, palette: Palette) -> Table<'_> {
    let is_wide = width >= WIDEST_FROM;
    let mut columns = vec![Column::new("TIME (UTC)", 14, Side::Left)];
    if is_wide {
        columns.push(Column::new("event", 23, Side::Left));
    }
    columns.push(Column::rest("what, why, and what was done"));
    let events = state.happenings();
    let has_controller = state.survey.as_ref().is_some_and(|survey| survey.controller.is_some());
    let empty =
        if has_controller { "nothing has happened" } else { "no controller runs that would write any down" };
    Table {
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

/// What stands there instead of rows.
pub(super) fn nothing(state: &AppState, unfiltered: &str) -> String {
    if state.filter.is_empty() {
        unfiltered.to_owned()
    } else {
        format!("nothing has {} in it", state.filter)
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

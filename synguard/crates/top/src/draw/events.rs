//! Draws the tab of events.

use ratatui::style::Style;

use super::{
    empty::nothing,
    table::{Column, ColumnTable, Side},
};
use crate::{palette::Palette, state::AppState};

/// Minimum width, in columns, for an event's kind.
const KIND_FROM: usize = 120;

/// Draws the events.
pub(super) fn events(state: &AppState, width: usize, palette: Palette) -> ColumnTable<'_> {
    let is_wide = width >= KIND_FROM;
    let mut columns = vec![Column::new(title(state), 14, Side::Left)];
    if is_wide {
        columns.push(Column::new("event", 23, Side::Left));
    }
    columns.push(Column::rest("what, why, and what was done"));
    let events = state.events();
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
        rules: Vec::new(),
        empty: nothing(state, empty(state)),
    }
}

/// Returns the heading of times, with their zone.
pub(super) fn title(state: &AppState) -> String {
    let zone = state.view.as_ref().map_or("", |view| &view.zone);
    format!("TIME ({zone})")
}

/// Returns the text shown in place of events.
pub(super) fn empty(state: &AppState) -> &'static str {
    let has_controller = state.view.as_ref().is_some_and(|view| view.has_controller);
    if has_controller { "No event so far." } else { "No controller is running, so no events are written." }
}

//! Draws the tab of lists.

use std::time::Duration;

use ratatui::style::Style;
use synguard_model::time;

use super::{
    empty::nothing,
    table::{Column, ColumnTable, Side},
};
use crate::{
    format::{age, rate, short},
    palette::Palette,
    state::AppState,
};

/// Minimum width, in columns, for an entry's reason.
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
        Column::new("expires", 7, Side::Right),
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
                entry.seconds_left.map_or_else(|| "never".to_owned(), left),
            ];
            if has_scope {
                cells.push(entry.scope.clone());
            }
            cells.push(entry.reason.clone());
            (cells, palette.status(entry.status))
        }),
        rules: Vec::new(),
        empty: nothing(state, "Both lists are empty. Press b (block) or a (allow) on a source."),
    }
}

/// Formats a remaining time in at most seven columns.
fn left(seconds: u64) -> String {
    match seconds {
        0..LONG => time::format_left(Duration::from_secs(seconds)),
        _ => age(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_left_fit_their_column() {
        for (seconds, text) in
            [(0, "0s"), (3599, "59m 59s"), (86_399, "23h 59m"), (8_639_999, "99d 23h"), (8_640_000, "100d")]
        {
            assert_eq!(left(seconds), text);
        }
    }
}

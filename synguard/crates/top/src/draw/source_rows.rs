//! Draws the tabs of sources and of prefixes.

use synguard_model::source::{display, display_prefix};

use super::{
    empty::nothing,
    table::{Column, ColumnTable, Side},
};
use crate::{
    format::{age, rate, short},
    palette::Palette,
    sources::{Row, Sort},
    state::AppState,
    view_model::TopView,
};

/// Draws the busiest sources.
pub(super) fn sources(state: &AppState, palette: Palette) -> ColumnTable<'_> {
    let empty = "no source has sent a SYN to a guarded port";
    table(state, state.sources(), "SOURCE", empty, palette, |row, view| display(&row.key, view.v6_length))
}

/// Draws the busiest prefixes.
pub(super) fn prefixes(state: &AppState, palette: Palette) -> ColumnTable<'_> {
    let limited = state.view.as_ref().is_some_and(|view| view.prefixes_limited);
    let title = if limited { "PREFIX (limited)" } else { "PREFIX (its sources)" };
    let empty = "no prefix has sent a SYN in the last interval";
    table(state, state.prefixes(), title, empty, palette, |row, _| display_prefix(&row.key))
}

fn table<'a>(
    state: &'a AppState,
    rows: Vec<&'a Row>,
    title: &str,
    empty: &str,
    palette: Palette,
    name: impl Fn(&Row, &TopView) -> String + 'a,
) -> ColumnTable<'a> {
    let sorted = |this: Sort, title: &str| {
        if state.sort == this { format!("{title}▼") } else { title.to_owned() }
    };
    let columns = vec![
        Column::name(title),
        Column::new(sorted(Sort::Rate, "SYN/s"), 6, Side::Right),
        Column::new(sorted(Sort::Total, "SYNs"), 5, Side::Right),
        Column::new(sorted(Sort::Dropped, "dropped"), 8, Side::Right),
        Column::new("state", 7, Side::Left),
        Column::new("last", 4, Side::Right),
    ];
    ColumnTable {
        columns,
        count: rows.len(),
        row: Box::new(move |at| {
            let (Some(row), Some(view)) = (rows.get(at), &state.view) else {
                return (Vec::new(), palette.label());
            };
            let last = view.at_ns.saturating_sub(row.last_seen_ns) / 1_000_000_000;
            let cells = vec![
                name(row, view),
                rate(row.syn_rate),
                short(row.syn_total),
                short(row.dropped),
                row.status.label().to_owned(),
                age(last),
            ];
            (cells, palette.status(row.status))
        }),
        empty: nothing(state, empty),
    }
}

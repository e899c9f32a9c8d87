//! The tabs of sources and of prefixes.

use synguard_model::source::{display, display_prefix};

use super::{
    empty::nothing,
    table::{Column, Side, Table},
};
use crate::{
    format::{age, rate, short},
    palette::Palette,
    sources::{Row, Sort},
    state::AppState,
    view_model::Survey,
};

/// The busiest sources.
pub(super) fn sources(state: &AppState, palette: Palette) -> Table<'_> {
    let empty = "no source has sent a SYN to a guarded port";
    table(state, state.sources(), "SOURCE", empty, palette, |row, survey| display(&row.key, survey.v6_length))
}

/// The busiest networks.
pub(super) fn networks(state: &AppState, palette: Palette) -> Table<'_> {
    let limited = state.survey.as_ref().is_some_and(|survey| survey.networks_limited);
    let title = if limited { "PREFIX (limited)" } else { "PREFIX (its sources)" };
    let empty = "no network has sent a SYN in the last interval";
    table(state, state.networks(), title, empty, palette, |row, _| display_prefix(&row.key))
}

fn table<'a>(
    state: &'a AppState,
    rows: Vec<&'a Row>,
    title: &str,
    empty: &str,
    palette: Palette,
    name: impl Fn(&Row, &Survey) -> String + 'a,
) -> Table<'a> {
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
    Table {
        columns,
        count: rows.len(),
        row: Box::new(move |at| {
            let (Some(row), Some(survey)) = (rows.get(at), &state.survey) else {
                return (Vec::new(), palette.label());
            };
            let last = survey.at_ns.saturating_sub(row.last_seen_ns) / 1_000_000_000;
            let cells = vec![
                name(row, survey),
                rate(row.syn_rate),
                short(row.syn_total),
                short(row.dropped),
                row.standing.label().to_owned(),
                age(last),
            ];
            (cells, palette.standing(row.standing))
        }),
        empty: nothing(state, empty),
    }
}

//! Draws the tabs of sources and of prefixes.

use synguard_model::source::{SourceStatus, display, display_prefix};

use super::{
    empty::nothing,
    table::{Column, ColumnTable, RuleLine, Side},
};
use crate::{
    format::{age, rate, short},
    palette::Palette,
    sources::{Activity, Row, SILENT_NS, Sort, status_word},
    state::AppState,
    view_model::TopView,
};

/// Minimum width, in columns, for the time of the latest SYN beside the longer words of monitor mode.
const LAST_FROM: usize = 70;

/// Draws the busiest sources.
pub(super) fn sources(state: &AppState, width: usize, palette: Palette) -> ColumnTable<'_> {
    let hidden = state.hidden_sources();
    let empty = match hidden {
        0 => "No source has sent a SYN to a guarded port.".to_owned(),
        _ => format!("No source has sent a SYN in the last minute. s: by total, with {hidden} older ones."),
    };
    let table = table(state, state.sources(), ("SOURCE", &empty), width, palette, |row, view| {
        display(&row.key, view.v6_length)
    });
    let rules = no_culprit_rule(state).into_iter().chain(silence_rule(state, hidden)).collect();
    ColumnTable { rules, ..table }
}

/// Draws the busiest prefixes.
pub(super) fn prefixes(state: &AppState, width: usize, palette: Palette) -> ColumnTable<'_> {
    let limited = state.view.as_ref().is_some_and(|view| view.prefixes_limited);
    let title = if limited { "PREFIX (limited)" } else { "PREFIX (its sources)" };
    let empty = "No prefix has sent a SYN in the last interval.";
    table(state, state.prefixes(), (title, empty), width, palette, |row, _| display_prefix(&row.key))
}

/// Returns the line above the sources that nobody is to blame for a flood: visitors are among these.
fn no_culprit_rule(state: &AppState) -> Option<RuleLine> {
    let has_none = state.view.as_ref().is_some_and(|view| view.situation.has_no_culprit());
    if !has_none || state.sort != Sort::Rate || !state.filter.is_empty() {
        return None;
    }
    let is_stopped = |row: &Row| matches!(row.status, SourceStatus::Hold | SourceStatus::Blocked);
    let below = state.sources().iter().position(|row| !is_stopped(row))?;
    let text =
        if below == 0 { "none stands out; visitors are among these" } else { "visitors are among these" };
    Some(RuleLine { below, text: text.to_owned() })
}

/// Returns the line above the sources that have fallen silent, when sources are sorted by rate.
fn silence_rule(state: &AppState, hidden: usize) -> Option<RuleLine> {
    let rows = state.sources();
    let below = rows.iter().position(|row| state.activity(row) != Activity::Sending)?;
    if state.sort != Sort::Rate {
        return None;
    }
    let seconds = SILENT_NS / 1_000_000_000;
    let older = if hidden > 0 { format!(" ({hidden} more for a minute)") } else { String::new() };
    Some(RuleLine { below, text: format!("silent for {seconds} s or more{older}") })
}

fn table<'a>(
    state: &'a AppState,
    rows: Vec<&'a Row>,
    (title, empty): (&str, &str),
    width: usize,
    palette: Palette,
    name: impl Fn(&Row, &TopView) -> String + 'a,
) -> ColumnTable<'a> {
    let sorted = |this: Sort, title: &str| {
        if state.sort == this { format!("{title}▼") } else { title.to_owned() }
    };
    let monitor = state.view.as_ref().is_some_and(TopView::drops_nothing);
    let mut columns = vec![
        Column::name(title),
        Column::new(sorted(Sort::Rate, "SYN/s"), 6, Side::Right),
        Column::new(sorted(Sort::Total, "SYNs"), 5, Side::Right),
    ];
    if monitor && width < LAST_FROM {
        let title = if state.sort == Sort::Dropped { "would▼" } else { "would drop" };
        columns.push(Column::new(title, 10, Side::Right));
        columns.push(Column::new("state", 11, Side::Left));
    } else if monitor {
        columns.push(Column::new(sorted(Sort::Dropped, "would drop"), 11, Side::Right));
        columns.push(Column::new("state", 11, Side::Left));
    } else {
        columns.push(Column::new(sorted(Sort::Dropped, "dropped"), 8, Side::Right));
        columns.push(Column::new("state", 7, Side::Left));
    }
    if !monitor || width >= LAST_FROM {
        columns.push(Column::new("last", 4, Side::Right));
    }
    ColumnTable {
        columns,
        count: rows.len(),
        row: Box::new(move |at| {
            let (Some(row), Some(view)) = (rows.get(at), &state.view) else {
                return (Vec::new(), palette.label());
            };
            let last = view.read_ns.saturating_sub(row.last_seen_ns) / 1_000_000_000;
            let cells = vec![
                name(row, view),
                rate(row.syn_rate),
                short(row.syn_total),
                short(row.dropped),
                status_word(row.status, monitor).to_owned(),
                age(last),
            ];
            let is_silent = state.activity(row) != Activity::Sending;
            (cells, if is_silent { palette.label() } else { palette.status(row.status) })
        }),
        rules: Vec::new(),
        empty: nothing(state, empty),
    }
}

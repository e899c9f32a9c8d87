//! Draws the help: every key and every term on the screen.

use ratatui::style::Style;

use super::table::{Column, ColumnTable, Side};

/// Keys and terms with their meaning; each line fits a screen of 60 columns.
pub(crate) const LINES: &[(&str, &str)] = &[
    ("1-6 Tab", "show a tab, the next tab (also ← →)"),
    ("↑ ↓ j k", "select a row; PgUp PgDn a page, G the last"),
    ("g", "follow the first row again; so does 10 s"),
    ("", "without a key"),
    ("s", "sort by rate, total, dropped"),
    ("/", "show only matching rows: a part of an"),
    ("", "address, a prefix (10.0.0.0/8), or a state"),
    ("Enter", "why its SYNs pass or not; Esc goes back"),
    ("b", "block the selected source or prefix"),
    ("a", "allow it: it is never dropped"),
    ("u", "remove it from its list"),
    ("z", "undo the last of these changes"),
    ("p Space", "pause, for reading"),
    ("? h F1", "this help"),
    ("q Ctrl-C", "quit"),
    ("", ""),
    ("in", "SYNs to guarded ports, whatever their verdict"),
    ("passed", "SYNs passed on to the server"),
    ("dropped", "SYNs over a limit, dropped in the driver"),
    ("would", "in monitor mode nothing is dropped, in hold or"),
    ("", "blocked: what would be"),
    ("answered", "SYNs that got a SYN cookie from the driver"),
    ("blocked", "SYNs from addresses in the blocklist, dropped"),
    ("not passed", "chart: SYNs dropped, blocked or answered by XDP"),
    ("accepted", "connections that clients completed"),
    ("state", "ok, hold (over its limit: its SYNs are dropped),"),
    ("", "or blocked or allowed by a list"),
    ("last", "time since the latest SYN"),
    ("silent", "below the line: no SYN for 5 s. After a minute"),
    ("", "a source is hidden, unless sorted by total"),
    ("by", "manual: by hand, auto: by synguard, feed: a file"),
    ("expires", "time until the entry is removed"),
    ("list read", "a long list is read less often; the busiest"),
    ("", "sources are still read each second"),
    ("not listed", "too many new sources: those with few SYNs get"),
    ("", "no row"),
    ("top uses", "CPU time of this screen, of one core"),
    ("k M", "thousand, million"),
];

/// Draws the help as a table.
pub(super) fn table() -> ColumnTable<'static> {
    ColumnTable {
        columns: vec![Column::new("KEY", 10, Side::Left), Column::rest("what it does, and what words mean")],
        count: LINES.len(),
        row: Box::new(move |at| {
            let (key, meaning) = LINES.get(at).copied().unwrap_or_default();
            (vec![key.to_owned(), meaning.to_owned()], Style::new())
        }),
        rules: Vec::new(),
        empty: String::new(),
    }
}

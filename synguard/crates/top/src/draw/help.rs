//! Draws the help: every key and every term on the screen.

use ratatui::style::Style;

use super::table::{Column, ColumnTable, Side};

/// Keys and terms with their meaning; each line fits a screen of 60 columns.
pub(crate) const LINES: &[(&str, &str)] = &[
    ("1-6 Tab", "show a tab, the next tab (also ← →)"),
    ("↑ ↓ j k", "select a line; PgUp PgDn a page, g G first, last"),
    ("s", "sort by rate, total, dropped"),
    ("/", "show only matching rows: a part of an"),
    ("", "address, a prefix (10.0.0.0/8), or a state"),
    ("Enter", "details of the row; Esc goes back"),
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
    ("would", "in monitor mode: SYNs that would be dropped"),
    ("answered", "SYNs that got a SYN cookie from the driver"),
    ("blocked", "SYNs from addresses in the blocklist, dropped"),
    ("distinct", "sources of SYNs in the last second / the limit"),
    ("table", "sources with an entry / capacity"),
    ("hold", "sources over their rate: their SYNs are dropped"),
    ("state", "ok, hold, or blocked or allowed by a list"),
    ("by", "operator: by hand, auto: by synguard, feed: a file"),
    ("cookies", "SYN cookies come from: kernel, xdp (driver), off"),
    ("sysctl", "net.ipv4: tcp_syncookies / tcp_timestamps"),
    ("", "0 no, 1 full, 2 always / 2: cookies keep options"),
    ("listen", "SYNs and ACKs the server itself dropped"),
    ("queue", "SYNs that found the server's queue full"),
    ("pressure", "under pressure: too many new sources; only fast"),
    ("", "ones get an entry"),
    ("read", "share of the table that this refresh has read"),
    ("CPU", "CPU time of this screen, of one core"),
    ("charts", "the last minutes; k = 1000, M = a million"),
    ("last", "time since the latest SYN"),
];

/// Draws the help as a table.
pub(super) fn table() -> ColumnTable<'static> {
    ColumnTable {
        columns: vec![Column::new("KEY", 9, Side::Left), Column::rest("what it does, and what words mean")],
        count: LINES.len(),
        row: Box::new(move |at| {
            let (key, meaning) = LINES.get(at).copied().unwrap_or_default();
            (vec![key.to_owned(), meaning.to_owned()], Style::new())
        }),
        empty: String::new(),
    }
}

//! The help: every key and every word on the screen.

use ratatui::style::Style;

use super::table::{Column, Side, Table};

/// Keys and words, and what they mean; each fits a screen of 60 columns.
pub(crate) const LINES: &[(&str, &str)] = &[
    ("1-6 Tab", "show a tab, the next tab (also ← →)"),
    ("↑ ↓ j k", "choose a line; PgUp PgDn, g G: far away"),
    ("s", "sort by rate, total, dropped"),
    ("/", "show only what has this in it: a part of an"),
    ("", "address, a network (10.0.0.0/8), or a state"),
    ("Enter", "all about it; Esc goes back"),
    ("b", "block the chosen source or network"),
    ("a", "allow it: it is never dropped"),
    ("u", "take it off its list"),
    ("z", "undo the last of these"),
    ("p Space", "pause, for reading"),
    ("? h F1", "this help"),
    ("q Ctrl-C", "quit"),
    ("", ""),
    ("in", "SYNs to guarded ports, whatever became of them"),
    ("passed", "those handed on to the server"),
    ("dropped", "packets dropped in the driver"),
    ("answered", "SYNs answered by a cookie in the driver"),
    ("distinct", "sources of SYNs in the last second / the limit"),
    ("table", "sources with an entry / room for so many"),
    ("hold", "sources over their rate: their SYNs are dropped"),
    ("state", "ok, hold, or blocked or allowed by a list"),
    ("by", "operator: by hand, auto: by synguard, feed: a file"),
    ("cookies", "who answers with SYN cookies: kernel, xdp, off"),
    ("sysctl", "net.ipv4: tcp_syncookies / tcp_timestamps"),
    ("", "0 no, 1 full, 2 always / 2: answers keep options"),
    ("listen", "SYNs and ACKs the server itself dropped"),
    ("queue", "SYNs that found the server's queue full"),
    ("crowded", "so many new sources that only conspicuous"),
    ("", "ones are given an entry"),
    ("read", "share of the table that this look has read"),
    ("CPU", "what this screen costs, of one core"),
    ("charts", "the last minutes; k = 1000, M = a million"),
    ("last", "time since the latest SYN"),
];

/// The help as a table.
pub(super) fn table() -> Table<'static> {
    Table {
        columns: vec![Column::new("KEY", 9, Side::Left), Column::rest("what it does, and what words mean")],
        count: LINES.len(),
        row: Box::new(move |at| {
            let (key, meaning) = LINES.get(at).copied().unwrap_or_default();
            (vec![key.to_owned(), meaning.to_owned()], Style::new())
        }),
        empty: String::new(),
    }
}

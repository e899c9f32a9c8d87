//! The output of `top --once`. Pure; the time of day is an argument.

use std::{fmt::Write as _, iter};

use synguard_kernel::clock;
use synguard_model::source::display;
use synguard_top::{
    format::{grouped, percent, plain},
    sources::{Row, Sort, status_word},
    view_model::TopView,
};

use crate::{
    commands::status::write_answers,
    output::{HeadJson, SourceRowJson, SourceTableJson, TopJson},
};

/// Returns the keys of `status --json`, with the sources added.
pub(super) fn json(head: HeadJson, source_table: SourceTableJson, view: &TopView) -> TopJson {
    let wall = clock::unix_seconds();
    let sources = view.sources.iter().map(|row| row_json(row, view, wall)).collect();
    TopJson { head, source_table, sources, coverage: view.coverage }
}

fn row_json(row: &Row, view: &TopView, wall: f64) -> SourceRowJson {
    // Whole milliseconds: more would be noise.
    let at = |seen_ns: u64| {
        let ago = view.at_ns.saturating_sub(seen_ns) as f64 / 1e9;
        ((wall - ago) * 1e3).round() / 1e3
    };
    SourceRowJson {
        source: display(&row.key, view.v6_length),
        syn_rate: (row.syn_rate * 10.0).round() / 10.0,
        syn_total: row.syn_total,
        dropped: row.dropped,
        state: row.status.into(),
        first_seen: at(row.first_seen_ns),
        last_seen: at(row.last_seen_ns),
    }
}

/// Returns the five answers, a line about the table of sources, and the sources.
pub(super) fn text(view: &TopView, sort: Sort, colour: bool) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_answers(&mut out, &view.situation, colour);
    let _ = head(&mut out, view);
    let _ = table(&mut out, view, sort);
    out
}

fn head(out: &mut String, view: &TopView) -> std::fmt::Result {
    let places: Vec<String> = view
        .interfaces
        .iter()
        .map(|interface| format!("{} ({})", plain(&interface.name), interface.place))
        .collect();
    let places = if places.is_empty() { "no interface".to_owned() } else { places.join(", ") };
    let hold = if view.drops_nothing() { "would be in hold" } else { "in hold" };
    let unread = if view.coverage < 1.0 {
        format!("; {} of the table was read", percent(view.coverage))
    } else {
        String::new()
    };
    writeln!(
        out,
        "{} on {places}: {} of {} entries in use, {} {hold}{unread}{}\n",
        plain(&view.instance),
        grouped(view.tracked.used),
        grouped(view.tracked.capacity),
        grouped(view.in_hold),
        if view.under_pressure {
            "; too many new sources: only sources above the promotion threshold get an entry"
        } else {
            ""
        }
    )
}

fn table(out: &mut String, view: &TopView, sort: Sort) -> std::fmt::Result {
    if view.sources.is_empty() {
        return writeln!(out, "no source has sent a SYN to a guarded port");
    }
    let drops_nothing = view.drops_nothing();
    let age = |row: &Row| view.read_ns.saturating_sub(row.last_seen_ns) / 1_000_000_000;
    let rows: Vec<[String; 6]> = view
        .sources
        .iter()
        .map(|row| {
            [
                display(&row.key, view.v6_length),
                format!("{:.1}", row.syn_rate),
                row.syn_total.to_string(),
                row.dropped.to_string(),
                status_word(row.status, drops_nothing).to_owned(),
                format!("{} s ago", age(row)),
            ]
        })
        .collect();
    let mark = |this: Sort, name: &str| if this == sort { format!("{name}*") } else { name.to_owned() };
    let header = [
        "SOURCE".to_owned(),
        mark(Sort::Rate, "SYN/S"),
        mark(Sort::Total, "SYNS"),
        mark(Sort::Dropped, if drops_nothing { "WOULD DROP" } else { "DROPPED" }),
        "STATE".to_owned(),
        "LAST".to_owned(),
    ];
    let widths: [usize; 6] = std::array::from_fn(|i| {
        rows.iter().chain([&header]).map(|row| row[i].len()).max().unwrap_or_default()
    });
    for row in iter::once(&header).chain(&rows) {
        let [source, rate, total, dropped, state, last] = row;
        let [a, b, c, d, e, _] = widths;
        writeln!(out, "{source:a$}  {rate:>b$}  {total:>c$}  {dropped:>d$}  {state:e$}  {last}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::StatusJson;
    use synguard_model::{
        situation::Enforcement,
        source::{SourceStatus, key_of},
    };
    use synguard_top::view_model::{Gauge, InterfaceRow};

    fn view() -> TopView {
        let row = Row {
            key: key_of("192.0.2.7".parse().expect("an address")),
            syn_rate: 1234.56,
            syn_total: 99_999,
            dropped: 88_888,
            status: SourceStatus::Hold,
            last_seen_ns: 7_000_000_000,
            ..Row::default()
        };
        TopView {
            at_ns: 10_000_000_000,
            read_ns: 10_000_000_000,
            instance: "default".to_owned(),
            interfaces: vec![InterfaceRow { name: "e\u{1b}[2Jth".to_owned(), place: "native".to_owned() }],
            tracked: Gauge { used: 1234, capacity: 262_144 },
            coverage: 1.0,
            v6_length: 64,
            sources: vec![row],
            ..TopView::default()
        }
    }

    #[test]
    fn text_is_a_head_and_aligned_columns() {
        let text = text(&view(), Sort::Total, false);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("NOT PROTECTED") && lines[1].starts_with("calm: 0 SYN/s"), "{text}");
        let at = lines.iter().position(|line| line.starts_with("default on")).expect("a head");
        assert_eq!(
            lines[at],
            "default on e\u{fffd}[2Jth (native): 1 234 of 262 144 entries in use, 0 in hold"
        );
        assert_eq!(lines[at + 2], "SOURCE      SYN/S  SYNS*  DROPPED  STATE  LAST");
        assert_eq!(lines[at + 3], "192.0.2.7  1234.6  99999    88888  hold   3 s ago");
    }

    #[test]
    fn text_in_monitor_mode_says_what_would_happen() {
        let mut view = view();
        view.situation.enforcement = Enforcement::Monitor;
        let text = text(&view, Sort::Total, false);
        assert!(text.contains("WOULD DROP  STATE") && text.contains("would hold"), "{text}");
        assert!(text.contains("0 would be in hold") && !text.contains("DROPPED"), "{text}");
    }

    #[test]
    fn object_has_the_head_and_the_sources() {
        let StatusJson { head, sources } = StatusJson::sample();
        let object = serde_json::to_value(json(head, sources, &view())).expect("serialises");
        assert_eq!(object["schema"], 1);
        assert_eq!(object["source_table"]["tracked"], 1);
        let row = &object["sources"][0];
        assert_eq!(row["source"], "192.0.2.7");
        assert_eq!(row["syn_rate"], 1234.6);
        assert_eq!((row["syn_total"].as_u64(), row["dropped"].as_u64()), (Some(99_999), Some(88_888)));
        assert_eq!(row["state"], "hold");
        assert!(row["first_seen"].as_f64() < row["last_seen"].as_f64());
    }
}

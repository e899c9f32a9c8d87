//! Runs `list`, `export` and `check` on the operator's lists.

use std::{
    io::{self, BufWriter, ErrorKind, Write},
    net::IpAddr,
};

use anyhow::{Context as _, Result};
use serde::Serialize as _;
use serde_json::ser::{Formatter, Serializer};
use synguard_common::ip_list::List;
use synguard_kernel::{clock, instance::Instance};
use synguard_lists::{
    check::{EntryView, ListDecision, ListVerdict, decide},
    format::line::{EntryLine, TimeFormat},
    transaction::ListTransaction,
};
use synguard_model::time::{self, Now};

use super::{counted, notes};
use crate::{
    commands::stdout::emit,
    output::{
        CheckJson, DecidingEntryJson, ListEntriesJson, ListEntryJson, ListJson, SchemaVersion, to_line,
    },
};

/// Prints a list.
pub(super) fn list(instance: &Instance, list: List, as_json: bool) -> Result<()> {
    let now = clock::now();
    let lists = ListTransaction::open(instance)?;
    let views = lists.entries(list, now)?;
    notes::print(notes::on_effect(instance, &lists, list));
    drop(lists);
    stream(
        |out| if as_json { write_json(out, list, &views, now) } else { write_table(out, list, &views, now) },
    )
}

/// Prints a list in the form that `import` reads.
pub(super) fn export(instance: &Instance, list: List) -> Result<()> {
    let now = clock::now();
    let views = ListTransaction::open(instance)?.entries(list, now)?;
    stream(|out| {
        for view in &views {
            writeln!(out, "{}", EntryLine(&view.to_entry(now), TimeFormat::Left { now }))?;
        }
        Ok(())
    })
}

/// Prints the effect of both lists on an address, with the entries that cover it.
pub(super) fn check(instance: &Instance, address: IpAddr, as_json: bool) -> Result<()> {
    let now = clock::now();
    let lists = ListTransaction::open(instance)?;
    let (allow, block) = (
        lists.detailed_covering(List::Allow, address, now)?,
        lists.detailed_covering(List::Block, address, now)?,
    );
    drop(lists);
    let decision = decide(&allow, &block, now);
    if !as_json {
        return emit(check_text(address, &decision, [(List::Allow, &allow), (List::Block, &block)], now));
    }
    let entries = |views: &[EntryView]| views.iter().map(|view| ListEntryJson::new(view, now)).collect();
    let object = CheckJson {
        schema: SchemaVersion,
        address: address.to_string(),
        verdict: decision.syn.into(),
        verdict_other_packets: decision.other.into(),
        decided_by: decision.by.map(|(list, view)| DecidingEntryJson {
            entry: ListEntryJson::new(view, now),
            list: list.verb(),
        }),
        why: explain(address, &decision, &block),
        allow: entries(&allow),
        block: entries(&block),
    };
    emit(to_line(&object)?)
}

fn check_text(
    address: IpAddr,
    decision: &ListDecision<'_>,
    lists: [(List, &Vec<EntryView>); 2],
    now: Now,
) -> String {
    let mut text = format!("{}\n", explain(address, decision, lists[1].1));
    for (list, views) in lists {
        for view in views {
            let decides = decision.by == Some((list, view));
            let mark = if decides { "*" } else { " " };
            text += &format!("{mark} {}  {}  {}\n", list.name(), view.target, view.describe(now));
        }
    }
    text
}

/// Formats the decision as a sentence.
fn explain(address: IpAddr, decision: &ListDecision<'_>, block: &[EntryView]) -> String {
    let Some((list, view)) = decision.by else {
        return format!("{address} is on neither list");
    };
    let only = if decision.syn == decision.other {
        ""
    } else if decision.other == ListVerdict::Blocked {
        " for SYNs; its other packets are blocked"
    } else {
        " for SYNs; its other packets pass the lists"
    };
    let verdict = decision.syn.name();
    let wins = match list {
        List::Allow if !block.is_empty() => ", which wins over the blocklist",
        _ => "",
    };
    format!("{address} is {verdict}{only}: {} is in the {}{wins}", view.target, list.name())
}

/// Formats JSON on one line, but each element of an array on a line of its own.
struct LinePerEntry;

impl Formatter for LinePerEntry {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"\n" } else { b",\n" })
    }
}

fn write_json(out: &mut impl Write, list: List, views: &[EntryView], now: Now) -> io::Result<()> {
    let object =
        ListJson { schema: SchemaVersion, list: list.verb(), entries: ListEntriesJson { views, now } };
    object.serialize(&mut Serializer::with_formatter(&mut *out, LinePerEntry))?;
    writeln!(out)
}

fn write_table(out: &mut impl Write, list: List, views: &[EntryView], now: Now) -> io::Result<()> {
    if views.is_empty() {
        return writeln!(out, "the {} is empty", list.name());
    }
    let width = views.iter().map(|view| view.target.to_string().len()).max().unwrap_or(0).max(6);
    writeln!(out, "{:width$}  SCOPE  ORIGIN        HITS  EXPIRES    REASON", "TARGET")?;
    for view in views {
        let left = view
            .time_left(now)
            .map_or_else(|| "never".to_owned(), |left| format!("in {}", time::format_left(left)));
        let reason = view.reason.as_ref().map_or("", |reason| reason.as_str());
        let target = view.target.to_string();
        let line = format!(
            "{target:width$}  {:5}  {:6}  {:>10}  {left:9}  {reason}",
            view.scope.name(),
            view.origin.label(),
            view.hits
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out, "{}", counted(views.len() as u64, "entry", "entries"))
}

/// Writes to standard output in pieces. A reader that closes the pipe early, such as `head`, is no error.
fn stream(write: impl FnOnce(&mut BufWriter<io::StdoutLock<'_>>) -> io::Result<()>) -> Result<()> {
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("write to standard output"),
        // Dropping the buffer would try to write the rest again, so it is taken apart instead.
        Err(_) => {
            let _ = out.into_parts();
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

//! `synguard block import` and `synguard allow import`.

use std::{
    collections::BTreeMap,
    fs::{File, Metadata},
    io::{self, BufReader, Read},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use ipnet::IpNet;
use log::Level;
use synguard_common::ip_list::List;
use synguard_kernel::{clock, instance::Instance, protected};
use synguard_lists::{
    aggregate,
    format::file::{self, ImportDefaults, ImportStats},
    holes::{self, CutEntries, Holes},
    transaction::ListTransaction,
};
use synguard_model::{
    error::{ExitKind, failure},
    event::ListVerb,
    ip_prefix::Target,
    list_entry::{Entry, Origin},
    time::Now,
};

use super::{audit::ListAudit, counted, notes, refusal};
use crate::{
    cli::ImportArgs,
    commands::stdout::emit,
    output::{ListChangeJson, to_line},
};

const BUFFER: usize = 256 * 1024;
const REDRAW: Duration = Duration::from_millis(100);

/// Imports a file.
///
/// # Errors
///
/// If a line is invalid (the error has its number), or the list would be too long. Nothing has changed then.
pub(super) fn run(instance: &Instance, list: List, args: &ImportArgs) -> Result<()> {
    // Reading may take long, so what would forbid a change is noticed first.
    drop(ListTransaction::open(instance)?);
    let now = clock::now();
    let (entries, found) = read(list, args, now)?;
    let name = display_name(&args.file);
    let CutEntries { entries, left_out } = cut(list, args, entries)?;
    if args.replace && entries.is_empty() && !left_out.is_empty() {
        let message = format!("{name} has nothing that may be blocked, so nothing was changed");
        return Err(failure(ExitKind::Invalid, message));
    }
    if args.replace && found.targets == 0 {
        let (verb, list) = (list.verb(), list.name());
        let message = format!(
            "{name} has no targets, so the {list} was not replaced: use `synguard {verb} flush` to empty it"
        );
        return Err(failure(ExitKind::Invalid, message));
    }
    if found.targets == 0 {
        let note = format!("{name} has no targets, so nothing was added: was it fetched completely?");
        notes::print([(Level::Warn, note)]);
    }
    let (read, covered) = (entries.len() as u64, file::count_covered(&entries));
    let entries = if args.aggregate { aggregate::aggregate(entries) } else { entries };
    let left = entries.len() as u64;
    let notes = [
        (found.duplicates, "repeated", "repeated"),
        (if args.aggregate { 0 } else { covered }, "covered by another", "covered by others"),
        (found.masked, "with host bits, which were cleared", "with host bits, which were cleared"),
        (found.expired, "expired", "expired"),
    ];
    let notes = notes.into_iter().filter(|(number, ..)| *number > 0);
    let mut notes: Vec<_> = notes.map(|(number, one, more)| counted(number, one, more)).collect();
    notes.extend((left < read).then(|| format!("merged into {}", counted(left, "entry", "entries"))));
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    let (had, change) = write(instance, list, args, entries, &left_out, now)?;
    if args.output.json {
        return emit(to_line(&change)?);
    }
    let way = match had {
        Some(had) => format!("replacing the {} of", counted(had, "entry", "entries")),
        None => "into".to_owned(),
    };
    emit(format!(
        "imported {} {way} the {}{notes}\n",
        counted(found.targets, "target", "targets"),
        list.name()
    ))
}

/// Adds entries to the list, or replaces the list. Returns the former number of entries if it was replaced, and the change,
/// whose numbers are 0 unless they are to be printed.
fn write(
    instance: &Instance,
    list: List,
    args: &ImportArgs,
    entries: Vec<Entry>,
    left_out: &BTreeMap<IpNet, String>,
    now: Now,
) -> Result<(Option<u64>, ListChangeJson)> {
    let name = list.name();
    let bar = spinner(format!("writing {} to the {name}", counted(entries.len() as u64, "entry", "entries")));
    let mut lists = ListTransaction::open(instance)?;
    let mut notes = notes::on_allowed_share(list, &entries);
    let mut had = None;
    let mut by_hand = 0;
    let verb = if args.replace { ListVerb::Replace } else { ListVerb::Import };
    let audit = ListAudit::begin(instance, &lists, list, verb)
        .import(display_name(&args.file), entries.len() as u64)
        .entries(&args.entry);
    let replaced = if args.output.json { count_present(&lists, list, &entries, now)? } else { 0 };
    let added = entries.len() as u64 - replaced;
    let written = if args.replace {
        had = Some(lists.size(list)?.entries);
        by_hand = lists.count_missing(list, Origin::Operator, &entries, now)?;
        lists.replace(list, &entries, now)
    } else {
        lists.add(list, entries, now)
    };
    bar.finish_and_clear();
    written?;
    audit.record(&lists, list);
    if by_hand > 0 {
        let entries =
            counted(by_hand, "entry that was added by hand was", "entries that were added by hand were");
        let note =
            format!("{entries} removed with the old {name}: to keep such entries, import without --replace");
        notes.push((Level::Warn, note));
    }
    notes.extend(notes::on_left_out(left_out));
    notes.extend(notes::on_fill_level(&lists, list)?);
    notes.extend(notes::on_effect(instance, &lists, list));
    notes::print(notes);
    let removed = had.map_or(0, |had| had.saturating_sub(replaced));
    Ok((had, ListChangeJson { added, replaced, removed, ..ListChangeJson::new(&lists, list) }))
}

/// Counts the entries whose target has an entry already.
fn count_present(lists: &ListTransaction, list: List, entries: &[Entry], now: Now) -> Result<u64> {
    let mut present = 0;
    for entry in entries {
        present += u64::from(lists.entry(list, entry.target, now)?.is_some());
    }
    Ok(present)
}

/// Leaves out what must not be blocked.
fn cut(list: List, args: &ImportArgs, entries: Vec<Entry>) -> Result<CutEntries> {
    if list == List::Allow || args.entry.force {
        return Ok(CutEntries { entries, left_out: BTreeMap::new() });
    }
    let current = protected::current();
    for unread in &current.warnings {
        log::warn!("{unread}");
    }
    let networks = protected::networks().context("find the networks that must not be blocked")?;
    Ok(Holes::new(&current.set, networks).cut(entries))
}

/// Reads the file; shows a progress bar if standard error is a terminal.
fn read(list: List, args: &ImportArgs, now: Now) -> Result<(Vec<Entry>, ImportStats)> {
    let name = display_name(&args.file);
    let unreadable = |error: io::Error| failure(ExitKind::Invalid, format!("cannot read {name}: {error}"));
    let (input, size): (Box<dyn Read>, Option<u64>) = if args.file == Path::new("-") {
        (Box::new(io::stdin().lock()), None)
    } else {
        let file = File::open(&args.file).map_err(unreadable)?;
        let size = file.metadata().ok().filter(Metadata::is_file).map(|metadata| metadata.len());
        (Box::new(file), size)
    };
    let defaults = ImportDefaults {
        now,
        ttl: args.entry.ttl.0,
        reason: args.entry.reason(),
        scope: args.entry.scope,
        origin: Origin::Feed,
    };
    let bar = size.map_or_else(|| spinner(format!("reading {name}")), |size| bytes_bar(size, &name));
    let force = args.entry.force;
    // An import to the blocklist leaves out what must not be blocked; only too wide a line fails it.
    let refuse_to_allow = (list == List::Allow).then(|| refusal(list, force));
    let refuse = |target: Target| {
        let why = match &refuse_to_allow {
            Some(refuse) => refuse(target)?,
            None if !force && holes::is_too_wide(target.net()) => {
                format!("{target} is too much of the Internet")
            }
            None => return None,
        };
        Some(format!("{why}: take the line out, or add --force to {} it anyway", list.verb()))
    };
    let input = BufReader::with_capacity(BUFFER, input);
    let read = file::read(input, &defaults, refuse, |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    read.map_err(|error| match error {
        file::FileError::Read(error) => unreadable(error),
        error => failure(ExitKind::Invalid, format!("{name}:{error}; nothing was changed")),
    })
}

/// Returns the name of a file for messages.
fn display_name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

/// Returns a progress bar; like [`spinner`], it is invisible if standard error is not a terminal.
fn bytes_bar(size: u64, name: &str) -> ProgressBar {
    let bar = ProgressBar::new(size);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(format!("reading {name}"));
    bar
}

fn spinner(message: String) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_message(message);
    bar.enable_steady_tick(REDRAW);
    bar
}

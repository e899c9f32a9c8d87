//! The log: changes since the base file was written, appended in batches. Pure.
//!
//! ```text
//! # synguard blocklist log, format 1, generation 7
//! + 192.0.2.1 created=1767225600.250 origin=operator
//! - 192.0.2.0/24
//! = 2 89abcdef
//! ```
//!
//! A batch counts only if the line that ends it is present: `=`, the number of changes, and the checksum of all bytes
//! before that line in the file. A batch whose writing was interrupted has no such line.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use crc32fast::Hasher;
use synguard_common::ip_list::List;
use synguard_model::{ip_prefix::Target, list_entry::Entry};

use super::base;
use crate::format::{
    file::ReasonPool,
    line::{EntryLine, TimeFormat},
};

/// One change of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryChange<'a> {
    /// Adds an entry, or replaces the entry of the same target.
    Put(&'a Entry),
    /// Removes the entry of a target.
    Remove(Target),
}

/// Result of scanning a log for complete batches, without parsing its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogScan {
    /// Generation of the base file to which the log belongs; `None` without a complete header.
    pub generation: Option<u64>,
    /// Number of bytes up to the end of the last complete batch.
    pub valid: usize,
    /// Checksum of these bytes.
    pub sum: u32,
    /// True if damage follows these bytes, rather than a batch whose writing was interrupted: the next batch has an
    /// end.
    pub damaged: bool,
}

/// Returns the header line of a log.
pub(super) fn header(list: List, generation: u64) -> String {
    format!("# synguard {} log, format 1, generation {generation}\n", list.name())
}

/// Formats a batch that follows bytes with the checksum `sum`.
pub(super) fn format_batch<'a>(sum: u32, changes: impl IntoIterator<Item = EntryChange<'a>>) -> String {
    let mut text = String::new();
    let mut count = 0u64;
    for change in changes {
        count += 1;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{change}");
    }
    let mut hasher = Hasher::new_with_initial(sum);
    hasher.update(text.as_bytes());
    let sum = hasher.finalize();
    let _ = writeln!(text, "= {count} {sum:08x}");
    text
}

impl fmt::Display for EntryChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // 0 is the time of creation of no entry, so the time is always written.
            Self::Put(entry) => write!(f, "+ {}", EntryLine(entry, TimeFormat::Instants { created_ms: 0 })),
            Self::Remove(target) => write!(f, "- {target}"),
        }
    }
}

/// Finds the last complete batch.
pub(super) fn scan(bytes: &[u8], list: List) -> LogScan {
    let mut found = LogScan { generation: None, valid: 0, sum: 0, damaged: false };
    let Some(first) = line_at(bytes, 0) else {
        return found;
    };
    let generation = std::str::from_utf8(first).ok().and_then(|line| {
        let generation = line.strip_suffix('\n')?.rsplit_once(' ')?.1.parse().ok()?;
        (line == header(list, generation)).then_some(generation)
    });
    let Some(generation) = generation else {
        found.damaged = true;
        return found;
    };
    let mut hasher = Hasher::new();
    hasher.update(first);
    found = LogScan {
        generation: Some(generation),
        valid: first.len(),
        sum: hasher.clone().finalize(),
        damaged: false,
    };
    let (mut at, mut count) = (first.len(), 0);
    while let Some(line) = line_at(bytes, at) {
        let sum = hasher.clone().finalize();
        hasher.update(line);
        at += line.len();
        if line.first() != Some(&b'=') {
            count += 1;
            continue;
        }
        if line != format!("= {count} {sum:08x}\n").as_bytes() {
            found.damaged = true;
            return found;
        }
        count = 0;
        found.valid = at;
        found.sum = hasher.clone().finalize();
    }
    found
}

/// Returns the line that begins at `at`, with its line end; `None` if that is missing.
fn line_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = &bytes[at..];
    rest.iter().position(|&byte| byte == b'\n').map(|end| &rest[..=end])
}

/// Parses the complete batches of a log. Returns the last change of each target; `None` removes it.
///
/// # Errors
///
/// If a line is not a change although the checksum is right, which means that another version wrote it.
pub(super) fn parse_changes(valid: &[u8]) -> Result<BTreeMap<Target, Option<Entry>>, String> {
    let mut changes = BTreeMap::new();
    let mut reasons = ReasonPool::default();
    let text = std::str::from_utf8(valid).map_err(|error| error.to_string())?;
    for line in text.lines() {
        let unknown = || format!("`{line}` is not a change");
        match line.split_at_checked(2) {
            Some(("+ ", rest)) => {
                let entry = base::parse_entry(rest, 0, &mut reasons).map_err(|error| error.to_string())?;
                let entry = entry.ok_or_else(unknown)?;
                changes.insert(entry.target, Some(entry));
            }
            Some(("- ", rest)) => {
                let target: Target = rest.parse().map_err(|_| unknown())?;
                changes.insert(target, None);
            }
            Some(("= " | "# ", _)) => {}
            _ => return Err(unknown()),
        }
    }
    Ok(changes)
}

/// Applies changes to a sorted list. They must be sorted by target, and no target may occur twice. The result is
/// sorted.
pub(super) fn apply(
    entries: Vec<Entry>,
    changes: impl ExactSizeIterator<Item = (Target, Option<Entry>)>,
) -> Vec<Entry> {
    if changes.len() == 0 {
        return entries;
    }
    let mut merged = Vec::with_capacity(entries.len() + changes.len());
    let mut changes = changes.peekable();
    for entry in entries {
        while let Some((_, change)) = changes.next_if(|(target, _)| *target < entry.target) {
            merged.extend(change);
        }
        match changes.next_if(|(target, _)| *target == entry.target) {
            Some((_, change)) => merged.extend(change),
            None => merged.push(entry),
        }
    }
    merged.extend(changes.filter_map(|(_, change)| change));
    merged
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;

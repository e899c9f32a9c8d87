//! The log: changes since the base file, appended in batches. Pure.
//!
//! ```text
//! # synguard blocklist log, format 1, generation 7
//! + 192.0.2.1 created=1767225600.250 origin=operator
//! - 192.0.2.0/24
//! = 2 89abcdef
//! ```
//!
//! A batch counts once the line that ends it is there: `=`, the number of changes, and the checksum of all that
//! stands before it in the file. A batch that was being written when the machine stopped has no such line.

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
    /// Adds an entry, in place of one of the same target.
    Put(&'a Entry),
    /// Takes an entry out.
    Remove(Target),
}

/// What is known of a log without reading its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogScan {
    /// The generation of the base file that it belongs to; `None` if it has not even a whole header.
    pub generation: Option<u64>,
    /// Bytes up to the end of the last whole batch.
    pub valid: usize,
    /// The checksum of those bytes.
    pub sum: u32,
    /// Whether what follows is damage rather than a batch that was being written: it has an end.
    pub damaged: bool,
}

/// The header of a log.
pub(super) fn header(list: List, generation: u64) -> String {
    format!("# synguard {} log, format 1, generation {generation}\n", list.name())
}

/// Writes a batch that follows bytes of which `sum` is the checksum.
pub(super) fn batch<'a>(sum: u32, changes: impl IntoIterator<Item = EntryChange<'a>>) -> String {
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
            // No entry was made in 1970: the time is always written.
            Self::Put(entry) => write!(f, "+ {}", EntryLine(entry, TimeFormat::Instants { created_ms: 0 })),
            Self::Remove(target) => write!(f, "- {target}"),
        }
    }
}

/// Looks for the last whole batch.
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

/// The line that begins at `at`, with its end; `None` if it has none.
fn line_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = &bytes[at..];
    rest.iter().position(|&byte| byte == b'\n').map(|end| &rest[..=end])
}

/// Reads the changes in the whole batches of a log: what became of each target that it names.
///
/// # Errors
/// If a line is no change, though its checksum is right: another version wrote it.
pub(super) fn read(valid: &[u8]) -> Result<BTreeMap<Target, Option<Entry>>, String> {
    let mut changes = BTreeMap::new();
    let mut reasons = ReasonPool::default();
    let text = std::str::from_utf8(valid).map_err(|error| error.to_string())?;
    for line in text.lines() {
        let unknown = || format!("`{line}` is no change");
        match line.split_at_checked(2) {
            Some(("+ ", rest)) => {
                let entry = base::entry(rest, 0, &mut reasons).map_err(|error| error.to_string())?;
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

/// Applies changes, sorted and each of another target, to a sorted list, which stays sorted.
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

//! List files, for import and export. Reads from a given reader and writes to a given writer.
//!
//! A line has one target; `#` and `;` begin a comment. Blank lines, Windows line ends and a byte order mark are
//! accepted, so the sets of FireHOL and the DROP list of Spamhaus load unmodified. Host bits are cleared, as ipset
//! and nft do, and counted. The first invalid line fails the whole import.

use std::{
    collections::HashSet,
    io::{self, BufRead, Read as _, Write},
    num::NonZeroU64,
    time::Duration,
};

use synguard_model::{
    ip_prefix::Target,
    list_entry::{Entry, EntryReason, Origin, Scope},
    time::Now,
};

use super::line::{Attributes, EntryLine, LineError, ListLine, TimeFormat};

/// Length from which on a line is taken as a sign that the file is not text.
const LINE_MAX: u64 = 64 * 1024;
/// Number of lines between two reports of progress.
const PROGRESS_LINES: u64 = 4_096;

/// Attributes of lines that do not give them.
#[derive(Clone, Debug)]
pub struct ImportDefaults {
    /// Time of the import, at which times to live begin.
    pub now: Now,
    /// Time to live; `None` means forever.
    pub ttl: Option<Duration>,
    pub reason: Option<EntryReason>,
    pub scope: Scope,
    pub origin: Origin,
}

/// Counts of the lines of an imported file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportStats {
    /// Lines with a target.
    pub targets: u64,
    /// Targets whose host bits were set and have been cleared.
    pub masked: u64,
    /// Lines that repeat a target; the last one counts.
    pub duplicates: u64,
    /// Lines whose expiry is in the past; they are left out.
    pub expired: u64,
}

/// Reason why a file was not imported.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("{line}: {error}")]
    Line {
        /// Number of the line, from 1.
        line: u64,
        error: LineError,
    },
    #[error(
        "{line}: not a line of text (UTF-8, at most 64 KiB): a list has one address or CIDR a line; is the file compressed?"
    )]
    Text {
        /// Number of the line, from 1.
        line: u64,
    },
    /// A target that must not be listed.
    #[error("{line}: {why}")]
    Refused {
        /// Number of the line, from 1.
        line: u64,
        why: String,
    },
}

/// Reads the entries of a file, sorted by target and without duplicates.
///
/// `refuse` returns the reason why a target must not be listed, if there is one. `progress` is called repeatedly with
/// the number of bytes read so far.
///
/// # Errors
///
/// The first line that is invalid or refused, or that cannot be read.
pub fn read(
    mut input: impl BufRead,
    defaults: &ImportDefaults,
    refuse: impl Fn(Target) -> Option<String>,
    mut progress: impl FnMut(u64),
) -> Result<(Vec<Entry>, ImportStats), FileError> {
    let mut reader = ListReader {
        defaults,
        entries: Vec::new(),
        found: ImportStats::default(),
        reasons: ReasonPool::default(),
    };
    let mut bytes = Vec::new();
    let (mut line, mut total) = (0, 0);
    loop {
        bytes.clear();
        let length = input.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes)? as u64;
        if length == 0 {
            break;
        }
        line += 1;
        total += length;
        if length == LINE_MAX && !bytes.ends_with(b"\n") {
            return Err(FileError::Text { line });
        }
        if line % PROGRESS_LINES == 0 {
            progress(total);
        }
        let text = if line == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes) } else { &bytes };
        let text = std::str::from_utf8(text).map_err(|_| FileError::Text { line })?;
        if text.contains('\0') {
            return Err(FileError::Text { line });
        }
        let target = reader.add_line(text).map_err(|error| FileError::Line { line, error })?;
        if let Some(why) = target.and_then(&refuse) {
            return Err(FileError::Refused { line, why });
        }
    }
    progress(total);
    Ok(reader.finish())
}

struct ListReader<'a> {
    defaults: &'a ImportDefaults,
    entries: Vec<Entry>,
    found: ImportStats,
    reasons: ReasonPool,
}

impl ListReader<'_> {
    /// Adds the entry of a line, unless the line is empty or the entry has expired.
    fn add_line(&mut self, text: &str) -> Result<Option<Target>, LineError> {
        let Some(ListLine { target, attributes }) = ListLine::parse(text)? else { return Ok(None) };
        self.found.targets += 1;
        self.found.masked += u64::from(target.masked);
        let entry = self.entry(target.target, attributes)?;
        if entry.is_expired(self.defaults.now) {
            self.found.expired += 1;
            return Ok(None);
        }
        self.entries.push(entry);
        Ok(Some(target.target))
    }

    fn entry(&mut self, target: Target, attributes: Attributes<'_>) -> Result<Entry, LineError> {
        let ImportDefaults { now, ttl, ref reason, scope, origin } = *self.defaults;
        let after = |ttl| now.expiry_after(ttl);
        let expires_ms = match (attributes.ttl, attributes.expires_ms) {
            (Some(ttl), _) => Some(after(ttl)),
            (None, Some(at)) => Some(NonZeroU64::new(at).unwrap_or(NonZeroU64::MIN)),
            (None, None) => ttl.map(after),
        };
        let reason = match attributes.reason {
            Some(text) => Some(self.reasons.share(&text)?),
            None => reason.clone(),
        };
        Ok(Entry {
            target,
            scope: attributes.scope.unwrap_or(scope),
            origin: attributes.origin.unwrap_or(origin),
            reason,
            created_ms: attributes.created_ms.unwrap_or(now.wall_ms),
            expires_ms,
        })
    }

    fn finish(mut self) -> (Vec<Entry>, ImportStats) {
        let read = self.entries.len();
        sort(&mut self.entries);
        self.found.duplicates = (read - self.entries.len()) as u64;
        (self.entries, self.found)
    }
}

/// Sorts entries by target. Of several entries with one target the last one is kept.
pub fn sort(entries: &mut Vec<Entry>) {
    if entries.is_sorted_by(|a, b| a.target < b.target) {
        return;
    }
    entries.sort_by_key(|entry| entry.target);
    entries.dedup_by(|later, kept| {
        let same = later.target == kept.target;
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
}

/// Counts the entries, which must be sorted, whose target another entry covers.
pub fn count_covered(entries: &[Entry]) -> u64 {
    let mut widest: Option<Target> = None;
    let mut count = 0;
    for entry in entries {
        if widest.is_some_and(|widest| widest.covers(entry.target)) {
            count += 1;
        } else {
            widest = Some(entry.target);
        }
    }
    count
}

/// Pool of reasons, so that entries with the same reason share its text.
#[derive(Default)]
pub(crate) struct ReasonPool(HashSet<EntryReason>);

impl ReasonPool {
    pub(crate) fn share(&mut self, text: &str) -> Result<EntryReason, LineError> {
        if let Some(reason) = self.0.get(text) {
            return Ok(reason.clone());
        }
        let reason = EntryReason::new(text)?;
        self.0.insert(reason.clone());
        Ok(reason)
    }
}

/// Writes entries in the form that [`read`] reads, with the time until each one expires.
pub fn write<'a>(
    mut out: impl Write,
    entries: impl IntoIterator<Item = &'a Entry>,
    now: Now,
) -> io::Result<()> {
    for entry in entries {
        writeln!(out, "{}", EntryLine(entry, TimeFormat::Left { now }))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;

//! List files: what is imported and exported. Reads from and writes to what it is given.
//!
//! One target a line; `#` and `;` begin a comment; blank lines, line ends of Windows and a byte order mark are
//! accepted, so the sets of FireHOL and Spamhaus's DROP load as they are. Host bits are masked without ado, as
//! ipset and nft do, and counted. The first line that is wrong fails the whole.

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

/// A line that is longer is no line of a list.
const LINE_MAX: u64 = 64 * 1024;
/// Lines between two reports of progress.
const PROGRESS_LINES: u64 = 4_096;

/// What holds for lines that do not say otherwise.
#[derive(Clone, Debug)]
pub struct ImportDefaults {
    /// When it is read: times to live begin now.
    pub now: Now,
    /// How long entries last; forever if `None`.
    pub ttl: Option<Duration>,
    /// Why they are there.
    pub reason: Option<EntryReason>,
    /// What of the traffic they are about.
    pub scope: Scope,
    /// Where they come from.
    pub origin: Origin,
}

/// What a file held, besides the entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportStats {
    /// Lines with a target.
    pub targets: u64,
    /// Of those, how many had host bits set, which were cleared.
    pub masked: u64,
    /// How many named a target again: the last one counts.
    pub duplicates: u64,
    /// How many ended in the past, and were left out.
    pub over: u64,
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be read to its end.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// A line that is wrong.
    #[error("{line}: {error}")]
    Line {
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it.
        error: LineError,
    },
    /// Not text at all.
    #[error(
        "{line}: not a line of text (UTF-8, at most 64 KiB): a list has one address or CIDR a line; is the file compressed?"
    )]
    Text {
        /// The line's number, from 1.
        line: u64,
    },
    /// A target that was not wanted.
    #[error("{line}: {why}")]
    Refused {
        /// The line's number, from 1.
        line: u64,
        /// Why not.
        why: String,
    },
}

/// Reads a file's entries, sorted by target and without duplicates.
///
/// `refuse` says why a target may not be listed, if it may not. `progress` is told now and then how many bytes
/// have been read.
///
/// # Errors
/// The first line that is wrong or refused, or that cannot be read.
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
        let target = reader.take(text).map_err(|error| FileError::Line { line, error })?;
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
    /// Takes a line's entry, if there is one.
    fn take(&mut self, text: &str) -> Result<Option<Target>, LineError> {
        let Some(ListLine { written, attributes }) = ListLine::parse(text)? else { return Ok(None) };
        self.found.targets += 1;
        self.found.masked += u64::from(written.masked);
        let entry = self.entry(written.target, attributes)?;
        if entry.is_over(self.defaults.now) {
            self.found.over += 1;
            return Ok(None);
        }
        self.entries.push(entry);
        Ok(Some(written.target))
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

/// Sorts entries by target; of those with the same one only the last stays.
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

/// How many of the sorted entries are about what another one of them covers already.
pub fn covered(entries: &[Entry]) -> u64 {
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

/// ReasonPool that are shared by the entries that have them.
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

/// Writes entries in the form that [`read`] reads, with the time each has left.
///
/// # Errors
/// If they cannot be written.
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

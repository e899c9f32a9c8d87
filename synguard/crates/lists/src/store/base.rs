//! The base file: a whole list with a header and a checksum. It is text, and can be imported like any list file. Pure:
//! reads from a given reader and writes to a given writer.
//!
//! ```text
//! # synguard blocklist, format 1, generation 7, created 1767225600.250
//! 192.0.2.0/24 expires=1767229200.250 origin=operator reason="port scan"
//! 2001:db8::/32
//! # end: 2 entries, crc32 89abcdef
//! ```
//!
//! The header's `created` applies to entries without a `created` attribute. The checksum covers everything before the
//! last line.

use std::{
    io::{self, BufRead, Read as _, Write},
    num::NonZeroU64,
};

use crc32fast::Hasher;
use synguard_common::ip_list::List;
use synguard_model::list_entry::{Entry, Origin, Scope};

use crate::format::{
    file::ReasonPool,
    line::{EntryLine, LineError, ListLine, TimeFormat},
};

/// Upper bound of the length of a line, given that a reason has at most 256 bytes.
const LINE_MAX: u64 = 4_096;

/// Contents of a base file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseFile {
    /// Number of the base file. Each log belongs to the base file with the same generation.
    pub generation: u64,
    pub entries: Vec<Entry>,
}

/// Reason why a file is not a complete base file.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Damage {
    pub(super) what: String,
    /// Generation of the file, if its header is intact.
    pub(super) generation: Option<u64>,
    /// True if reading failed, so that the contents are unknown.
    pub(super) unreadable: bool,
}

/// Writes a base file.
pub(super) fn encode<'a>(
    out: impl Write,
    list: List,
    generation: u64,
    entries: impl ExactSizeIterator<Item = &'a Entry> + Clone,
) -> io::Result<()> {
    let count = entries.len();
    // Most entries of a long list were imported at once, so the one in the middle probably has the most frequent time.
    let created_ms = entries.clone().nth(count / 2).map_or(0, |entry| entry.created_ms);
    let mut out = HashingWriter { out, hasher: Hasher::new() };
    let (name, created) = (list.name(), created_ms);
    let (seconds, ms) = (created / 1_000, created % 1_000);
    writeln!(out, "# synguard {name}, format 1, generation {generation}, created {seconds}.{ms:03}")?;
    for entry in entries {
        writeln!(out, "{}", EntryLine(entry, TimeFormat::Instants { created_ms }))?;
    }
    let sum = out.hasher.finalize();
    writeln!(out.out, "# end: {count} entries, crc32 {sum:08x}")
}

/// Writer that computes the checksum of the bytes it passes on.
struct HashingWriter<W> {
    out: W,
    hasher: Hasher,
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Parses a header line; returns the generation, and the default time of creation in milliseconds since 1970.
fn parse_header(line: &str, list: List) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("# synguard ")?.strip_prefix(list.name())?;
    let rest = rest.strip_prefix(", format 1, generation ")?;
    let (generation, created) = rest.split_once(", created ")?;
    let (seconds, ms) = created.split_once('.')?;
    let created_ms = seconds.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(ms.parse().ok()?)?;
    Some((generation.parse().ok()?, created_ms))
}

/// Returns the generation of the base file that begins with these bytes.
pub(super) fn generation(start: &[u8], list: List) -> Option<u64> {
    let end = start.iter().position(|&byte| byte == b'\n')?;
    parse_header(std::str::from_utf8(&start[..end]).ok()?, list).map(|(generation, _)| generation)
}

/// Reads a base file.
///
/// # Errors
///
/// [`Damage`] if the file is incomplete or damaged, or belongs to the other list.
pub(super) fn decode(mut input: impl BufRead, list: List) -> Result<BaseFile, Damage> {
    let mut decoder = BaseDecoder { hasher: Hasher::new(), line: Vec::new(), number: 0, generation: None };
    let mut entries = Vec::new();
    let mut reasons = ReasonPool::default();
    let first = decoder.next_line(&mut input)?.unwrap_or_default().to_owned();
    let Some((generation, created_ms)) = parse_header(&first, list) else {
        let what = format!("it does not begin with the header of a synguard {} of format 1", list.name());
        return Err(decoder.damage(what));
    };
    decoder.generation = Some(generation);
    loop {
        let sum = decoder.hasher.clone().finalize();
        let Some(text) = decoder.next_line(&mut input)? else {
            return Err(decoder.damage("its end is missing"));
        };
        if let Some(end) = text.strip_prefix("# end: ") {
            let expected = format!("{} entries, crc32 {sum:08x}", entries.len());
            if end != expected {
                return Err(decoder.damage("its checksum is wrong"));
            }
            let more = decoder.next_line(&mut input)?.is_some();
            return if more {
                Err(decoder.damage("more follows its end"))
            } else {
                Ok(BaseFile { generation, entries })
            };
        }
        match parse_entry(text, created_ms, &mut reasons) {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => return Err(decoder.damage("a line has no entry")),
            Err(error) => return Err(decoder.damage(error.to_string())),
        }
    }
}

/// Parses an entry with the defaults of the store's files: all packets, imported.
pub(super) fn parse_entry(
    text: &str,
    created_ms: u64,
    reasons: &mut ReasonPool,
) -> Result<Option<Entry>, LineError> {
    let Some(ListLine { target, attributes }) = ListLine::parse(text)? else { return Ok(None) };
    Ok(Some(Entry {
        target: target.target,
        scope: attributes.scope.unwrap_or(Scope::All),
        origin: attributes.origin.unwrap_or(Origin::Feed),
        reason: attributes.reason.map(|text| reasons.share(&text)).transpose()?,
        created_ms: attributes.created_ms.unwrap_or(created_ms),
        expires_ms: attributes.expires_ms.map(|at| NonZeroU64::new(at).unwrap_or(NonZeroU64::MIN)),
    }))
}

/// Reader of lines that computes their checksum.
struct BaseDecoder {
    hasher: Hasher,
    line: Vec<u8>,
    number: u64,
    generation: Option<u64>,
}

impl BaseDecoder {
    /// Returns the next line without its line end; `None` after the last one.
    fn next_line(&mut self, input: &mut impl BufRead) -> Result<Option<&str>, Damage> {
        self.line.clear();
        self.number += 1;
        let read = input.by_ref().take(LINE_MAX).read_until(b'\n', &mut self.line);
        if let Err(error) = read {
            return Err(Damage { unreadable: true, ..self.damage(error.to_string()) });
        }
        if self.line.is_empty() {
            return Ok(None);
        }
        if self.line.pop() != Some(b'\n') {
            return Err(self.damage("the line has no end"));
        }
        self.hasher.update(&self.line);
        self.hasher.update(b"\n");
        std::str::from_utf8(&self.line).map(Some).map_err(|_| self.damage("it is not text"))
    }

    fn damage(&self, what: impl Into<String>) -> Damage {
        let what = format!("line {}: {}", self.number, what.into());
        Damage { what, generation: self.generation, unreadable: false }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use synguard_model::strategies::any_entry;

    fn bytes(list: List, generation: u64, entries: &[Entry]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&mut bytes, list, generation, entries.iter()).expect("in memory");
        bytes
    }

    #[test]
    fn base_file_has_header_entries_and_checksum() {
        let text = "192.0.2.0/24 expires=1000000060 reason=\"scan\"\n2001:db8::1 scope=syn\n";
        let file = format!("# synguard blocklist, format 1, generation 7, created 1000000000.250\n{text}");
        let sum = crc32fast::hash(file.as_bytes());
        let file = format!("{file}# end: 2 entries, crc32 {sum:08x}\n");
        let base = decode(file.as_bytes(), List::Block).expect("whole");
        assert_eq!((base.generation, base.entries.len()), (7, 2));
        assert_eq!(base.entries[1].created_ms, 1_000_000_000_250);
        assert_eq!(String::from_utf8(bytes(List::Block, 7, &base.entries)).expect("text"), file);
        assert_eq!(generation(&file.as_bytes()[..70], List::Block), Some(7));
        let wrong = decode(file.as_bytes(), List::Allow).expect_err("another list");
        assert!(
            wrong.to_string().contains("does not begin with the header of a synguard allowlist of format 1"),
            "{wrong}"
        );
    }

    proptest! {
        #[test]
        fn base_file_round_trips(entries in proptest::collection::vec(any_entry(), 0..12), generation: u64) {
            let bytes = bytes(List::Block, generation, &entries);
            prop_assert_eq!(decode(&*bytes, List::Block).ok(), Some(BaseFile { generation, entries }));
        }

        #[test]
        fn truncated_base_file_is_refused(entries in proptest::collection::vec(any_entry(), 0..6)) {
            let bytes = bytes(List::Allow, 3, &entries);
            for length in 0..bytes.len() {
                prop_assert!(decode(&bytes[..length], List::Allow).is_err(), "{}", length);
            }
        }

        #[test]
        fn changed_byte_is_detected(
            entries in proptest::collection::vec(any_entry(), 0..6), at: prop::sample::Index, by in 1u8..,
        ) {
            let mut bytes = bytes(List::Allow, 3, &entries);
            let at = at.index(bytes.len());
            bytes[at] ^= by;
            prop_assert!(decode(&*bytes, List::Allow).is_err());
            bytes[at] ^= by;
            bytes.extend(b"192.0.2.1\n");
            prop_assert!(decode(&*bytes, List::Allow).is_err());
        }
    }
}

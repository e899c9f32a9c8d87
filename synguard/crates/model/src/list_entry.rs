//! An entry of a list in the form of the files. Pure.

use std::{fmt, num::NonZeroU64, sync::Arc, time::Duration};

use synguard_common::ip_list::{self, ListEntry, Prefix};

use crate::{ip_prefix::Target, settings::DurationRange, time::Now};

/// Range of times to live, up to ten years. A longer one is most likely meant to be forever, which is the default.
pub const TTL: DurationRange =
    DurationRange { min: Duration::from_millis(1), max: Duration::from_secs(3_650 * 24 * 60 * 60) };

/// Packets of a target to which an entry applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every packet.
    #[default]
    All,
    /// SYNs only, so existing connections continue.
    Syn,
}

/// Origin of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Added by hand.
    Operator,
    /// Added by the controller as an automatic block.
    Auto,
    /// Imported from a file.
    #[default]
    Feed,
}

impl Scope {
    pub const ALL: [Self; 2] = [Self::All, Self::Syn];

    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Syn => "syn",
        }
    }

    /// Returns the scope as a number of the filter's tables.
    pub const fn to_abi(self) -> u32 {
        match self {
            Self::All => ip_list::SCOPE_ALL,
            Self::Syn => ip_list::SCOPE_SYN,
        }
    }

    /// Returns the scope of a number in the filter's tables. The program treats unknown numbers as all packets.
    pub const fn from_abi(scope: u32) -> Self {
        if scope == ip_list::SCOPE_SYN { Self::Syn } else { Self::All }
    }
}

impl Origin {
    pub const ALL: [Self; 3] = [Self::Operator, Self::Auto, Self::Feed];

    /// Returns the name of the origin in files and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Auto => "auto",
            Self::Feed => "feed",
        }
    }

    /// Returns the word for the origin in text.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Operator => "manual",
            Self::Auto | Self::Feed => self.name(),
        }
    }

    /// Returns the origin as a number of the filter's tables.
    pub const fn to_abi(self) -> u32 {
        match self {
            Self::Operator => ip_list::ORIGIN_OPERATOR,
            Self::Auto => ip_list::ORIGIN_AUTO,
            Self::Feed => ip_list::ORIGIN_FEED,
        }
    }

    /// Returns the origin of a number in the filter's tables; unknown numbers count as `Operator`.
    pub fn from_abi(origin: u32) -> Self {
        Self::ALL.into_iter().find(|known| known.to_abi() == origin).unwrap_or(Self::Operator)
    }
}

/// Reason of an entry, in words: 1 to 256 bytes without control characters. Entries share the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryReason(Arc<str>);

/// Error about a text that is not a valid reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 256 bytes of text without line ends and other control characters")]
pub struct EntryReasonError;

impl EntryReason {
    const MAX: usize = 256;

    /// Checks the length and the characters of a text.
    ///
    /// # Errors
    ///
    /// If the text is empty, too long, or contains control characters.
    pub fn new(text: &str) -> Result<Self, EntryReasonError> {
        let fits = (1..=Self::MAX).contains(&text.len()) && !text.contains(char::is_control);
        if fits { Ok(Self(text.into())) } else { Err(EntryReasonError) }
    }

    /// Makes a reason of any text: line ends and other control characters separate words, of which as many are kept as
    /// fit. `None` if no words are left.
    pub fn clean(text: &str) -> Option<Self> {
        const CUT: &str = "…";
        let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let mut clean = words.collect::<Vec<_>>().join(" ");
        if clean.len() > Self::MAX {
            clean.truncate(clean.floor_char_boundary(Self::MAX - CUT.len()));
            clean.push_str(CUT);
        }
        Self::new(&clean).ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for EntryReason {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub target: Target,
    pub scope: Scope,
    pub origin: Origin,
    pub reason: Option<EntryReason>,
    /// Time of creation in milliseconds since 1970.
    pub created_ms: u64,
    /// Expiry in milliseconds since 1970; `None` means never.
    pub expires_ms: Option<NonZeroU64>,
}

impl Entry {
    /// Returns the time until the entry expires, in milliseconds; `None` means that it never does.
    ///
    /// The result is at most the time between creation and expiry. A wall clock that has lost its time, as may happen
    /// at boot, therefore does not make a short block a long one.
    pub fn left_ms(&self, now: Now) -> Option<u64> {
        let expires_ms = self.expires_ms?.get();
        let whole = expires_ms.saturating_sub(self.created_ms);
        Some(expires_ms.saturating_sub(now.wall_ms).min(whole))
    }

    /// Reports whether the entry has expired.
    pub fn is_expired(&self, now: Now) -> bool {
        self.left_ms(now) == Some(0)
    }

    /// Returns the expiry in nanoseconds of `CLOCK_MONOTONIC`, as in the filter's tables; 0 means never.
    pub fn expires_ns(&self, now: Now) -> u64 {
        self.left_ms(now).map_or(0, |left| now.monotonic_at(now.wall_ms.saturating_add(left)))
    }

    /// Returns the entry in the form of the filter's tables, with 0 hits.
    pub fn to_abi(&self, now: Now) -> (Prefix, ListEntry) {
        let entry = ListEntry {
            expires_at_ns: self.expires_ns(now),
            hits: 0,
            scope: self.scope.to_abi(),
            origin: self.origin.to_abi(),
        };
        (self.target.key(), entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(created_ms: u64, expires_ms: u64) -> Entry {
        Entry {
            target: "192.0.2.1".parse().expect("a target"),
            scope: Scope::All,
            origin: Origin::Operator,
            reason: None,
            created_ms,
            expires_ms: NonZeroU64::new(expires_ms),
        }
    }

    #[test]
    fn entries_expire() {
        let now = |wall_ms| Now { wall_ms, monotonic_ns: 50_000_000_000 };
        let ten = entry(100_000, 110_000);
        for (wall_ms, left) in [(100_000, 10_000), (104_000, 6_000), (110_000, 0), (999_000, 0)] {
            assert_eq!(ten.left_ms(now(wall_ms)), Some(left));
            assert_eq!(ten.is_expired(now(wall_ms)), left == 0);
            assert_eq!(ten.expires_ns(now(wall_ms)), 50_000_000_000 + left * 1_000_000);
        }
        let forever = entry(100_000, 0);
        assert_eq!(
            (forever.left_ms(now(7)), forever.is_expired(now(7)), forever.expires_ns(now(7))),
            (None, false, 0)
        );
    }

    #[test]
    fn clock_set_back_does_not_prolong_entries() {
        let now = Now { wall_ms: 0, monotonic_ns: 1 };
        assert_eq!(entry(100_000, 110_000).left_ms(now), Some(10_000));
    }

    #[test]
    fn reasons_are_checked() {
        let longest = "é".repeat(128);
        for good in ["x", "brute force, \"again\"; see #7", longest.as_str()] {
            assert_eq!(EntryReason::new(good).expect(good).as_str(), good);
        }
        for bad in ["", "a\nb", "a\tb", "\u{1b}[1m", "\u{85}", &"x".repeat(257)] {
            assert_eq!(EntryReason::new(bad), Err(EntryReasonError), "{bad:?}");
        }
    }

    #[test]
    fn any_text_becomes_a_reason() {
        let clean = |text: &str| EntryReason::clean(text).map(|reason| reason.as_str().to_owned());
        assert_eq!(
            clean("sshd: 5 failures\n\tfrom \u{1b}[1m192.0.2.1\n").as_deref(),
            Some("sshd: 5 failures from [1m192.0.2.1")
        );
        assert_eq!(clean("\u{85}x  y").as_deref(), Some("x y"));
        for empty in ["", " ", "\n\t\0"] {
            assert_eq!(clean(empty), None);
        }
        assert_eq!(clean(&"x".repeat(256)), Some("x".repeat(256)));
        assert_eq!(clean(&"x".repeat(257)), Some("x".repeat(253) + "…"));
        assert_eq!(clean(&"é".repeat(200)), Some("é".repeat(126) + "…"));
    }

    #[test]
    fn entry_fits_into_56_bytes() {
        // A million entries are in memory at once.
        assert!(size_of::<Entry>() <= 56, "{}", size_of::<Entry>());
    }
}

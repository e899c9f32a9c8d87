//! An entry of a list, as the files know it. Pure.

use std::{fmt, num::NonZeroU64, sync::Arc, time::Duration};

use synguard_common::ip_list::{self, ListEntry, Prefix};

use crate::{ip_prefix::Target, settings::DurationRange, time::Now};

/// How long an entry may be meant to last: up to ten years. What should last longer is meant to stay.
pub const TTL: DurationRange =
    DurationRange { min: Duration::from_millis(1), max: Duration::from_secs(3_650 * 24 * 60 * 60) };

/// What of its target's traffic an entry is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every packet.
    #[default]
    All,
    /// SYNs only: connections that are there go on.
    Syn,
}

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Somebody added it by hand.
    Operator,
    /// The controller added it by itself.
    Auto,
    /// It was imported from a file.
    #[default]
    Feed,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::All, Self::Syn];

    /// The scope as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Syn => "syn",
        }
    }

    /// The scope as the filter has it.
    pub const fn to_abi(self) -> u32 {
        match self {
            Self::All => ip_list::SCOPE_ALL,
            Self::Syn => ip_list::SCOPE_SYN,
        }
    }

    /// The scope that the filter acts on; what it does not know counts as all.
    pub const fn from_abi(scope: u32) -> Self {
        if scope == ip_list::SCOPE_SYN { Self::Syn } else { Self::All }
    }
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Auto, Self::Feed];

    /// The origin as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Auto => "auto",
            Self::Feed => "feed",
        }
    }

    /// The origin as the filter has it.
    pub const fn to_abi(self) -> u32 {
        match self {
            Self::Operator => ip_list::ORIGIN_OPERATOR,
            Self::Auto => ip_list::ORIGIN_AUTO,
            Self::Feed => ip_list::ORIGIN_FEED,
        }
    }

    /// The origin that the filter has been told.
    pub fn from_abi(origin: u32) -> Self {
        Self::ALL.into_iter().find(|known| known.to_abi() == origin).unwrap_or(Self::Operator)
    }
}

/// Why an entry is there, in words: 1 to 256 bytes without control characters. Entries share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryReason(Arc<str>);

/// A text that is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 256 bytes of text without line ends and other control characters")]
pub struct EntryReasonError;

impl EntryReason {
    const MAX: usize = 256;

    /// Takes a text as a reason.
    ///
    /// # Errors
    /// If it is empty, too long, or has control characters.
    pub fn new(text: &str) -> Result<Self, EntryReasonError> {
        let fits = (1..=Self::MAX).contains(&text.len()) && !text.contains(char::is_control);
        if fits { Ok(Self(text.into())) } else { Err(EntryReasonError) }
    }

    /// The text.
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
    /// What it is about.
    pub target: Target,
    /// What of its traffic.
    pub scope: Scope,
    /// Where it comes from.
    pub origin: Origin,
    /// Why it is there.
    pub reason: Option<EntryReason>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it ends, in milliseconds since 1970; never if there is none.
    pub expires_ms: Option<NonZeroU64>,
}

impl Entry {
    /// How long it has left, in milliseconds; `None` is forever.
    ///
    /// Never longer than it was made for: a clock that has lost its time, as it may have at boot, does not
    /// make a short block a long one.
    pub fn left_ms(&self, now: Now) -> Option<u64> {
        let expires_ms = self.expires_ms?.get();
        let whole = expires_ms.saturating_sub(self.created_ms);
        Some(expires_ms.saturating_sub(now.wall_ms).min(whole))
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: Now) -> bool {
        self.left_ms(now) == Some(0)
    }

    /// When it ends in nanoseconds of CLOCK_MONOTONIC, and 0 for never, as the filter wants it.
    pub fn expires_ns(&self, now: Now) -> u64 {
        self.left_ms(now).map_or(0, |left| now.monotonic_at(now.wall_ms.saturating_add(left)))
    }

    /// The entry as the filter has it, without hits.
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
    fn time_runs_out() {
        let now = |wall_ms| Now { wall_ms, monotonic_ns: 50_000_000_000 };
        let ten = entry(100_000, 110_000);
        for (wall_ms, left) in [(100_000, 10_000), (104_000, 6_000), (110_000, 0), (999_000, 0)] {
            assert_eq!(ten.left_ms(now(wall_ms)), Some(left));
            assert_eq!(ten.is_over(now(wall_ms)), left == 0);
            assert_eq!(ten.expires_ns(now(wall_ms)), 50_000_000_000 + left * 1_000_000);
        }
        let forever = entry(100_000, 0);
        assert_eq!(
            (forever.left_ms(now(7)), forever.is_over(now(7)), forever.expires_ns(now(7))),
            (None, false, 0)
        );
    }

    #[test]
    fn a_clock_that_went_back_makes_nothing_last_longer() {
        let now = Now { wall_ms: 0, monotonic_ns: 1 };
        assert_eq!(entry(100_000, 110_000).left_ms(now), Some(10_000));
    }

    #[test]
    fn reasons() {
        let longest = "é".repeat(128);
        for good in ["x", "brute force, \"again\"; see #7", longest.as_str()] {
            assert_eq!(EntryReason::new(good).expect(good).as_str(), good);
        }
        for bad in ["", "a\nb", "a\tb", "\u{1b}[1m", "\u{85}", &"x".repeat(257)] {
            assert_eq!(EntryReason::new(bad), Err(EntryReasonError), "{bad:?}");
        }
    }

    #[test]
    fn an_entry_is_small() {
        // A million of them are held at once.
        assert!(size_of::<Entry>() <= 56, "{}", size_of::<Entry>());
    }
}

//! The range of every value and the one parser for it, shared by the file, `set` and the flags.

use std::{fmt, time::Duration};

use synguard_common::gcra::{BURST_MAX, RATE_MAX, burst_min};

use crate::{
    duration::{self, DurationError},
    ports::{Ports, PortsError},
};

/// Whole numbers that are accepted for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The lowest.
    pub min: u32,
    /// The highest.
    pub max: u32,
    /// What is counted, for messages.
    pub unit: &'static str,
}

/// Durations that are accepted for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// The shortest.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

/// `syn-rate`.
pub const SYN_RATE: Range = Range { min: 1, max: RATE_MAX, unit: "SYNs a second" };
/// `syn-burst`; with a given rate the lowest is [`burst_min`] of it.
pub const SYN_BURST: Range = Range { min: burst_min(SYN_RATE.min), max: BURST_MAX, unit: "SYNs" };
/// `source-prefix-v6`.
pub const SOURCE_PREFIX_V6: Range = Range { min: 1, max: 128, unit: "bits" };
/// `prefix-rate`; 0 is none.
pub const PREFIX_RATE: Range = Range { min: 0, max: RATE_MAX, unit: "SYNs a second (0: no limit)" };
/// `distinct-limit`; 0 is none.
pub const DISTINCT_LIMIT: Range = Range { min: 0, max: 100_000_000, unit: "sources a second (0: no limit)" };
/// `max-sources`; the loader also asks for a minimum per CPU.
pub const MAX_SOURCES: Range = Range { min: 1_024, max: 16_777_216, unit: "sources" };
/// `max-list`.
pub const MAX_LIST: Range = Range { min: 1, max: 16_777_216, unit: "entries" };
/// `hold`.
pub const HOLD: Lengths = Lengths { min: Duration::ZERO, max: DAY };
/// `--confirm`.
pub(crate) const CONFIRM: Lengths = Lengths { min: Duration::from_secs(1), max: DAY };

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How to attach to an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// In the driver where it can, or else in the generic path.
    #[default]
    Auto,
    /// In the driver, or not at all.
    Native,
    /// In the kernel's generic path: slower, with any driver.
    Generic,
}

/// Why a value is not accepted; the message says what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a number, or outside the range.
    #[error("must be {0}")]
    Number(Range),
    /// Neither true nor false.
    #[error("must be true or false")]
    Bool,
    /// Not a duration.
    #[error("must be {0}, such as 10s: {1}")]
    Duration(Lengths, #[source] DurationError),
    /// A duration out of range.
    #[error("must be {0}")]
    Length(Lengths),
    /// Not a list of ports.
    #[error(transparent)]
    Ports(#[from] PortsError),
    /// Not a way to answer a distributed flood.
    #[error("must be auto, kernel, xdp or off")]
    Cookies,
    /// Not a way to treat first SYNs.
    #[error("must be auto or off")]
    FirstSyn,
    /// Not a way to attach.
    #[error("must be auto, native or generic")]
    Mode,
    /// Not a name an interface can have.
    #[error("must be an interface name: 1 to 15 bytes without spaces, `/` or `:`, such as eth0")]
    Interface,
    /// Not a name an instance can have.
    #[error("must be 1 to 64 letters, digits, `_` or `-`, the first a letter or digit, such as edge1")]
    Instance,
    /// A TOML value of another type than the key's.
    #[error("must be written as {0}")]
    Type(&'static str),
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} {}", self.min, self.max, self.unit)
    }
}

impl Range {
    /// The number if it is in the range.
    ///
    /// # Errors
    /// [`ValueError::Number`] if it is not.
    pub fn check<T: TryFrom<i64>>(&self, number: i64) -> Result<T, ValueError> {
        let inside = (i64::from(self.min)..=i64::from(self.max)).contains(&number);
        T::try_from(number).ok().filter(|_| inside).ok_or(ValueError::Number(*self))
    }

    /// Reads a number in the range.
    ///
    /// # Errors
    /// [`ValueError::Number`] for anything else.
    pub fn parse<T: TryFrom<i64>>(&self, text: &str) -> Result<T, ValueError> {
        self.check(text.parse().map_err(|_| ValueError::Number(*self))?)
    }
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a duration of {} to {}", duration::format(self.min), duration::format(self.max))
    }
}

impl Lengths {
    /// The duration if it is in the range.
    ///
    /// # Errors
    /// [`ValueError::Length`] if it is not.
    pub fn check(&self, duration: Duration) -> Result<Duration, ValueError> {
        let inside = (self.min..=self.max).contains(&duration);
        if inside { Ok(duration) } else { Err(ValueError::Length(*self)) }
    }

    /// Reads a duration in the range.
    ///
    /// # Errors
    /// [`ValueError::Duration`] for what is no duration, and as [`Self::check`].
    pub fn parse(&self, text: &str) -> Result<Duration, ValueError> {
        self.check(duration::parse(text).map_err(|error| ValueError::Duration(*self, error))?)
    }
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Native, Self::Generic];

    /// The mode as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

/// Reads `true` or `false`.
///
/// # Errors
/// [`ValueError::Bool`] for anything else.
pub fn parse_bool(text: &str) -> Result<bool, ValueError> {
    text.parse().map_err(|_| ValueError::Bool)
}

/// Reads `hold`: a duration of 0 to 24 h.
///
/// # Errors
/// [`ValueError::Duration`] for what is no duration, [`ValueError::Length`] for one that is too long.
pub fn parse_hold(text: &str) -> Result<Duration, ValueError> {
    HOLD.parse(text)
}

/// Reads `ports`: `all` or a list.
///
/// # Errors
/// [`ValueError::Ports`], naming the item that is wrong.
pub fn parse_ports(text: &str) -> Result<Ports, ValueError> {
    Ok(text.parse()?)
}

/// Reads `mode`.
///
/// # Errors
/// [`ValueError::Mode`] for anything but the three names.
pub fn parse_mode(text: &str) -> Result<Mode, ValueError> {
    Mode::ALL.into_iter().find(|mode| mode.name() == text).ok_or(ValueError::Mode)
}

/// Reads the name of an interface, by the rules of the kernel; whether there is one is not looked at.
///
/// # Errors
/// [`ValueError::Interface`] for what cannot be one.
pub fn parse_interface(text: &str) -> Result<String, ValueError> {
    let taken = |c: char| c.is_whitespace() || c.is_control() || c == '/' || c == ':';
    let possible = (1..=15).contains(&text.len()) && !text.contains(taken) && !matches!(text, "." | "..");
    if possible { Ok(text.to_owned()) } else { Err(ValueError::Interface) }
}

/// Reads the name of an instance. A dot is not accepted because the BPF file system, in which the instance
/// has a directory, refuses names with one.
///
/// # Errors
/// [`ValueError::Instance`] for anything else than 1 to 64 ASCII letters, digits, `_` and `-`.
pub fn parse_instance(text: &str) -> Result<String, ValueError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let possible = text.len() <= 64 && starts_well && text.bytes().all(allowed);
    if possible { Ok(text.to_owned()) } else { Err(ValueError::Instance) }
}

/// Reads `--confirm`: a duration of 1 s to 24 h.
///
/// # Errors
/// [`ValueError::Duration`] for what is no duration, [`ValueError::Length`] for one out of range.
pub fn parse_confirm(text: &str) -> Result<Duration, ValueError> {
    CONFIRM.parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_edges_of_their_ranges() {
        for range in [SYN_RATE, SYN_BURST, SOURCE_PREFIX_V6, DISTINCT_LIMIT, MAX_SOURCES, MAX_LIST] {
            let parse = |number: i64| range.parse::<u32>(&number.to_string());
            assert_eq!(parse(range.min.into()), Ok(range.min));
            assert_eq!(parse(range.max.into()), Ok(range.max));
            for bad in [i64::from(range.min) - 1, i64::from(range.max) + 1, -1, i64::MAX, i64::MIN] {
                assert_eq!(parse(bad), Err(ValueError::Number(range)), "{bad}");
            }
            for bad in ["", " 64", "64.0", "1e3", "0x40", "99999999999999999999", "64\n"] {
                assert_eq!(range.parse::<u32>(bad), Err(ValueError::Number(range)), "{bad}");
            }
        }
        assert_eq!(ValueError::Number(SYN_RATE).to_string(), "must be 1 to 1000000 SYNs a second");
    }

    #[test]
    fn hold_at_its_edges() {
        assert_eq!(parse_hold("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_hold("24h"), Ok(HOLD.max));
        for (bad, error) in [
            ("24h1ms", "must be a duration of 0s to 1d"),
            ("10", "10 needs a unit: ms, s, m, h or d, such as 10s"),
            ("x", "must be a duration of 0s to 1d, such as 10s"),
        ] {
            let got = parse_hold(bad).expect_err(bad).to_string();
            assert!(got.contains(error), "{got}");
        }
    }

    #[test]
    fn confirm_at_its_edges() {
        assert_eq!((parse_confirm("1s"), parse_confirm("1d")), (Ok(CONFIRM.min), Ok(CONFIRM.max)));
        for bad in ["0s", "999ms", "24h1s"] {
            assert_eq!(parse_confirm(bad), Err(ValueError::Length(CONFIRM)));
        }
    }

    #[test]
    fn names_of_instances() {
        let longest = "a".repeat(64);
        for good in ["default", "a", "7", "edge_1-b", longest.as_str()] {
            assert_eq!(parse_instance(good).as_deref(), Ok(good));
        }
        for bad in ["", ".", "..", "a.b", "-a", "_a", "a/b", "a b", "é", "a\n", &"a".repeat(65)] {
            assert_eq!(parse_instance(bad), Err(ValueError::Instance), "{bad:?}");
        }
    }

    #[test]
    fn names_of_interfaces() {
        for good in ["e", "eth0", "eth0.100", "br-0123456789ab", "a@b", "wlp0s20f3_"] {
            assert_eq!(parse_interface(good).as_deref(), Ok(good));
        }
        for bad in
            ["", "abcdefghijklmnop", "éééééééé", "a b", "a/b", "a:b", ".", "..", "a\tb", "a\0b", "a\u{a0}b"]
        {
            assert_eq!(parse_interface(bad), Err(ValueError::Interface), "{bad:?}");
        }
    }

    #[test]
    fn modes_and_booleans() {
        for mode in Mode::ALL {
            assert_eq!(parse_mode(mode.name()), Ok(mode));
        }
        for bad in ["", "skb", "Auto", "driver"] {
            assert_eq!(parse_mode(bad), Err(ValueError::Mode));
            assert_eq!(parse_bool(bad), Err(ValueError::Bool));
        }
        assert_eq!((parse_bool("true"), parse_bool("false")), (Ok(true), Ok(false)));
    }
}

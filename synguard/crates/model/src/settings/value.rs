//! Values that settings take, and other values that the command line takes: what is wrong with one, and their parsers.

use std::time::Duration;

use super::{
    choice::ChoiceName,
    range::{DurationRange, NumberRange},
};
use crate::{duration::DurationError, ports::PortsError};

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The range of `--confirm`.
const CONFIRM: DurationRange = DurationRange { min: Duration::from_secs(1), max: DAY };

/// Separates the names in the text form of `interfaces`. No name contains it.
pub const INTERFACE_SEPARATOR: &str = " ";

/// A value is not accepted; the message says which values are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a number, or out of range.
    #[error("must be {0}")]
    Number(NumberRange),
    /// Neither true nor false.
    #[error("must be true or false")]
    Bool,
    /// Not a duration.
    #[error("must be {0}, such as 10s: {1}")]
    Duration(DurationRange, #[source] DurationError),
    /// A duration out of range.
    #[error("must be {0}")]
    Length(DurationRange),
    /// Not a list of ports.
    #[error(transparent)]
    Ports(#[from] PortsError),
    /// None of a setting's names.
    #[error("must be {}", one_of(.0))]
    Choice(&'static [ChoiceName]),
    /// Not a name that an interface can have.
    #[error("must be an interface name: 1 to 15 bytes without spaces, `/` or `:`, such as eth0")]
    Interface,
    /// Not a name that an instance can have.
    #[error("must be 1 to 64 letters, digits, `_` or `-`, the first a letter or digit, such as edge1")]
    Instance,
    /// A TOML value of another type than the key's.
    #[error("must be written as {0}")]
    Type(&'static str),
}

/// Lists the names, as in "auto, native or generic".
fn one_of(names: &[ChoiceName]) -> String {
    let names: Vec<_> = names.iter().map(|choice| choice.name).collect();
    names.split_last().map_or_else(String::new, |(last, others)| format!("{} or {last}", others.join(", ")))
}

/// Reads the name of an interface, by the rules of the kernel. The interface need not exist.
pub fn parse_interface(text: &str) -> Result<String, ValueError> {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == '/' || c == ':';
    let possible = (1..=15).contains(&text.len()) && !text.contains(forbidden) && !matches!(text, "." | "..");
    if possible { Ok(text.to_owned()) } else { Err(ValueError::Interface) }
}

/// Reads the name of an instance: 1 to 64 ASCII letters, digits, `_` and `-`. It must not contain a dot, because the BPF
/// file system, in which the instance has a directory, refuses names with one.
pub fn parse_instance(text: &str) -> Result<String, ValueError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let possible = text.len() <= 64 && starts_well && text.bytes().all(allowed);
    if possible { Ok(text.to_owned()) } else { Err(ValueError::Instance) }
}

/// Reads `--confirm`: a duration of 1 s to 24 h.
pub fn parse_confirm(text: &str) -> Result<Duration, ValueError> {
    CONFIRM.parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{AttachMode, Key, Patch, Syntax};

    /// Reads a value of a key.
    fn parse(key: Key, text: &str) -> Result<Patch, ValueError> {
        let mut patch = Patch::default();
        patch.put(key, text)?;
        Ok(patch)
    }

    #[test]
    fn numbers_at_the_edges_of_their_ranges() {
        for &key in Key::ALL {
            let Syntax::Number(range) = key.syntax() else { continue };
            for good in [range.min, range.max] {
                assert!(parse(key, &good.to_string()).is_ok(), "{key} = {good}");
                assert_eq!(range.check(good.into()), Ok(good));
            }
            for bad in [i64::from(range.min) - 1, i64::from(range.max) + 1, -1, i64::MAX, i64::MIN] {
                assert_eq!(parse(key, &bad.to_string()), Err(ValueError::Number(range)), "{key} = {bad}");
            }
            for bad in ["", " 64", "64.0", "1e3", "0x40", "99999999999999999999", "64\n"] {
                assert_eq!(parse(key, bad), Err(ValueError::Number(range)), "{key} = {bad}");
            }
        }
        let error = parse(Key::SynRate, "0").expect_err("out of range").to_string();
        assert_eq!(error, "must be 1 to 1000000 SYNs a second");
    }

    #[test]
    fn hold_at_its_edges() {
        let hold = |text| parse(Key::Hold, text).map(|patch| patch.hold);
        assert_eq!(hold("0s"), Ok(Some(Duration::ZERO)));
        assert_eq!(hold("24h"), Ok(Some(DAY)));
        for (bad, error) in [
            ("24h1ms", "must be a duration of 0s to 1d"),
            ("10", "10 needs a unit: ms, s, m, h or d, such as 10s"),
            ("x", "must be a duration of 0s to 1d, such as 10s"),
        ] {
            let got = hold(bad).expect_err(bad).to_string();
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
    fn instance_names() {
        let longest = "a".repeat(64);
        for good in ["default", "a", "7", "edge_1-b", longest.as_str()] {
            assert_eq!(parse_instance(good).as_deref(), Ok(good));
        }
        for bad in ["", ".", "..", "a.b", "-a", "_a", "a/b", "a b", "é", "a\n", &"a".repeat(65)] {
            assert_eq!(parse_instance(bad), Err(ValueError::Instance), "{bad:?}");
        }
    }

    #[test]
    fn interface_names() {
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
    fn choices_and_booleans() {
        for &key in Key::ALL {
            let (good, error) = match key.syntax() {
                Syntax::Choice(names) => {
                    (names.iter().map(|choice| choice.name).collect(), ValueError::Choice(names))
                }
                Syntax::Boolean => (vec!["true", "false"], ValueError::Bool),
                _ => continue,
            };
            for text in good {
                assert!(parse(key, text).is_ok(), "{key} = {text}");
            }
            for bad in ["", "skb", "Auto", "driver", "TRUE"] {
                assert_eq!(parse(key, bad), Err(error.clone()), "{key} = {bad}");
            }
        }
        let mode = |text| parse(Key::Mode, text).map(|patch| patch.mode);
        assert_eq!(mode("native"), Ok(Some(AttachMode::Native)));
        assert_eq!(mode("skb").expect_err("no mode").to_string(), "must be auto, native or generic");
        let monitor = |text| parse(Key::Monitor, text).map(|patch| patch.monitor);
        assert_eq!((monitor("true"), monitor("false")), (Ok(Some(true)), Ok(Some(false))));
    }

    #[test]
    fn interfaces_are_separated_by_spaces() {
        let interfaces =
            |text| parse(Key::Interfaces, text).map(|patch| patch.interfaces.unwrap_or_default());
        assert_eq!(interfaces("eth0 a,b"), Ok(vec!["eth0".into(), "a,b".into()]));
        for bad in ["", "a  b", "a/b", "a\tb"] {
            assert_eq!(interfaces(bad), Err(ValueError::Interface), "{bad:?}");
        }
    }
}

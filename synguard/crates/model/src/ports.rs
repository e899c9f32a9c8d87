//! The guarded TCP ports: `all`, or a list such as `80,443,8000-8010`. Pure.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use synguard_common::abi::PortSet;

/// The guarded TCP ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// Every port.
    #[default]
    All,
    /// These ports.
    Set(PortRanges),
}

/// Ports 1 to 65535, at least one, as ascending ranges that neither overlap nor touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRanges(Vec<RangeInclusive<u16>>);

/// An error in a list of ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// An empty list.
    #[error("no port is named: use `all`, or ports 1-65535 such as 80,443,8000-8010")]
    Empty,
    /// Two commas in a row, or a comma at an end.
    #[error("a port is missing beside a comma: separate ports 1-65535 by single commas, such as 80,443")]
    EmptyItem,
    /// An item that is neither a port nor a range of ports.
    #[error("`{0}` is not a port: use `all`, or ports 1-65535 such as 80,443,8000-8010")]
    Item(String),
    /// A range whose end lies before its start.
    #[error("`{0}` ends before it starts: write the lower of the ports 1-65535 first")]
    Reversed(String),
}

impl PortRanges {
    /// Returns the canonical form of ranges in any order. Leaves out 0, which is no port; `None` if no port is left.
    fn new(ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Option<Self> {
        let mut ranges: Vec<_> = ranges
            .into_iter()
            .map(|range| (*range.start()).max(1)..=*range.end())
            .filter(|range| !range.is_empty())
            .collect();
        ranges.sort_unstable_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u16>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => merged.push(range),
            }
        }
        (!merged.is_empty()).then_some(Self(merged))
    }

    /// Returns the ranges, ascending; no two overlap or touch.
    pub fn iter(&self) -> impl Iterator<Item = &RangeInclusive<u16>> {
        self.0.iter()
    }
}

impl Ports {
    /// Returns the set of these ports. Leaves out 0, which is no port; `None` if no port is left.
    pub fn from_ports(ports: impl IntoIterator<Item = u16>) -> Option<Self> {
        PortRanges::new(ports.into_iter().map(|port| port..=port)).map(Self::Set)
    }

    /// Reports whether a port is guarded.
    pub fn contains(&self, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Set(ranges) => ranges.iter().any(|range| range.contains(&port)),
        }
    }

    /// Converts the ports for the datapath. [`Ports::All`], for which the datapath has a flag of its own, becomes the full
    /// set, so that no port is unguarded between the writes of flag and set.
    pub(crate) fn to_set(&self) -> PortSet {
        match self {
            Self::All => PortSet { words: [u64::MAX; _] },
            Self::Set(ranges) => {
                let mut set = PortSet::EMPTY;
                ranges.iter().cloned().flatten().for_each(|port| set.insert(port));
                set
            }
        }
    }

    /// Returns the ports in a set; `None` if it is empty. Never returns [`Ports::All`], which the set does not express.
    pub(crate) fn from_set(set: &PortSet) -> Option<Self> {
        Self::from_ports((1..=u16::MAX).filter(|&port| set.contains(port)))
    }
}

impl FromStr for Ports {
    type Err = PortsError;

    /// Parses `all` or a list of ports and ranges; spaces around an item are ignored.
    fn from_str(text: &str) -> Result<Self, PortsError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(PortsError::Empty);
        }
        if text == "all" {
            return Ok(Self::All);
        }
        let ranges = text.split(',').map(|item| parse_item(item.trim())).collect::<Result<Vec<_>, _>>()?;
        PortRanges::new(ranges).map(Self::Set).ok_or(PortsError::Empty)
    }
}

fn parse_item(item: &str) -> Result<RangeInclusive<u16>, PortsError> {
    if item.is_empty() {
        return Err(PortsError::EmptyItem);
    }
    let bad = || PortsError::Item(item.to_owned());
    let (first, last) = item.split_once('-').unwrap_or((item, item));
    let first = parse_port(first.trim()).ok_or_else(bad)?;
    let last = parse_port(last.trim()).ok_or_else(bad)?;
    if last < first { Err(PortsError::Reversed(item.to_owned())) } else { Ok(first..=last) }
}

/// Parses a port, 1 to 65535.
fn parse_port(text: &str) -> Option<u16> {
    // The standard library accepts a leading `+`.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port != 0)
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Set(ranges) = self else { return f.write_str("all") };
        for (i, range) in ranges.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_are_parsed_and_shown_in_canonical_form() {
        for (text, shown) in [
            ("all", "all"),
            (" all ", "all"),
            ("80", "80"),
            ("80,443,8000-8010", "80,443,8000-8010"),
            ("443,80", "80,443"),
            ("80,80", "80"),
            ("80,81", "80-81"),
            ("1-5,3-9,10,12", "1-10,12"),
            ("1-100,5-6", "1-100"),
            ("7-7", "7"),
            (" 80 , 90 - 95 ", "80,90-95"),
            ("0080", "80"),
            ("1-65535", "1-65535"),
            ("65535,65534", "65534-65535"),
        ] {
            let ports: Ports = text.parse().expect(text);
            assert_eq!(ports.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn errors_name_the_item_and_the_range() {
        for (text, error) in [
            ("", "no port is named"),
            (" ", "no port is named"),
            ("80,", "missing beside a comma"),
            (",80", "missing beside a comma"),
            ("80,,443", "missing beside a comma"),
            ("0", "`0` is not a port"),
            ("80,65536", "`65536` is not a port"),
            ("80,http", "`http` is not a port"),
            ("80 443", "`80 443` is not a port"),
            ("+80", "`+80` is not a port"),
            ("-80", "`-80` is not a port"),
            ("80-", "`80-` is not a port"),
            ("1-2-3", "`1-2-3` is not a port"),
            ("0-80", "`0-80` is not a port"),
            ("80,all", "`all` is not a port"),
            ("All", "`All` is not a port"),
            ("90-80", "`90-80` ends before it starts"),
        ] {
            let got = text.parse::<Ports>().expect_err(text).to_string();
            assert!(got.contains(error), "{text}: {got}");
            assert!(got.contains("1-65535"), "{text}: {got}");
        }
    }

    #[test]
    fn set_of_all_contains_every_port() {
        let set = Ports::All.to_set();
        assert!((0..=u16::MAX).all(|port| set.contains(port)));
        assert_eq!(Ports::from_set(&PortSet::EMPTY), None);
        assert_eq!(Ports::from_ports([0]), None);
    }

    proptest! {
        // Each case checks every port.
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn text_and_set_round_trip(ports in prop::collection::vec(1u16.., 1..60), from in 1u16.., to in 1u16..) {
            let range = from.min(to)..=from.max(to);
            let list = Ports::from_ports(ports.iter().copied().chain(range.clone())).expect("not empty");
            prop_assert_eq!(list.to_string().parse(), Ok(list.clone()));
            let set = list.to_set();
            prop_assert_eq!(Ports::from_set(&set), Some(list.clone()));
            for port in 0..=u16::MAX {
                let expected = range.contains(&port) || ports.contains(&port);
                prop_assert_eq!(set.contains(port), expected);
                prop_assert_eq!(list.contains(port), expected);
            }
        }

    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9, al-]{0,24}|\\PC{0,24}") {
            if let Ok(ports) = text.parse::<Ports>() {
                prop_assert_eq!(ports.to_string().parse(), Ok(ports));
            }
        }
    }
}

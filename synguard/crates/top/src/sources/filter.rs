//! The filter that a user types: a prefix, a part of an address, or a status.

use std::net::IpAddr;

use synguard_common::{
    addr::{Addr, Mask},
    source::SourceKey,
};
use synguard_model::source::{SourceStatus, display, key_of};

use super::Row;

/// A condition on rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceFilter {
    /// Every row.
    #[default]
    All,
    /// Rows in a prefix.
    Prefix {
        /// First address of the prefix.
        address: Addr,
        /// Mask of the prefix.
        mask: Mask,
    },
    /// Rows with a status.
    Status(SourceStatus),
    /// Rows whose address contains this text.
    Part(String),
}

impl SourceFilter {
    /// Parses the text typed so far; every text is a valid filter.
    pub fn parse(text: &str) -> Self {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return Self::All;
        }
        let states = [SourceStatus::Ok, SourceStatus::Hold, SourceStatus::Blocked, SourceStatus::Allowed];
        if let Some(status) = states.into_iter().find(|status| status.label() == text) {
            return Self::Status(status);
        }
        prefix(&text).unwrap_or(Self::Part(text))
    }

    /// Reports whether a source may match, judging by its address alone.
    pub fn admits(&self, key: &SourceKey, v6_length: u8) -> bool {
        match self {
            Self::All | Self::Status(_) => true,
            Self::Prefix { address, mask } => key.address.masked(*mask) == *address,
            Self::Part(part) => display(key, v6_length).contains(part.as_str()),
        }
    }

    /// Reports whether a row matches.
    pub fn matches(&self, row: &Row, v6_length: u8) -> bool {
        match self {
            Self::Status(status) => row.status == *status,
            _ => self.admits(&row.key, v6_length),
        }
    }
}

fn prefix(text: &str) -> Option<SourceFilter> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length: u32 = length.parse().ok()?;
    let length = match address {
        IpAddr::V4(_) if length <= 32 => 96 + length,
        IpAddr::V6(_) if length <= 128 => length,
        _ => return None,
    };
    let mask = Mask::of_length(length);
    Some(SourceFilter::Prefix { address: key_of(address).address.masked(mask), mask })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(filter: &str, address: &str) -> bool {
        let row = Row { key: key_of(address.parse().expect("an address")), ..Row::default() };
        SourceFilter::parse(filter).matches(&row, 64)
    }

    #[test]
    fn prefixes_and_parts_of_addresses() {
        for (filter, address, wanted) in [
            ("", "192.0.2.1", true),
            ("192.0", "192.0.2.1", true),
            ("2.1", "192.0.2.1", true),
            ("10.", "192.0.2.1", false),
            ("192.0.2.77/24", "192.0.2.1", true),
            ("192.0.3.0/24", "192.0.2.1", false),
            ("192.0.2.0/99", "192.0.2.1", false),
            ("2001:DB8", "2001:db8::", true),
            ("2001:db8::/32", "2001:db8:7::", true),
            ("0.0.0.0/0", "2001:db8:7::", false),
            ("ok", "192.0.2.1", true),
            ("hold", "192.0.2.1", false),
        ] {
            assert_eq!(matches(filter, address), wanted, "{filter} on {address}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_filter_and_an_address_matches_itself(text: String, bits: u32) {
            let _ = SourceFilter::parse(&text);
            let address = std::net::Ipv4Addr::from(bits).to_string();
            prop_assert!(matches(&address, &address));
        }
    }
}

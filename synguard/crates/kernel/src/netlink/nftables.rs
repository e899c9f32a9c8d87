//! Detection of network address translation in the packet filter. With it a packet to a port of this host may be for
//! another socket than the one that listens here: a container's, behind a published port.

use std::fs;

use anyhow::{Context as _, Result};
use netlink_packet_core::{
    DecodeError, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable, NlasIterator,
};
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::request::{dump, is_unsupported};

/// `NFNL_SUBSYS_NFTABLES`, and `NFT_MSG_GETCHAIN` in it.
const GET_CHAIN: u16 = 10 << 8 | 4;
/// Size of `struct nfgenmsg`, with which every netfilter message begins.
const HEADER_BYTES: usize = 4;
/// `NFTA_CHAIN_USE`: rules in a chain and jumps to it, big-endian.
const CHAIN_USE: u16 = 6;
/// `NFTA_CHAIN_TYPE`: the chain's type, a string that ends with a zero byte.
const CHAIN_TYPE: u16 = 7;

/// As a request, all chains; as a reply, one of them.
#[derive(Debug, Default)]
struct NftChain {
    /// The chain is of type `nat` and has a rule.
    translates: bool,
}

impl NetlinkSerializable for NftChain {
    fn message_type(&self) -> u16 {
        GET_CHAIN
    }

    fn buffer_len(&self) -> usize {
        HEADER_BYTES
    }

    fn serialize(&self, buffer: &mut [u8]) {
        // Address family 0: chains of every family.
        buffer.fill(0);
    }
}

impl NetlinkDeserializable for NftChain {
    type Error = DecodeError;

    fn deserialize(_: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let attributes = payload.get(HEADER_BYTES..).ok_or("a chain without its header")?;
        let (mut is_nat, mut is_empty) = (false, false);
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            match attribute.kind() {
                CHAIN_TYPE => is_nat = attribute.value() == b"nat\0",
                CHAIN_USE => is_empty = attribute.value() == [0; 4],
                _ => {}
            }
        }
        Ok(Self { translates: is_nat && !is_empty })
    }
}

/// Reports whether this network namespace has a rule for network address translation. Needs `CAP_NET_ADMIN`.
///
/// Of the older tables (`iptables-legacy`) it only reports whether the `nat` table was ever used.
pub fn has_nat_rules() -> Result<bool> {
    Ok(has_legacy_nat_table() || has_nat_chain().context("list the packet filter's chains")?)
}

fn has_nat_chain() -> Result<bool> {
    let mut found = false;
    match dump(NETLINK_NETFILTER, NftChain::default(), |chain| found |= chain.translates) {
        Err(error) if is_unsupported(&error) => Ok(false),
        result => result.map(|()| found),
    }
}

fn has_legacy_nat_table() -> bool {
    ["ip_tables_names", "ip6_tables_names"].iter().any(|name| {
        // The file does not exist where the legacy tables were never used.
        let tables = fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
        tables.lines().any(|table| table == "nat")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(kind: &[u8], used: u32) -> Vec<u8> {
        let attribute = |kind: u16, value: &[u8]| {
            let mut bytes = Vec::from(((4 + value.len()) as u16).to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let name = attribute(3, b"prerouting\0");
        [vec![2, 0, 0, 1], name, attribute(CHAIN_USE, &used.to_be_bytes()), attribute(CHAIN_TYPE, kind)]
            .concat()
    }

    #[test]
    fn nat_chain_counts_if_it_has_a_rule() {
        let read = |bytes: &[u8]| {
            NftChain::deserialize(&NetlinkHeader::default(), bytes).ok().map(|chain| chain.translates)
        };
        assert_eq!(read(&chain(b"nat\0", 1)), Some(true));
        assert_eq!(read(&chain(b"nat\0", 0)), Some(false));
        assert_eq!(read(&chain(b"filter\0", 7)), Some(false));
        assert_eq!(read(&[2, 0, 0, 1]), Some(false), "a chain without a hook has no type");
        assert_eq!(read(&[2, 0]), None);
        for end in 0..chain(b"nat\0", 1).len() {
            let _ = read(&chain(b"nat\0", 1)[..end]);
        }
    }
}

//! Whether the packet filter translates addresses, so that what comes to a port of this host may be meant for another
//! socket than the one that listens here: a container's, behind a published port.

use std::{fs, io};

use anyhow::{Context as _, Result};
use netlink_packet_core::{
    DecodeError, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable, NlasIterator,
};
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::request::dump;

/// `NFNL_SUBSYS_NFTABLES`, and `NFT_MSG_GETCHAIN` in it.
const GET_CHAIN: u16 = 10 << 8 | 4;
/// What a message of netfilter begins with: `struct nfgenmsg`.
const HEADER_BYTES: usize = 4;
/// `NFTA_CHAIN_USE`: rules in a chain and jumps to it, big-endian.
const CHAIN_USE: u16 = 6;
/// `NFTA_CHAIN_TYPE`: its type, a string that ends with a zero.
const CHAIN_TYPE: u16 = 7;

/// A request for all chains, or one of them.
#[derive(Debug, Default)]
struct Chain {
    translates: bool,
}

impl NetlinkSerializable for Chain {
    fn message_type(&self) -> u16 {
        GET_CHAIN
    }

    fn buffer_len(&self) -> usize {
        HEADER_BYTES
    }

    fn serialize(&self, buffer: &mut [u8]) {
        // Of every family.
        buffer.fill(0);
    }
}

impl NetlinkDeserializable for Chain {
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

/// Whether there is a rule of network address translation in this network namespace. It takes CAP_NET_ADMIN.
///
/// Of the older tables (`iptables-legacy`) it is only known whether the one for that was ever used.
///
/// # Errors
///
/// If the kernel does not say.
pub fn is_used() -> Result<bool> {
    Ok(has_legacy_table() || has_chain().context("list the packet filter's chains")?)
}

fn has_chain() -> Result<bool> {
    let mut found = false;
    match dump(NETLINK_NETFILTER, Chain::default(), |chain| found |= chain.translates) {
        Err(error) if is_missing(&error) => Ok(false),
        result => result.map(|()| found),
    }
}

/// Whether it fails because this kernel has no nftables.
fn is_missing(error: &anyhow::Error) -> bool {
    const MISSING: [i32; 3] = [libc::EPROTONOSUPPORT, libc::EOPNOTSUPP, libc::EINVAL];
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>()?.raw_os_error())
        .any(|code| MISSING.contains(&code))
}

fn has_legacy_table() -> bool {
    ["ip_tables_names", "ip6_tables_names"].iter().any(|name| {
        // There is no such file where that was never used.
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
    fn a_chain_of_translations_with_a_rule_in_it_counts() {
        let read = |bytes: &[u8]| {
            Chain::deserialize(&NetlinkHeader::default(), bytes).ok().map(|chain| chain.translates)
        };
        assert_eq!(read(&chain(b"nat\0", 1)), Some(true));
        assert_eq!(read(&chain(b"nat\0", 0)), Some(false));
        assert_eq!(read(&chain(b"filter\0", 7)), Some(false));
        assert_eq!(read(&[2, 0, 0, 1]), Some(false), "a chain that no hook leads to has no type");
        assert_eq!(read(&[2, 0]), None);
        for end in 0..chain(b"nat\0", 1).len() {
            let _ = read(&chain(b"nat\0", 1)[..end]);
        }
    }
}

//! What speaks against blocking a source, and blocking it.

use std::{
    collections::{BTreeMap, HashSet},
    net::Ipv6Addr,
    time::Duration,
};

use anyhow::{Result, ensure};
use synguard_common::{
    abi::SourceKey,
    list::{List, ListEntry, ListKey, ORIGIN_AUTO, SCOPE_SYN},
    prefix::{self, to_bytes},
};

use crate::{
    config::Settings, connections, datapath::Datapath, instance::Instance, lock::Lock, policy::Exemption,
};

/// For each suspect, what speaks against blocking it. What cannot be found out speaks against it, too.
pub(super) fn exemptions(
    suspects: &[SourceKey],
    datapath: &Datapath,
    settings: &Settings,
) -> BTreeMap<SourceKey, Option<Exemption>> {
    if suspects.is_empty() {
        return BTreeMap::new();
    }
    let peers =
        connections::peers().inspect_err(|error| log::warn!("who is connected is unknown: {error}")).ok();
    let of = |source: &SourceKey| {
        let key = list_key(*source, settings);
        let allowed = is_allowed(datapath, &key)
            .inspect_err(|error| log::warn!("whether a source is allowed is unknown: {error:#}"));
        if allowed.unwrap_or(true) {
            Some(Exemption::Allowed)
        } else if peers.as_ref().is_none_or(|peers| is_connected(peers, &key)) {
            Some(Exemption::Connected)
        } else {
            None
        }
    };
    suspects.iter().map(|source| (*source, of(source))).collect()
}

/// Blocks a source's SYNs for a while, unless the operator has a block of his own there.
pub(super) fn block(
    datapath: &Datapath,
    instance: &Instance,
    source: SourceKey,
    ttl: Duration,
    settings: &Settings,
    now_ns: u64,
) -> Result<()> {
    let _lock = Lock::change(instance)?;
    let key = list_key(source, settings);
    let mut lists = datapath.lists()?;
    let others =
        lists.entry(List::Block, &key)?.filter(|entry| entry.holds(now_ns) && entry.origin != ORIGIN_AUTO);
    ensure!(others.is_none(), "the blocklist has it already");
    let expires_at_ns = now_ns + ttl.as_nanos() as u64;
    lists.add(
        List::Block,
        vec![(key, ListEntry { expires_at_ns, hits: 0, scope: SCOPE_SYN, origin: ORIGIN_AUTO })],
    )
}

/// The prefix that a source is.
fn list_key(source: SourceKey, settings: &Settings) -> ListKey {
    let is_v4 = prefix::is_v4_mapped(source.address);
    ListKey::new(source.address, if is_v4 { 128 } else { settings.source_prefix_v6.into() })
}

/// Whether any entry of the allowlist covers a prefix.
fn is_allowed(datapath: &Datapath, key: &ListKey) -> Result<bool> {
    let lists = datapath.lists()?;
    for length in 0..=key.length as u32 {
        if lists.entry(List::Allow, &ListKey::new(key.address, length))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_connected(peers: &HashSet<Ipv6Addr>, key: &ListKey) -> bool {
    let within = |peer: &Ipv6Addr| ListKey::new(prefix::from_bytes(peer.octets()), key.length as u32) == *key;
    // Most are single addresses.
    match key.length {
        128 => peers.contains(&Ipv6Addr::from(to_bytes(key.address))),
        _ => peers.iter().any(within),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> SourceKey {
        let address: Ipv6Addr = text.parse().expect("an address");
        SourceKey { address: prefix::from_bytes(address.octets()) }
    }

    #[test]
    fn a_connection_from_anywhere_in_the_source_counts() {
        let settings = Settings::default();
        let peers: HashSet<Ipv6Addr> = ["::ffff:192.0.2.1", "2001:db8:1::5"]
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect();
        let connected = |text| is_connected(&peers, &list_key(source(text), &settings));
        assert!(connected("::ffff:192.0.2.1") && connected("2001:db8:1::"));
        assert!(!connected("::ffff:192.0.2.2") && !connected("2001:db8:2::"));
        assert_eq!(list_key(source("::ffff:192.0.2.1"), &settings).length, 128);
        assert_eq!(list_key(source("2001:db8:1::5"), &settings).length, 64);
    }
}

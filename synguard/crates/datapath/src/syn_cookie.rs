//! The maps by which the program is told to answer SYNs.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use aya::maps::{
    Map,
    lpm_trie::{Key, LpmTrie},
};
use ipnet::IpNet;
use synguard_common::{
    addr::{Halves, from_bytes},
    ip_list::Prefix,
    map_names,
    syn_cookie::config::SynCookieConfig,
};
use synguard_model::snapshot::Counters;

use crate::{Datapath, maps::open_map};

impl Datapath {
    /// How SYNs are answered; all zeros if they are not, and were not.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn syn_cookie_config(&self) -> Result<SynCookieConfig> {
        self.maps.syn_cookie_config()
    }

    /// Tells the program how to answer SYNs from now on, or with all zeros that it is not to. The kernel has to be ready
    /// for it before it begins, and until after it has ended.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn set_syn_cookie_config(&mut self, answering: &SynCookieConfig) -> Result<()> {
        let before = self.maps.syn_cookie_config()?;
        // The map is not written as a whole at once: nothing is answered by half of the old and half of the new.
        if answering.flags == 0 {
            self.maps.set_syn_cookie_config(&SynCookieConfig { flags: 0, ..before })?;
        } else if before.flags == 0 {
            self.maps.set_syn_cookie_config(&SynCookieConfig { flags: 0, ..*answering })?;
        }
        self.maps.set_syn_cookie_config(answering)
    }

    /// Makes these the prefixes at which this host receives: SYNs to others are not answered.
    ///
    /// # Errors
    ///
    /// If the map cannot be written, or there are more than it has room for.
    pub fn set_local_addrs(&mut self, locals: &[IpNet]) -> Result<()> {
        let map = open_map(&self.pins, map_names::LOCAL_ADDRS)?.context("LOCAL_ADDRS is not pinned")?;
        let mut map: LpmTrie<_, Halves, u64> =
            LpmTrie::try_from(Map::LpmTrie(map)).context("open LOCAL_ADDRS")?;
        let wanted: BTreeSet<(u32, Halves)> = locals.iter().map(key).collect();
        ensure!(
            wanted.len() <= map_names::LOCAL_ADDRS_MAX as usize,
            "this host has {} addresses, more than the {} there is room for",
            wanted.len(),
            map_names::LOCAL_ADDRS_MAX
        );
        let mut there = BTreeSet::new();
        for key in map.keys() {
            let key = key.context("read LOCAL_ADDRS")?;
            there.insert((key.prefix_len(), key.data()));
        }
        for &(length, address) in there.difference(&wanted) {
            map.remove(&Key::new(length, address)).context("write LOCAL_ADDRS")?;
        }
        for &(length, address) in wanted.difference(&there) {
            map.insert(&Key::new(length, address), 0, 0).context("write LOCAL_ADDRS")?;
        }
        Ok(())
    }

    /// SYNs to guarded ports that each CPU has seen.
    ///
    /// # Errors
    ///
    /// If the counters cannot be read.
    pub fn syns_by_cpu(&self) -> Result<Vec<u64>> {
        Ok(self.maps.counters_by_cpu()?.iter().map(Counters::guarded_syns).collect())
    }
}

/// A prefix as the map has it: IPv4 in mapped form.
fn key(net: &IpNet) -> (u32, Halves) {
    let (octets, length) = match net {
        IpNet::V4(net) => (net.addr().to_ipv6_mapped().octets(), 96 + u32::from(net.prefix_len())),
        IpNet::V6(net) => (net.addr().octets(), u32::from(net.prefix_len())),
    };
    (length, Prefix::new(from_bytes(octets), length).address)
}

//! The maps that control the program's SYN cookies.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use aya::maps::{
    Map,
    lpm_trie::{Key, LpmTrie},
};
use ipnet::IpNet;
use synguard_common::{addr::Addr, ip_list::Prefix, map_names, syn_cookie::config::SynCookieConfig};
use synguard_model::snapshot::Counters;

use crate::{Datapath, pinned_map::open_required_map};

impl Datapath {
    /// Returns the configuration of SYN cookies; all zeros if XDP sends none and never did.
    pub fn syn_cookie_config(&self) -> Result<SynCookieConfig> {
        self.syn_cookies.get(&0, 0).context("read SYN_COOKIES")
    }

    /// Puts a configuration of SYN cookies into force; all zeros stop them. The kernel must accept cookies before XDP
    /// sends the first one, and until after it has sent the last one.
    pub fn set_syn_cookie_config(&mut self, config: &SynCookieConfig) -> Result<()> {
        let before = self.syn_cookie_config()?;
        // The map is not written atomically. When cookies start or stop, the other fields are therefore written while the
        // flags are 0, so that no cookie is sent with half of the old configuration and half of the new one.
        if config.flags == 0 {
            self.write_syn_cookie_config(&SynCookieConfig { flags: 0, ..before })?;
        } else if before.flags == 0 {
            self.write_syn_cookie_config(&SynCookieConfig { flags: 0, ..*config })?;
        }
        self.write_syn_cookie_config(config)
    }

    fn write_syn_cookie_config(&mut self, config: &SynCookieConfig) -> Result<()> {
        self.syn_cookies.set(0, config, 0).context("write SYN_COOKIES")
    }

    /// Replaces the set of prefixes at which this host receives. SYNs to other addresses get no cookie.
    ///
    /// # Errors
    ///
    /// If the map cannot be written, or has no room for so many prefixes.
    pub fn set_local_addrs(&mut self, locals: &[IpNet]) -> Result<()> {
        let map = open_required_map(&self.pins, map_names::LOCAL_ADDRS)?;
        let mut map: LpmTrie<_, Addr, u64> =
            LpmTrie::try_from(Map::LpmTrie(map)).context("open LOCAL_ADDRS")?;
        let wanted: BTreeSet<(u32, Addr)> = locals.iter().map(trie_key).collect();
        ensure!(
            wanted.len() <= map_names::LOCAL_ADDRS_MAX as usize,
            "this host has {} addresses, more than the {} there is room for",
            wanted.len(),
            map_names::LOCAL_ADDRS_MAX
        );
        let mut present = BTreeSet::new();
        for key in map.keys() {
            let key = key.context("read LOCAL_ADDRS")?;
            present.insert((key.prefix_len(), key.data()));
        }
        for &(length, address) in present.difference(&wanted) {
            map.remove(&Key::new(length, address)).context("write LOCAL_ADDRS")?;
        }
        for &(length, address) in wanted.difference(&present) {
            map.insert(&Key::new(length, address), 0, 0).context("write LOCAL_ADDRS")?;
        }
        Ok(())
    }

    /// Returns the number of SYNs to guarded ports that each CPU has received.
    pub fn syns_by_cpu(&self) -> Result<Vec<u64>> {
        Ok(self.counters_by_cpu()?.iter().map(Counters::guarded_syns).collect())
    }
}

/// Returns a prefix in the form of the map, with IPv4 in its IPv4-mapped form.
fn trie_key(net: &IpNet) -> (u32, Addr) {
    let before = if net.addr().is_ipv4() { 96 } else { 0 };
    let length = before + u32::from(net.prefix_len());
    (length, Prefix::new(net.addr().into(), length).address)
}

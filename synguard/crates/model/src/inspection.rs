//! What was read from the maps about one address.

use synguard_common::{
    abi::{Config, PortSet},
    addr::{self, Halves},
    admission::Admission,
    count_min::ROWS,
    hold_cache::HoldSlot,
    ip_list::{ListEntry, Prefix},
    source::{SourceKey, SourceState},
    syn_cookie::{config::SynCookieConfig, prefix_limit},
};

/// What was read about one address.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The address.
    pub address: Halves,
    /// The settings.
    pub config: Config,
    /// The guarded ports.
    pub ports: PortSet,
    /// The entries of the allowlist that cover the address, in the order in which they are asked.
    pub allow: Vec<(Prefix, ListEntry)>,
    /// The entries of the blocklist that cover it, likewise.
    pub block: Vec<(Prefix, ListEntry)>,
    /// Its source's entry, if there is one.
    pub source: Option<SourceState>,
    /// The sketch's cells of its source.
    pub source_cells: [u16; ROWS],
    /// Its network's entry, if there is one.
    pub network: Option<SourceState>,
    /// The sketch's cells of its network.
    pub prefix_cells: [u16; ROWS],
    /// How SYNs are answered.
    pub answering: SynCookieConfig,
    /// The cell that says whether its source counts as proven.
    pub validated_cell: u32,
    /// What each CPU has to say.
    pub cpus: Vec<PerCpu>,
}

/// What one CPU keeps for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerCpu {
    /// Who gets an entry among the sources.
    pub sources: Admission,
    /// Who gets one among the networks.
    pub networks: Admission,
    /// Its memory of sources in hold, where this one would be.
    pub held: HoldSlot,
    /// The bucket of its answers.
    pub cookie_tat_ns: u64,
    /// The buckets of its answers to the network.
    pub prefix_tats: [u32; prefix_limit::ROWS],
}

/// The key of an address among the sources.
pub const fn source_key(address: Halves, config: &Config) -> SourceKey {
    let mask = if addr::is_v4_mapped(address) { addr::mask(128) } else { config.source_mask_v6 };
    SourceKey { address: addr::apply(address, mask) }
}

/// The key of an address among the prefixes.
pub const fn prefix_key(address: Halves) -> SourceKey {
    let mask = if addr::is_v4_mapped(address) { addr::PREFIX_V4 } else { addr::PREFIX_V6 };
    SourceKey { address: addr::apply(address, mask) }
}

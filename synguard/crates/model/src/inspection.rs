//! Contents of the maps about one address, as `synguard why` reads them.

use synguard_common::{
    abi::{Config, PortSet},
    addr::{Addr, Mask},
    admission::Admission,
    count_min::ROWS,
    hold_cache::HoldSlot,
    ip_list::{ListEntry, Prefix},
    source::{SourceKey, SourceState},
    syn_cookie::{config::SynCookieConfig, prefix_limit},
};

/// Contents of the maps about one address.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub address: Addr,
    pub config: Config,
    /// The guarded ports.
    pub ports: PortSet,
    /// Entries of the allowlist that cover the address, in the order in which the program looks them up.
    pub allow: Vec<(Prefix, ListEntry)>,
    /// Entries of the blocklist that cover the address, in the same order.
    pub block: Vec<(Prefix, ListEntry)>,
    /// Table entry of the address's source, if there is one.
    pub source: Option<SourceState>,
    /// Cells of the source in the count-min sketch.
    pub source_cells: [u16; ROWS],
    /// Table entry of the address's prefix (/24 or /48), if there is one.
    pub prefix: Option<SourceState>,
    /// Cells of the prefix in the count-min sketch.
    pub prefix_cells: [u16; ROWS],
    pub syn_cookies: SynCookieConfig,
    /// Cell that shows whether the source is validated.
    pub validated_cell: u32,
    /// State of each CPU.
    pub cpus: Vec<PerCpu>,
}

/// State that one CPU keeps for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerCpu {
    /// Admission to the table of sources.
    pub sources: Admission,
    /// Admission to the table of prefixes.
    pub prefixes: Admission,
    /// Slot of the hold cache at the index of the source.
    pub hold_slot: HoldSlot,
    /// GCRA time of the CPU's SYN cookies.
    pub cookie_tat_ns: u64,
    /// GCRA times of the prefix's SYN cookies.
    pub prefix_tats: [u32; prefix_limit::ROWS],
}

/// Returns the key of an address's source in the table of sources.
pub const fn source_key(address: Addr, config: &Config) -> SourceKey {
    let mask = if address.is_v4() { Mask::ALL } else { config.source_mask_v6 };
    SourceKey { address: address.masked(mask) }
}

/// Returns the key of an address's prefix in the table of prefixes.
pub const fn prefix_key(address: Addr) -> SourceKey {
    let mask = if address.is_v4() { Mask::PREFIX_V4 } else { Mask::PREFIX_V6 };
    SourceKey { address: address.masked(mask) }
}

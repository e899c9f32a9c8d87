//! Reads everything that the maps hold about one address, for `explain` of `synguard-policy`.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::maps::{Map, PerCpuArray};
use synguard_common::{
    addr::{Addr, HashSeed},
    count_min::{self, CountMinSketch, ROWS},
    hash, hold_cache,
    ip_list::List,
    map_names,
    source::SourceKey,
    syn_cookie::{
        config::SynCookieConfig,
        prefix_limit::{self, PrefixRateSketch},
        validated_sources,
    },
};
use synguard_model::inspection::{Inspection, PerCpu, prefix_key, source_key};

use crate::{Datapath, bpf_syscall, pinned_map::open_required_map};

impl Datapath {
    /// Reads the contents of all maps about one address. The maps are read one after the other, so a SYN that arrives
    /// during the call may be counted in some of them only.
    pub fn inspect(&self, address: Addr) -> Result<Inspection> {
        let (config, ports) = self.config()?;
        let source = source_key(address, &config);
        let prefix = prefix_key(address);
        let hash = hash::address(source.address, config.hash_seed);
        let cpus = self.cpu_states()?;
        let hold_caches = self.hold_caches()?;
        let syn_cookies = self.syn_cookie_config()?;
        let prefix_hash = hash::address(prefix.address, config.hash_seed);
        let tats = self.prefix_tats(prefix_hash, &syn_cookies)?;
        let cpus = cpus.iter().zip(&hold_caches).zip(tats).map(|((cpu, hold_cache), prefix_tats)| PerCpu {
            sources: cpu.sources,
            prefixes: cpu.prefixes,
            hold_slot: hold_cache.slots[hold_cache::index(hash)],
            cookie_tat_ns: cpu.cookie_tat_ns,
            prefix_tats,
        });
        let lists = self.lists()?;
        Ok(Inspection {
            address,
            allow: lists.covering(List::Allow, address)?,
            block: lists.covering(List::Block, address)?,
            source: self.source(&source)?,
            source_cells: cells(&self.pins, map_names::SOURCE_SKETCH, &source, config.hash_seed)?,
            prefix: self.prefix(&prefix)?,
            prefix_cells: cells(&self.pins, map_names::PREFIX_SKETCH, &prefix, config.hash_seed)?,
            syn_cookies,
            validated_cell: self.validated_cell(hash)?,
            cpus: cpus.collect(),
            config,
            ports: *ports,
        })
    }

    /// Returns the cell that shows whether a source with this hash is validated.
    fn validated_cell(&self, hash: u64) -> Result<u32> {
        let map = open_required_map(&self.pins, map_names::VALIDATED_SOURCES)?;
        Ok(bpf_syscall::lookup(map.fd(), &validated_sources::index(hash))
            .context("read VALIDATED_SOURCES")?
            .unwrap_or(0))
    }

    /// Returns the GCRA times of a prefix's SYN cookies on each CPU. The sketches are large, so they are read only
    /// while XDP sends cookies.
    fn prefix_tats(
        &self,
        hash: u64,
        syn_cookies: &SynCookieConfig,
    ) -> Result<impl Iterator<Item = [u32; prefix_limit::ROWS]> + use<>> {
        let mut tats = Vec::new();
        if syn_cookies.flags != 0 {
            let map = open_required_map(&self.pins, map_names::COOKIE_PREFIX_SKETCH)?;
            let map: PerCpuArray<_, PrefixRateSketch> =
                PerCpuArray::try_from(Map::PerCpuArray(map)).context("open COOKIE_PREFIX_SKETCH")?;
            let sketches = map.get(&0, 0).context("read COOKIE_PREFIX_SKETCH")?;
            let cells = |sketch: &PrefixRateSketch| {
                std::array::from_fn(|row| sketch.tats[row][prefix_limit::index(hash, row)])
            };
            tats.extend(sketches.iter().map(cells));
        }
        Ok(tats.into_iter().chain(std::iter::repeat([0; prefix_limit::ROWS])))
    }
}

/// Returns the cells of a key in a sketch. The kernel can copy a sketch only as a whole.
fn cells(pins: &Path, name: &str, key: &SourceKey, seed: HashSeed) -> Result<[u16; ROWS]> {
    let map = open_required_map(pins, name)?;
    let mut sketch = Box::new(CountMinSketch::EMPTY);
    bpf_syscall::lookup_into(map.fd(), &0u32, &mut *sketch).with_context(|| format!("read {name}"))?;
    let hash = hash::address(key.address, seed);
    Ok(std::array::from_fn(|row| sketch.cells[row][count_min::index(hash, row)]))
}

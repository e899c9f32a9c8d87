//! Everything that the maps hold about one address, for `synguard-policy`'s `explain`.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::maps::{Map, PerCpuArray};
use synguard_common::{
    addr::Halves,
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

use crate::{Datapath, bpf_syscall, maps::open_map};

impl Datapath {
    /// What there is to know about an address. The maps are read one after the other: a SYN that arrives meanwhile
    /// may be seen in one and not in another.
    ///
    /// # Errors
    ///
    /// If a map cannot be read.
    pub fn inspect(&self, address: Halves) -> Result<Inspection> {
        let (config, ports) = self.maps.settings()?;
        let source = source_key(address, &config);
        let network = prefix_key(address);
        let hash = hash::mix(source.address, config.hash_seed);
        let cpus = self.maps.cpu_states()?;
        let held = self.maps.held()?;
        let answering = self.maps.syn_cookie_config()?;
        let network_hash = hash::mix(network.address, config.hash_seed);
        let tats = self.prefix_tats(network_hash, &answering)?;
        let cpus = cpus.iter().zip(&held).zip(tats).map(|((cpu, held), prefix_tats)| PerCpu {
            sources: cpu.sources,
            networks: cpu.prefixes,
            held: held.slots[hold_cache::index(hash)],
            cookie_tat_ns: cpu.cookie_tat_ns,
            prefix_tats,
        });
        let lists = self.lists()?;
        Ok(Inspection {
            address,
            allow: lists.covering(List::Allow, address)?,
            block: lists.covering(List::Block, address)?,
            source: self.maps.source(&source)?,
            source_cells: cells(&self.pins, map_names::SOURCE_SKETCH, &source, config.hash_seed)?,
            network: self.maps.prefix(&network)?,
            prefix_cells: cells(&self.pins, map_names::PREFIX_SKETCH, &network, config.hash_seed)?,
            answering,
            validated_cell: self.validated_cell(hash)?,
            cpus: cpus.collect(),
            config,
            ports: *ports,
        })
    }
}

impl Datapath {
    /// The cell that says whether a source with this hash counts as proven.
    fn validated_cell(&self, hash: u64) -> Result<u32> {
        let map =
            open_map(&self.pins, map_names::VALIDATED_SOURCES)?.context("VALIDATED_SOURCES is not pinned")?;
        Ok(bpf_syscall::lookup(map.fd(), &validated_sources::index(hash))
            .context("read VALIDATED_SOURCES")?
            .unwrap_or(0))
    }

    /// The buckets of a network's answers on each CPU. They are large, and not read while there are none.
    fn prefix_tats(
        &self,
        hash: u64,
        answering: &SynCookieConfig,
    ) -> Result<impl Iterator<Item = [u32; prefix_limit::ROWS]> + use<>> {
        let mut tats = Vec::new();
        if answering.flags != 0 {
            let map = open_map(&self.pins, map_names::COOKIE_PREFIX_SKETCH)?
                .context("COOKIE_PREFIX_SKETCH is not pinned")?;
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

/// The cells of a key in a sketch. The kernel hands a sketch out only whole.
fn cells(pins: &Path, name: &str, key: &SourceKey, seed: Halves) -> Result<[u16; ROWS]> {
    let map = open_map(pins, name)?.with_context(|| format!("{name} is not pinned"))?;
    let mut sketch = Box::new(CountMinSketch::EMPTY);
    bpf_syscall::lookup_into(map.fd(), &0u32, &mut *sketch).with_context(|| format!("read {name}"))?;
    let hash = hash::mix(key.address, seed);
    Ok(std::array::from_fn(|row| sketch.cells[row][count_min::index(hash, row)]))
}

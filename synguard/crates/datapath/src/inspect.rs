//! Everything that the maps hold about one address, for [`synguard_policy::explain`].

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::maps::{Map, PerCpuArray};
use synguard_common::{
    abi::SourceKey,
    answer::Answering,
    hash, held,
    list::List,
    names,
    network::{self, NetworkSketch},
    prefix::Halves,
    proven,
    sketch::{self, ROWS, Sketch},
};
use synguard_model::inspection::{CpuView, Read, network_key, source_key};

use crate::{Datapath, bpf_syscall, maps::open_map};

impl Datapath {
    /// What there is to know about an address. The maps are read one after the other: a SYN that arrives meanwhile
    /// may be seen in one and not in another.
    ///
    /// # Errors
    ///
    /// If a map cannot be read.
    pub fn about(&self, address: Halves) -> Result<Read> {
        let (config, ports) = self.maps.settings()?;
        let source = source_key(address, &config);
        let network = network_key(address);
        let hash = hash::mix(source.address, config.hash_seed);
        let cpus = self.maps.cpu_states()?;
        let held = self.maps.held()?;
        let answering = self.maps.answering()?;
        let network_hash = hash::mix(network.address, config.hash_seed);
        let tats = self.network_tats(network_hash, &answering)?;
        let cpus = cpus.iter().zip(&held).zip(tats).map(|((cpu, held), network_tats)| CpuView {
            sources: cpu.sources,
            networks: cpu.prefixes,
            held: held.slots[held::index(hash)],
            answer_tat_ns: cpu.answer_tat_ns,
            network_tats,
        });
        let lists = self.lists()?;
        Ok(Read {
            address,
            allow: lists.covering(List::Allow, address)?,
            block: lists.covering(List::Block, address)?,
            source: self.maps.source(&source)?,
            source_cells: cells(&self.pins, names::SOURCE_SKETCH, &source, config.hash_seed)?,
            network: self.maps.prefix(&network)?,
            network_cells: cells(&self.pins, names::PREFIX_SKETCH, &network, config.hash_seed)?,
            answering,
            proven_cell: self.proven_cell(hash)?,
            cpus: cpus.collect(),
            config,
            ports: *ports,
        })
    }
}

impl Datapath {
    /// The cell that says whether a source with this hash counts as proven.
    fn proven_cell(&self, hash: u64) -> Result<u32> {
        let map = open_map(&self.pins, names::PROVEN)?.context("PROVEN is not pinned")?;
        Ok(bpf_syscall::lookup(map.fd(), &proven::index(hash)).context("read PROVEN")?.unwrap_or(0))
    }

    /// The buckets of a network's answers on each CPU. They are large, and not read while there are none.
    fn network_tats(
        &self,
        hash: u64,
        answering: &Answering,
    ) -> Result<impl Iterator<Item = [u32; network::ROWS]> + use<>> {
        let mut tats = Vec::new();
        if answering.flags != 0 {
            let map = open_map(&self.pins, names::ANSWER_SKETCH)?.context("ANSWER_SKETCH is not pinned")?;
            let map: PerCpuArray<_, NetworkSketch> =
                PerCpuArray::try_from(Map::PerCpuArray(map)).context("open ANSWER_SKETCH")?;
            let sketches = map.get(&0, 0).context("read ANSWER_SKETCH")?;
            let cells = |sketch: &NetworkSketch| {
                std::array::from_fn(|row| sketch.tats[row][network::index(hash, row)])
            };
            tats.extend(sketches.iter().map(cells));
        }
        Ok(tats.into_iter().chain(std::iter::repeat([0; network::ROWS])))
    }
}

/// The cells of a key in a sketch. The kernel hands a sketch out only whole.
fn cells(pins: &Path, name: &str, key: &SourceKey, seed: Halves) -> Result<[u16; ROWS]> {
    let map = open_map(pins, name)?.with_context(|| format!("{name} is not pinned"))?;
    let mut sketch = Box::new(Sketch::EMPTY);
    bpf_syscall::lookup_into(map.fd(), &0u32, &mut *sketch).with_context(|| format!("read {name}"))?;
    let hash = hash::mix(key.address, seed);
    Ok(std::array::from_fn(|row| sketch.cells[row][sketch::index(hash, row)]))
}

//! Everything that the maps hold about one address, for [`crate::why`].

use std::path::Path;

use anyhow::{Context as _, Result};
use synguard_common::{
    abi::SourceKey,
    hash, held,
    list::List,
    names,
    prefix::Halves,
    sketch::{self, ROWS, Sketch},
};

use super::{Datapath, maps::open_map, sys};
use crate::why::{CpuView, Read, network_key, source_key};

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
        let cpus = cpus.iter().zip(&held).map(|(cpu, held)| CpuView {
            sources: cpu.sources,
            networks: cpu.prefixes,
            held: held.slots[held::index(hash)],
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
            cpus: cpus.collect(),
            config,
            ports: *ports,
        })
    }
}

/// The cells of a key in a sketch. The kernel hands a sketch out only whole.
fn cells(pins: &Path, name: &str, key: &SourceKey, seed: Halves) -> Result<[u16; ROWS]> {
    let map = open_map(pins, name)?.with_context(|| format!("{name} is not pinned"))?;
    let mut sketch = Box::new(Sketch::EMPTY);
    sys::lookup_into(map.fd(), &0u32, &mut *sketch).with_context(|| format!("read {name}"))?;
    let hash = hash::mix(key.address, seed);
    Ok(std::array::from_fn(|row| sketch.cells[row][sketch::index(hash, row)]))
}

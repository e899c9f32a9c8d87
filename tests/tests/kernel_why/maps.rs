//! The maps of a loaded program, opened for writing.

use std::path::PathBuf;

use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray, PerCpuValues};
use synguard_common::{
    abi::CpuState,
    count_min::{self, CountMinSketch},
    hash,
    hold_cache::{self, HoldCache, HoldSlot},
    ip_list::{List, Prefix},
    map_names,
    source::{SourceKey, SourceState},
    syn_cookie::{
        prefix_limit::{self, PrefixRateSketch},
        validated_sources,
    },
};
use synguard_datapath::Datapath;
use synguard_model::inspection::{prefix_key, source_key};
use synguard_tests::{
    bpffs::Dirs,
    testrun::{Filter, ticked_ns},
};

use crate::states::State;

/// The filter, and its maps for writing.
pub(crate) struct Maps {
    pub(crate) filter: Filter,
    pins: PathBuf,
    cpus: PerCpuArray<MapData, CpuState>,
    held: PerCpuArray<MapData, HoldCache>,
    prefixes: HashMap<MapData, SourceKey, SourceState>,
    validated: Array<MapData, u32>,
    cookie_sketch: PerCpuArray<MapData, PrefixRateSketch>,
    sketches: [Array<MapData, Cells>; 2],
    /// Prefixes on the lists.
    listed: [Vec<Prefix>; 2],
    _dirs: Dirs,
}

#[repr(transparent)]
#[derive(Clone, Copy)]
struct Cells(CountMinSketch);

// SAFETY: integers only, without padding; every bit pattern is valid.
unsafe impl aya::Pod for Cells {}

impl Maps {
    pub(crate) fn load() -> Self {
        let filter = Filter::load();
        let dirs = Dirs::new().unwrap();
        let pins = dirs.bpffs().join("pins");
        filter.pin(&pins);
        let open = |name| MapData::from_pin(pins.join(name)).expect(name);
        let per_cpu = |name| Map::PerCpuArray(open(name));
        let array = |name| Array::try_from(Map::Array(open(name))).unwrap();
        let maps = Self {
            cpus: PerCpuArray::try_from(per_cpu(map_names::CPU_STATE)).unwrap(),
            held: PerCpuArray::try_from(per_cpu(map_names::HOLD_CACHE)).unwrap(),
            prefixes: HashMap::try_from(Map::LruHashMap(open(map_names::PREFIXES))).unwrap(),
            validated: Array::try_from(Map::Array(open(map_names::VALIDATED_SOURCES))).unwrap(),
            cookie_sketch: PerCpuArray::try_from(per_cpu(map_names::COOKIE_PREFIX_SKETCH)).unwrap(),
            sketches: [array(map_names::SOURCE_SKETCH), array(map_names::PREFIX_SKETCH)],
            listed: Default::default(),
            pins,
            filter,
            _dirs: dirs,
        };
        maps.datapath().lists().unwrap().set_capacity(1000).unwrap();
        maps
    }

    pub(crate) fn datapath(&self) -> Datapath {
        Datapath::open(&self.pins).unwrap().expect("it is pinned")
    }

    /// Writes a state into the maps.
    pub(crate) fn set(&mut self, state: &State) {
        let State { config, ports, lists, source, prefix, .. } = state;
        self.filter.set_config(*config);
        self.filter.set_ports(ports);
        let datapath = self.datapath();
        let mut maps = datapath.lists().unwrap();
        for ((list, items), before) in List::ALL.into_iter().zip(lists).zip(&mut self.listed) {
            // Not replaced as a whole: that writes megabytes.
            maps.remove(list, before).unwrap();
            maps.add(list, items.clone()).unwrap();
            *before = items.iter().map(|(key, _)| *key).collect();
        }
        let key = source_key(state.address, config);
        self.filter.remove_source(key);
        if let Some(source) = source {
            self.filter.set_source(key, *source);
        }
        let prefix_key = prefix_key(state.address);
        let _ = self.prefixes.remove(&prefix_key);
        if let Some(prefix) = prefix {
            self.prefixes.insert(prefix_key, prefix, 0).unwrap();
        }
        let cpus = vec![state.cpu; aya::util::nr_cpus().unwrap()];
        self.cpus.set(0, PerCpuValues::try_from(cpus).unwrap(), 0).unwrap();
        for ((map, key), cell) in self.sketches.iter_mut().zip([key, prefix_key]).zip(state.cells) {
            let mut cells = Box::new(Cells(CountMinSketch::EMPTY));
            let hash = hash::address(key.address, config.hash_seed);
            for (row, cell) in cell.into_iter().enumerate() {
                cells.0.cells[row][count_min::index(hash, row)] = cell;
            }
            map.set(0, *cells, 0).unwrap();
        }
        self.set_cookie_state(state, key, prefix_key);
        // Last, because the hold cache is valid for this tick only.
        self.set_held(state, key);
    }

    fn set_cookie_state(&mut self, state: &State, key: SourceKey, prefix_key: SourceKey) {
        let hash = hash::address(key.address, state.config.hash_seed);
        let cell = match state.validated_until_ns {
            0 => 0,
            until_ns => validated_sources::cell(hash, until_ns),
        };
        self.validated.set(validated_sources::index(hash), cell, 0).unwrap();
        let hash = hash::address(prefix_key.address, state.config.hash_seed);
        let mut sketch = PrefixRateSketch { tats: [[0; prefix_limit::WIDTH]; prefix_limit::ROWS] };
        for (row, tat) in state.prefix_tats.into_iter().enumerate() {
            sketch.tats[row][prefix_limit::index(hash, row)] = tat;
        }
        let sketches = vec![sketch; aya::util::nr_cpus().unwrap()];
        self.cookie_sketch.set(0, PerCpuValues::try_from(sketches).unwrap(), 0).unwrap();
        self.filter.set_cookies(state.cookies);
    }

    fn set_held(&mut self, state: &State, key: SourceKey) {
        let mut held = HoldCache::default();
        if let Some((ago_ns, uncounted)) = state.held {
            let slot = &mut held.slots[hold_cache::index(hash::address(key.address, state.config.hash_seed))];
            *slot = HoldSlot { source: key, at_ns: ticked_ns() - ago_ns, pending: uncounted };
        }
        let caches = vec![held; aya::util::nr_cpus().unwrap()];
        self.held.set(0, PerCpuValues::try_from(caches).unwrap(), 0).unwrap();
    }
}

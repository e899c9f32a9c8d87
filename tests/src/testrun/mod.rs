//! The real XDP program in the kernel, fed with packets by `BPF_PROG_TEST_RUN`: no device, no namespace.
//!
//! Every [`Filter`] loads the program with maps of its own and pins nothing, so tests may run side by side. A failure
//! here is never the subject of a test, so it panics and names the cause.
#![allow(
    clippy::expect_used,
    reason = "a harness for tests: a failure ends the test, with what was attempted"
)]

use std::{fs, path::Path, sync::Mutex};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, MapData, PerCpuArray, PerCpuValues, RingBuf},
    programs::{SchedClassifier, TcAttachType, TestRun as _, TestRunOptions, Xdp, XdpMode, tc},
};
use synguard_common::{
    abi::{ABI_VERSION, Config, Counter, CpuState, DatapathEvent, FLAG_ALL_PORTS, PortSet},
    addr::Mask,
    gcra::RateLimit,
    hold_cache::HoldCache,
    hyperloglog::HyperLogLog,
    map_names,
    source::{SourceKey, SourceState},
};
use synguard_datapath::OBJECT;
use synguard_kernel::clock;

mod evidence;
mod outcome;
mod syn_cookie;

use self::evidence::Evidence;
pub use self::{
    outcome::{Outcome, REASONS, action},
    syn_cookie::{cookie_config, cookie_config_for, kernel_syn_ack},
};
use crate::{command::require_root, netns::Netns};

/// The shortest packet that the kernel takes: an Ethernet header.
pub const PACKET_MIN: usize = 14;
/// Hold time of [`config`].
pub const HOLD_NS: u64 = 10_000_000_000;

/// Returns settings with every port guarded, a hold of [`HOLD_NS`], IPv6 sources of /64 and nothing else switched on.
pub fn config(rate: u32, burst: u32) -> Config {
    let limit = RateLimit::new(rate, burst);
    Config {
        abi: ABI_VERSION,
        flags: FLAG_ALL_PORTS,
        syn_interval_ns: limit.interval_ns,
        syn_tolerance_ns: limit.tolerance_ns,
        hold_ns: HOLD_NS,
        source_mask_v6: Mask::of_length(64),
        syn_rate: rate,
        syn_burst: burst,
        source_prefix_v6: 64,
        ..Config::default()
    }
}

/// Reads the clock of the program, in nanoseconds. The program reads it as of the last timer tick, which is
/// [`ticked_ns`].
pub fn now_ns() -> u64 {
    clock::now_ns()
}

/// Reads the clock as of the last timer tick. In an emulated machine ticks may be late by several intervals.
///
/// # Panics
/// Never: Linux has the clock.
pub fn ticked_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that outlives the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    assert_eq!(result, 0, "read CLOCK_MONOTONIC_COARSE");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Returns a time that no later reading by the program lies before. A reading may be one tick old and stays in use for
/// one tick: two ticks of the slowest clock (100 Hz), and a millisecond.
#[must_use]
pub fn earliest_reading_ns() -> u64 {
    const LAG_NS: u64 = 21_000_000;
    ticked_ns().saturating_sub(LAG_NS)
}

/// The program, loaded, with its maps.
pub struct Filter {
    // Keeps the program loaded.
    ebpf: Ebpf,
    config: Array<MapData, Config>,
    ports: Array<MapData, PortSet>,
    counters: PerCpuArray<MapData, Counter>,
    cpu_state: PerCpuArray<MapData, CpuState>,
    held: PerCpuArray<MapData, HoldCache>,
    sources: HashMap<MapData, SourceKey, SourceState>,
    distinct: Array<MapData, HyperLogLog>,
    events: Mutex<RingBuf<MapData>>,
    evidence: Mutex<Evidence>,
}

impl Filter {
    /// Loads the program with the smallest valid table of sources.
    ///
    /// # Panics
    /// Without root, or when the kernel refuses the program or a map.
    pub fn load() -> Self {
        let cpus = aya::util::nr_cpus().expect("count the CPUs");
        Self::load_with_sources(map_names::SOURCES_PER_CPU_MIN * cpus as u32)
    }

    /// Loads the program with room for this many sources.
    ///
    /// # Panics
    /// As [`Filter::load`].
    pub fn load_with_sources(sources: u32) -> Self {
        require_root().expect("BPF_PROG_TEST_RUN");
        let mut loader = EbpfLoader::new();
        loader.map_max_entries(map_names::SOURCES, sources);
        let mut ebpf = loader.load(OBJECT).expect("create the maps");
        let program = ebpf.program_mut(map_names::PROGRAM).expect("find the program");
        let xdp: &mut Xdp = program.try_into().expect("the program is an XDP program");
        xdp.load().expect("load the program");
        let egress = ebpf.program_mut(map_names::EGRESS_PROGRAM).expect("find the egress program");
        let egress: &mut SchedClassifier = egress.try_into().expect("the program is a classifier");
        egress.load().expect("load the egress program");
        let mut map = |name| ebpf.take_map(map_names::in_object(name)).expect(name);
        Self {
            config: Array::try_from(map(map_names::CONFIG)).expect(map_names::CONFIG),
            ports: Array::try_from(map(map_names::PORTS)).expect(map_names::PORTS),
            counters: PerCpuArray::try_from(map(map_names::COUNTERS)).expect(map_names::COUNTERS),
            cpu_state: PerCpuArray::try_from(map(map_names::CPU_STATE)).expect(map_names::CPU_STATE),
            held: PerCpuArray::try_from(map(map_names::HOLD_CACHE)).expect(map_names::HOLD_CACHE),
            sources: HashMap::try_from(map(map_names::SOURCES)).expect(map_names::SOURCES),
            distinct: Array::try_from(map(map_names::CARDINALITY)).expect(map_names::CARDINALITY),
            events: Mutex::new(RingBuf::try_from(map(map_names::EVENTS)).expect(map_names::EVENTS)),
            evidence: Mutex::new(Evidence {
                paths: HashMap::try_from(map(map_names::PATHS)).expect(map_names::PATHS),
                templates: HashMap::try_from(map(map_names::TEMPLATES)).expect(map_names::TEMPLATES),
            }),
            ebpf,
        }
    }

    /// Loads the program and applies settings.
    ///
    /// # Panics
    /// As [`Filter::load`].
    pub fn with_config(config: Config) -> Self {
        let mut filter = Self::load();
        filter.set_config(config);
        filter
    }

    /// Pins the maps of the lists, for [`synguard_datapath::ListMaps`] to open.
    ///
    /// # Panics
    /// When they cannot be pinned there.
    pub fn pin_lists(&self, pins: &Path) {
        for name in [map_names::LISTS, map_names::LIST_CACHE, map_names::LIST_TABLES, map_names::LIST_BLOOM] {
            self.ebpf.map(map_names::in_object(name)).expect(name).pin(pins.join(name)).expect("pin a map");
        }
    }

    /// Returns the program.
    ///
    /// # Panics
    /// Never: it was found when it was loaded.
    pub fn xdp(&self) -> &Xdp {
        let program = self.ebpf.program(map_names::PROGRAM).expect("find the program");
        program.try_into().expect("the program is an XDP program")
    }

    /// Returns the egress program.
    ///
    /// # Panics
    /// Never, likewise.
    pub fn egress(&self) -> &SchedClassifier {
        let program = self.ebpf.program(map_names::EGRESS_PROGRAM).expect("find the egress program");
        program.try_into().expect("the program is a classifier")
    }

    /// Pins the maps where [`synguard_datapath::Datapath::open`] looks for them, in a folder on a bpffs.
    ///
    /// # Panics
    /// When the folder is not on a bpffs.
    pub fn pin(&self, pins: &Path) {
        fs::create_dir_all(pins).expect("make the folder");
        let ids = self.xdp().info().expect("ask about the program").map_ids().expect("ask for its maps");
        for id in ids.expect("the kernel names the maps") {
            let map = MapData::from_id(id).expect("open a map");
            let info = map.info().expect("ask about a map");
            // The kernel cuts names off after 15 bytes.
            let cut = info.name_as_str().expect("a name").to_owned();
            let is_it = |name: &&&str| {
                let whole = map_names::in_object(name);
                whole.get(..15).unwrap_or(whole) == cut
            };
            if let Some(name) = map_names::MAPS.iter().find(is_it) {
                map.pin(pins.join(name)).expect("pin a map");
            }
        }
    }

    /// Attaches the program to a device, until the filter is dropped.
    ///
    /// # Panics
    /// When the device has a program already, or does not support native XDP.
    pub fn attach(&mut self, netns: &Netns, device: &str) {
        let program = self.ebpf.program_mut(map_names::PROGRAM).expect("find the program");
        let xdp: &mut Xdp = program.try_into().expect("the program is an XDP program");
        let attached = netns.run(|| xdp.attach(device, XdpMode::Driver)).expect("enter the namespace");
        attached.expect("attach the program");
        let program = self.ebpf.program_mut(map_names::EGRESS_PROGRAM).expect("find the egress program");
        let egress: &mut SchedClassifier = program.try_into().expect("the program is a classifier");
        let attached = netns.run(|| {
            // An error says that there is a qdisc already, or that none is needed.
            let _ = tc::qdisc_add_clsact(device);
            egress.attach(device, TcAttachType::Egress)
        });
        attached.expect("enter the namespace").expect("attach the egress program");
    }

    /// Reads the registers of the distinct count.
    ///
    /// # Panics
    /// When the map cannot be read.
    pub fn registers(&self) -> Box<HyperLogLog> {
        Box::new(self.distinct.get(&0, 0).expect("read CARDINALITY"))
    }

    /// Applies settings.
    ///
    /// # Panics
    /// When the map cannot be written.
    pub fn set_config(&mut self, config: Config) {
        self.config.set(0, config, 0).expect("write CONFIG");
        self.forget_held();
    }

    /// Guards these ports, unless the settings guard all.
    ///
    /// # Panics
    /// When the map cannot be written.
    pub fn set_ports(&mut self, ports: &PortSet) {
        self.ports.set(0, ports, 0).expect("write PORTS");
    }

    /// Puts a source into the table, or replaces its entry.
    ///
    /// # Panics
    /// When the map cannot be written.
    pub fn set_source(&mut self, key: SourceKey, state: SourceState) {
        self.sources.insert(key, state, 0).expect("write SOURCES");
        self.forget_held();
    }

    /// Removes a source, if it is in the table.
    pub fn remove_source(&mut self, key: SourceKey) {
        // A missing source need not be removed.
        let _ = self.sources.remove(&key);
        self.forget_held();
    }

    /// Empties the hold cache: a change by a test takes effect with its next packet.
    fn forget_held(&mut self) {
        let cpus = aya::util::nr_cpus().expect("count the CPUs");
        let empty = PerCpuValues::try_from(vec![HoldCache::default(); cpus]).expect("a value for each CPU");
        self.held.set(0, empty, 0).expect("write HOLD_CACHE");
    }

    /// Returns the state of a source.
    ///
    /// # Panics
    /// When the map cannot be read.
    pub fn source(&self, key: SourceKey) -> Option<SourceState> {
        match self.sources.get(&key, 0) {
            Ok(state) => Some(SourceState { dropped: state.dropped + self.uncounted(key), ..state }),
            Err(aya::maps::MapError::KeyNotFound) => None,
            Err(error) => panic!("read SOURCES: {error}"),
        }
    }

    /// Returns the dropped SYNs of a source that are not in its entry yet.
    ///
    /// # Panics
    /// When the map cannot be read.
    pub fn uncounted(&self, key: SourceKey) -> u64 {
        let per_cpu = self.held.get(&0, 0).expect("read HOLD_CACHE");
        let slots = per_cpu.iter().flat_map(|held| &held.slots);
        slots.filter(|slot| slot.source == key).map(|slot| slot.pending).sum()
    }

    /// Lists every source in the table. Only while no packet is run.
    ///
    /// # Panics
    /// When the map cannot be read.
    pub fn sources(&self) -> Vec<(SourceKey, SourceState)> {
        let read = |key| self.source(key).map(|state| (key, state));
        self.sources.keys().filter_map(|key| read(key.expect("read SOURCES"))).collect()
    }

    /// Reads the counters by [`index`](synguard_common::reason::Reason::index), summed over the CPUs.
    ///
    /// # Panics
    /// When the map cannot be read.
    pub fn counters(&self) -> [Counter; REASONS] {
        std::array::from_fn(|index| {
            let per_cpu = self.counters.get(&(index as u32), 0).expect("read COUNTERS");
            per_cpu.iter().fold(Counter::default(), |sum, cpu| Counter {
                packets: sum.packets + cpu.packets,
                bytes: sum.bytes + cpu.bytes,
            })
        })
    }

    /// Returns each CPU's state besides the counters.
    ///
    /// # Panics
    /// When the map cannot be read.
    pub fn cpu_states(&self) -> Vec<CpuState> {
        self.cpu_state.get(&0, 0).expect("read CPU_STATE").to_vec()
    }

    /// Puts every CPU under pressure until then, as a flood of new sources does. Only while no packet is run.
    ///
    /// # Panics
    /// When the map cannot be read or written.
    pub fn set_pressure(&mut self, until_ns: u64) {
        let mut cpus = self.cpu_states();
        for cpu in &mut cpus {
            cpu.sources.pressure_until_ns = until_ns;
        }
        let cpus = PerCpuValues::try_from(cpus).expect("a value for each CPU");
        self.cpu_state.set(0, cpus, 0).expect("write CPU_STATE");
    }

    /// Runs the program on a packet of at least [`PACKET_MIN`] bytes. Not while other threads run packets through the same
    /// filter: their counts would be added to this one's.
    ///
    /// # Panics
    /// When the kernel does not run it.
    pub fn run(&self, packet: &[u8]) -> Outcome {
        self.run_repeat(packet, 1)
    }

    /// Runs the program `repeat` times; the action is that of the last time.
    ///
    /// # Panics
    /// As [`Filter::run`].
    pub fn run_repeat(&self, packet: &[u8], repeat: u32) -> Outcome {
        let before = self.counters();
        let action = self.run_uncounted(packet, repeat);
        let after = self.counters();
        let delta = std::array::from_fn(|index| Counter {
            packets: after[index].packets - before[index].packets,
            bytes: after[index].bytes - before[index].bytes,
        });
        Outcome { action, delta }
    }

    /// Runs the program without reading the counters: from several threads at once, or when speed matters.
    ///
    /// # Panics
    /// As [`Filter::run`].
    pub fn run_uncounted(&self, packet: &[u8], repeat: u32) -> u32 {
        assert!(packet.len() >= PACKET_MIN, "BPF_PROG_TEST_RUN takes {PACKET_MIN} bytes or more");
        let options = TestRunOptions { data_in: Some(packet), repeat, ..TestRunOptions::new() };
        self.xdp().test_run(options).expect("run the program").return_value
    }

    /// Reads the events that the program has emitted since the last call.
    ///
    /// # Panics
    /// When a record is not a [`DatapathEvent`].
    pub fn events(&self) -> Vec<DatapathEvent> {
        let mut ring = self.events.lock().expect("no thread panicked while it read events");
        let mut events = Vec::new();
        while let Some(item) = ring.next() {
            assert_eq!(item.len(), size_of::<DatapathEvent>(), "a record in EVENTS is no event");
            // SAFETY: as many bytes as an DatapathEvent has, every bit pattern is one, and the read does not assume
            // alignment.
            events.push(unsafe { item.as_ptr().cast::<DatapathEvent>().read_unaligned() });
        }
        events
    }
}

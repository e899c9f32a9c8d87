//! `synguard why` against the program: for a thousand random states of the maps, what it says of a SYN is what the
//! program does with that SYN.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests are tests too")]
#![allow(clippy::print_stdout, reason = "what was compared is for people to read")]

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr, TcpListener},
    path::PathBuf,
};

use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray, PerCpuValues};
use synguard_common::{
    abi::{Config, CpuState, FLAG_ALL_PORTS, FLAG_MONITOR, PortSet},
    addr::{Addr, HashSeed},
    admission::Admission,
    count_min::{self, CountMinSketch},
    gcra::RateLimit,
    hash,
    hold_cache::{self, HoldCache, HoldSlot},
    ip_list::{List, ListEntry, Prefix, SCOPE_ALL, SCOPE_SYN},
    map_names,
    reason::Reason,
    source::{SourceKey, SourceState},
    syn_cookie::{
        config::{SYN_COOKIE_ON, SYN_COOKIE_OPTIONS, SYN_COOKIE_REQUIRE_RETRANSMIT, SynCookieConfig},
        prefix_limit::{self, PrefixRateSketch},
        validated_sources,
    },
};
use synguard_datapath::{Datapath, PrefixEntry};
use synguard_model::{
    inspection::{Inspection, prefix_key, source_key},
    source::key_of,
};
use synguard_policy::explain;
use synguard_tests::{
    bpffs::Dirs,
    command::pin_to_cpu,
    fuzz::{Random, seed},
    netns::Netns,
    packet::Packet,
    testrun::{Filter, config, cookie_config, now_ns, ticked_ns},
};

const STATES: usize = 1000;
const SECOND: u64 = 1_000_000_000;
const PORT: u16 = 443;

/// The filter, and its maps for writing.
struct Maps {
    filter: Filter,
    pins: PathBuf,
    cpus: PerCpuArray<MapData, CpuState>,
    held: PerCpuArray<MapData, HoldCache>,
    prefixes: HashMap<MapData, SourceKey, SourceState>,
    proven: Array<MapData, u32>,
    answer_sketch: PerCpuArray<MapData, PrefixRateSketch>,
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
    fn load() -> Self {
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
            proven: Array::try_from(Map::Array(open(map_names::VALIDATED_SOURCES))).unwrap(),
            answer_sketch: PerCpuArray::try_from(per_cpu(map_names::COOKIE_PREFIX_SKETCH)).unwrap(),
            sketches: [array(map_names::SOURCE_SKETCH), array(map_names::PREFIX_SKETCH)],
            listed: Default::default(),
            pins,
            filter,
            _dirs: dirs,
        };
        maps.datapath().lists().unwrap().set_capacity(1000).unwrap();
        maps
    }

    fn datapath(&self) -> Datapath {
        Datapath::open(&self.pins).unwrap().expect("it is pinned")
    }

    /// Puts a state into the maps.
    fn set(&mut self, state: &State) {
        let State { config, ports, lists, source, network, .. } = state;
        self.filter.set_config(*config);
        self.filter.set_ports(ports);
        let datapath = self.datapath();
        let mut maps = datapath.lists().unwrap();
        for ((list, items), before) in List::ALL.into_iter().zip(lists).zip(&mut self.listed) {
            // Not swapped whole: that writes megabytes.
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
        if let Some(network) = network {
            self.prefixes.insert(prefix_key, network, 0).unwrap();
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
        self.set_answers(state, key, prefix_key);
        // Last, because what is of this tick will not be so for long.
        self.set_held(state, key);
    }

    fn set_answers(&mut self, state: &State, key: SourceKey, prefix_key: SourceKey) {
        let hash = hash::address(key.address, state.config.hash_seed);
        let cell = match state.proven_until_ns {
            0 => 0,
            until_ns => validated_sources::cell(hash, until_ns),
        };
        self.proven.set(validated_sources::index(hash), cell, 0).unwrap();
        let hash = hash::address(prefix_key.address, state.config.hash_seed);
        let mut sketch = PrefixRateSketch { tats: [[0; prefix_limit::WIDTH]; prefix_limit::ROWS] };
        for (row, tat) in state.prefix_tats.into_iter().enumerate() {
            sketch.tats[row][prefix_limit::index(hash, row)] = tat;
        }
        let sketches = vec![sketch; aya::util::nr_cpus().unwrap()];
        self.answer_sketch.set(0, PerCpuValues::try_from(sketches).unwrap(), 0).unwrap();
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

/// Contents of the maps when a SYN arrives.
#[derive(Clone, Debug)]
struct State {
    address: Addr,
    frame: Vec<u8>,
    config: Config,
    ports: PortSet,
    lists: [Vec<PrefixEntry>; 2],
    source: Option<SourceState>,
    network: Option<SourceState>,
    cells: [[u16; 2]; 2],
    cpu: CpuState,
    /// Nanoseconds since a CPU last found the source in hold, and the SYNs that it dropped since without counting
    /// them.
    held: Option<(u64, u64)>,
    cookies: SynCookieConfig,
    proven_until_ns: u64,
    prefix_tats: [u32; prefix_limit::ROWS],
}

/// Random states in which every rule decides now and then. Times lie within seconds of now.
struct States(Random);

impl States {
    fn one_in(&mut self, n: usize) -> bool {
        self.0.below(n) == 0
    }

    /// A moment up to three seconds away from now, or 0.
    fn moment(&mut self) -> u64 {
        if self.one_in(5) { 0 } else { now_ns() - 3 * SECOND + self.0.word() % (6 * SECOND) }
    }

    fn state(&mut self) -> State {
        let (address, frame) = self.frame();
        let config = self.config();
        let now = now_ns();
        State {
            lists: std::array::from_fn(|_| self.list(address)),
            source: self.entry(),
            network: self.entry(),
            cells: std::array::from_fn(|_| {
                // At the marks, and far from them; one row may lie.
                let count = [0, 14, 15, 16, 40, 254, 255, 900][self.0.below(8)];
                let age = if self.one_in(2) { 0 } else { self.0.below(3) as u32 };
                let epoch = count_min::epoch(now) - age;
                [
                    count_min::cell(count, epoch),
                    count_min::cell(if self.one_in(4) { 0 } else { count }, epoch),
                ]
            }),
            cpu: CpuState {
                sources: self.admission(),
                prefixes: self.admission(),
                cookie_tat_ns: self.moment(),
                ..CpuState::default()
            },
            cookies: self.cookies(),
            proven_until_ns: if self.one_in(3) { self.moment() } else { 0 },
            prefix_tats: self.prefix_tats(),
            held: self.held(),
            ports: self.ports(),
            address,
            frame,
            config,
        }
    }

    fn frame(&mut self) -> (Addr, Vec<u8>) {
        let low = self.0.below(200) as u16;
        let (source, frame) = if self.one_in(3) {
            let source = format!("2001:db8:{low:x}:1::{low:x}");
            let frame = Packet::eth().ipv6(&source, "2001:db8:ffff::1").tcp(40_000, PORT).syn().build();
            (source, frame)
        } else {
            let source = format!("192.0.2.{low}");
            let frame = Packet::eth().ipv4(&source, "198.51.100.1").tcp(40_000, PORT).syn().build();
            (source, frame)
        };
        (key_of(source.parse::<IpAddr>().unwrap()).address, frame)
    }

    fn config(&mut self) -> Config {
        let burst = 1 + self.0.below(20) as u32;
        let limit = if self.one_in(20) {
            RateLimit { interval_ns: 0, tolerance_ns: 0 }
        } else {
            RateLimit::new(10, burst)
        };
        let prefix = if self.one_in(2) {
            RateLimit { interval_ns: 0, tolerance_ns: 0 }
        } else {
            RateLimit::new(10, burst)
        };
        Config {
            flags: if self.one_in(2) { FLAG_ALL_PORTS } else { 0 }
                | if self.one_in(10) { FLAG_MONITOR } else { 0 },
            syn_interval_ns: limit.interval_ns,
            syn_tolerance_ns: limit.tolerance_ns,
            prefix_interval_ns: prefix.interval_ns,
            prefix_tolerance_ns: prefix.tolerance_ns,
            hold_ns: [0, SECOND, 10 * SECOND][self.0.below(3)],
            disarm_at_ns: if self.one_in(10) { self.moment() } else { 0 },
            hash_seed: HashSeed([self.0.word(), self.0.word()]),
            ..config(10, burst)
        }
    }

    /// Mostly both rows say the same: a network is over its rate only where both do.
    fn prefix_tats(&mut self) -> [u32; prefix_limit::ROWS] {
        let mut tat = || (self.moment() >> prefix_limit::UNIT_SHIFT) as u32;
        let (first, second) = (tat(), tat());
        if self.one_in(4) { [first, second] } else { [first; prefix_limit::ROWS] }
    }

    fn cookies(&mut self) -> SynCookieConfig {
        if self.one_in(3) {
            return SynCookieConfig::default();
        }
        let limit = if self.one_in(2) {
            RateLimit { interval_ns: 0, tolerance_ns: 0 }
        } else {
            RateLimit::new(10, 10)
        };
        SynCookieConfig {
            flags: SYN_COOKIE_ON
                | if self.one_in(5) { SYN_COOKIE_REQUIRE_RETRANSMIT } else { 0 }
                | if self.one_in(2) { SYN_COOKIE_OPTIONS } else { 0 },
            prefix_rate: if self.one_in(3) { 0 } else { 10 },
            interval_ns: limit.interval_ns,
            tolerance_ns: limit.tolerance_ns,
            validated_ns: if self.one_in(4) { 0 } else { 90 * SECOND },
            lease_until_ns: if self.one_in(5) { self.moment() } else { u64::MAX },
            ..cookie_config()
        }
    }

    fn ports(&mut self) -> PortSet {
        let mut ports = PortSet::EMPTY;
        ports.insert(if self.one_in(4) { 80 } else { PORT });
        ports
    }

    /// Mostly nothing, and sometimes entries that cover the address, or its neighbours.
    fn list(&mut self, address: Addr) -> Vec<PrefixEntry> {
        let count = if self.one_in(3) { 1 + self.0.below(3) } else { 0 };
        (0..count)
            .map(|_| {
                let length = if address.is_v4() {
                    96 + [32, 24, 17, 8][self.0.below(4)]
                } else {
                    [128, 64, 48, 33][self.0.below(4)]
                };
                let mut key = Prefix::new(address, length);
                if self.one_in(4) {
                    // Another network altogether.
                    key.address = Prefix::new(key_of("203.0.113.9".parse().unwrap()).address, length).address;
                }
                let scope = if self.one_in(2) { SCOPE_ALL } else { SCOPE_SYN };
                (key, ListEntry { expires_at_ns: self.moment(), scope, ..ListEntry::default() })
            })
            .collect()
    }

    fn held(&mut self) -> Option<(u64, u64)> {
        let uncounted = [0, 1, 15, 300][self.0.below(4)];
        match self.0.below(6) {
            // In this tick, if it does not end before the SYN comes.
            0 => Some((0, uncounted)),
            1 | 2 => Some((self.0.word() % SECOND, uncounted)),
            _ => None,
        }
    }

    fn entry(&mut self) -> Option<SourceState> {
        (!self.one_in(3)).then(|| SourceState {
            tat_ns: self.moment(),
            hold_until_ns: if self.one_in(2) { 0 } else { self.moment() },
            ..SourceState::default()
        })
    }

    fn admission(&mut self) -> Admission {
        Admission {
            insert_tat_ns: self.moment(),
            promotion_tat_ns: self.moment(),
            pressure_until_ns: if self.one_in(2) { 0 } else { self.moment() },
            threshold_raised_until_ns: self.moment(),
            ..Admission::default()
        }
    }
}

fn reason(read: &Inspection, now_ns: u64) -> Reason {
    explain::decide(read, &read.cpus[0], Some(PORT), now_ns).reason
}

#[test]
fn explanation_and_program_agree() {
    let netns = Netns::new("why").unwrap();
    for address in ["198.51.100.1", "2001:db8:ffff::1 nodad"] {
        netns.ip(&format!("addr add dev lo {address}")).unwrap();
    }
    netns.set_sysctl("net.ipv4.tcp_syncookies", "2").unwrap();
    netns.run(compare).expect("they are compared");
}

/// In a namespace where somebody listens, since answers are given for listeners only.
fn compare() {
    pin_to_cpu(0).unwrap();
    let _listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)).unwrap();
    let mut maps = Maps::load();
    maps.filter.set_locals(&["198.51.100.1", "2001:db8:ffff::1"].map(|address| address.parse().unwrap()));
    let seed = seed();
    let mut states = States(Random::new(seed));
    let (mut compared, mut passed_over, mut repeats) = (BTreeMap::<&str, usize>::new(), 0, 0);
    for number in 0..STATES {
        let state = states.state();
        maps.set(&state);
        let read = maps.datapath().inspect(state.address).unwrap();
        let before = ticked_ns();
        let outcome = maps.filter.run(&state.frame);
        let after = ticked_ns();
        // The program's clock is one of the two, or in between. A moment that decides may lie there, too.
        let (expected, later) = (reason(&read, before), reason(&read, after));
        if expected != later {
            passed_over += 1;
            continue;
        }
        assert_eq!(
            outcome.reason(),
            Some(expected),
            "seed {seed}, state {number}: the program says {}\n{state:#?}\n{read:#?}",
            outcome.describe()
        );
        *compared.entry(expected.label()).or_default() += 1;
        repeats += usize::from(state.held.is_some_and(|(ago_ns, _)| ago_ns == 0) && before == after);
    }
    println!("{compared:?}, {repeats} found in hold in the same tick, {passed_over} too close to call");
    assert!(repeats > STATES / 50, "only {repeats} were found in hold in the same tick");
    assert!(passed_over <= STATES / 50, "{passed_over} states were passed over");
    // Every reason that a SYN can have was met.
    for reason in
        Reason::ALL.iter().filter(|reason| reason.is_guarded_syn() && !reason.label().starts_with("would"))
    {
        if [Reason::NoListener, Reason::CookieUnavailable, Reason::SynUnsupported].contains(reason) {
            continue;
        }
        assert!(compared.contains_key(reason.label()), "{} never occurred: {compared:?}", reason.label());
    }
    for label in ["allowed", "blocked", "unguarded_port", "would_hold", "would_blocked_syn"] {
        assert!(compared.contains_key(label), "{label} never occurred: {compared:?}");
    }
}

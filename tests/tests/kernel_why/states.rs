//! Random states of the maps.

use std::net::IpAddr;

use synguard_common::{
    abi::{Config, CpuState, FLAG_ALL_PORTS, FLAG_MONITOR, PortSet},
    addr::{Addr, HashSeed},
    admission::Admission,
    count_min,
    gcra::RateLimit,
    ip_list::{ListEntry, Prefix, SCOPE_ALL, SCOPE_SYN},
    source::SourceState,
    syn_cookie::{
        config::{SYN_COOKIE_ON, SYN_COOKIE_OPTIONS, SYN_COOKIE_REQUIRE_RETRANSMIT, SynCookieConfig},
        prefix_limit,
    },
};
use synguard_datapath::PrefixEntry;
use synguard_model::source::key_of;
use synguard_tests::{
    SECOND_NS,
    fuzz::Random,
    packet::Packet,
    testrun::{config, cookie_config, now_ns},
};

use crate::PORT;

/// Contents of the maps when a SYN arrives.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) address: Addr,
    pub(crate) frame: Vec<u8>,
    pub(crate) config: Config,
    pub(crate) ports: PortSet,
    pub(crate) lists: [Vec<PrefixEntry>; 2],
    pub(crate) source: Option<SourceState>,
    pub(crate) prefix: Option<SourceState>,
    pub(crate) cells: [[u16; 2]; 2],
    pub(crate) cpu: CpuState,
    /// Nanoseconds since a CPU last found the source in hold, and the SYNs that it dropped since without counting
    /// them.
    pub(crate) held: Option<(u64, u64)>,
    pub(crate) cookies: SynCookieConfig,
    pub(crate) validated_until_ns: u64,
    pub(crate) prefix_tats: [u32; prefix_limit::ROWS],
}

/// Random states in which every rule decides now and then. Times lie within seconds of now.
pub(crate) struct States(Random);

impl States {
    pub(crate) const fn new(random: Random) -> Self {
        Self(random)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.0.below(n) == 0
    }

    /// Returns a moment up to three seconds away from now, or 0.
    fn moment(&mut self) -> u64 {
        if self.one_in(5) { 0 } else { now_ns() - 3 * SECOND_NS + self.0.word() % (6 * SECOND_NS) }
    }

    pub(crate) fn state(&mut self) -> State {
        let (address, frame) = self.frame();
        let config = self.config();
        let now = now_ns();
        State {
            lists: std::array::from_fn(|_| self.list(address)),
            source: self.entry(),
            prefix: self.entry(),
            cells: std::array::from_fn(|_| {
                // At the thresholds, and far from them; one row may overestimate.
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
            validated_until_ns: if self.one_in(3) { self.moment() } else { 0 },
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
            hold_ns: [0, SECOND_NS, 10 * SECOND_NS][self.0.below(3)],
            disarm_at_ns: if self.one_in(10) { self.moment() } else { 0 },
            hash_seed: HashSeed([self.0.word(), self.0.word()]),
            ..config(10, burst)
        }
    }

    /// Returns mostly the same value in both rows: a prefix is over its rate only if both rows are.
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
            validated_ns: if self.one_in(4) { 0 } else { 90 * SECOND_NS },
            lease_until_ns: if self.one_in(5) { self.moment() } else { u64::MAX },
            ..cookie_config()
        }
    }

    fn ports(&mut self) -> PortSet {
        let mut ports = PortSet::EMPTY;
        ports.insert(if self.one_in(4) { 80 } else { PORT });
        ports
    }

    /// Returns mostly nothing, and sometimes entries that cover the address, or its neighbours.
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
                    // A prefix far from the address.
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
            // In this tick, unless it ends before the SYN comes.
            0 => Some((0, uncounted)),
            1 | 2 => Some((self.0.word() % SECOND_NS, uncounted)),
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

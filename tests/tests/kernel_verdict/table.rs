//! The table: rows of description, packet and set-up against the expected outcome.

use std::net::{IpAddr, Ipv6Addr};

use synguard_common::{
    abi::{Config, PortSet},
    reason::Reason,
    source::{SourceKey, SourceState},
};
use synguard_tests::{
    SECOND_NS,
    packet::Packet,
    testrun::{Filter, Outcome, config, earliest_reading_ns, now_ns},
};

/// The packets' source address.
pub(crate) const V4: &str = "192.0.2.1";
/// The server's address.
pub(crate) const V4_TO: &str = "198.51.100.1";
/// The address that packets come from; its /64 is the source.
pub(crate) const V6: &str = "2001:db8:1:2:3:4:5:6";
/// The server.
pub(crate) const V6_TO: &str = "2001:db8:ffff::1";
/// A port of the server's.
pub(crate) const PORT: u16 = 443;

/// The source that an address belongs to, IPv6 by its /64.
pub(crate) fn key(address: &str) -> SourceKey {
    match address.parse().unwrap() {
        IpAddr::V4(v4) => exact(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => exact(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
    }
}

/// The source that is exactly one address.
pub(crate) fn exact(address: Ipv6Addr) -> SourceKey {
    SourceKey { address: address.into() }
}

/// A set of ports.
pub(crate) fn ports(list: &[u16]) -> PortSet {
    let mut set = PortSet::EMPTY;
    for &port in list {
        set.insert(port);
    }
    set
}

/// Settings under which a source may send one SYN and then none for longer than any test takes.
pub(crate) fn strict() -> Config {
    Config { syn_interval_ns: 100 * SECOND_NS, syn_tolerance_ns: 0, hold_ns: 100 * SECOND_NS, ..config(1, 1) }
}

/// A source that has used its rate up under [`strict`].
pub(crate) fn over() -> SourceState {
    SourceState { tat_ns: now_ns() + 50 * SECOND_NS, ..idle() }
}

/// A source in hold under [`strict`], whose bucket is full: only the hold drops its SYNs.
pub(crate) fn held() -> SourceState {
    SourceState { hold_until_ns: now_ns() + 50 * SECOND_NS, ..idle() }
}

/// A source that was seen a while ago and may send again.
pub(crate) fn idle() -> SourceState {
    SourceState { passed: 7, dropped: 3, first_seen_ns: 1, last_seen_ns: 2, ..SourceState::default() }
}

/// Settings and state before the packet comes.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) ports: PortSet,
    pub(crate) sources: Vec<(SourceKey, SourceState)>,
}

impl Setup {
    /// These settings, no ports besides, an empty table of sources.
    pub(crate) fn new(config: Config) -> Self {
        Self { config, ports: PortSet::EMPTY, sources: Vec::new() }
    }

    /// Adds a known source.
    pub(crate) fn source(mut self, key: SourceKey, state: SourceState) -> Self {
        self.sources.push((key, state));
        self
    }

    /// Sets flags.
    pub(crate) fn flags(mut self, flags: u32) -> Self {
        self.config.flags |= flags;
        self
    }
}

/// A filter that rows are run through, and the rows that failed.
pub(crate) struct Table {
    filter: Filter,
    rows: u64,
    bytes: u64,
    failures: Vec<String>,
}

impl Table {
    /// Runs a table. Fails with all rows that failed, or if the counters do not sum to the packets.
    pub(crate) fn check(topic: &str, rows: impl FnOnce(&mut Self)) {
        let mut table = Self { filter: Filter::load(), rows: 0, bytes: 0, failures: Vec::new() };
        rows(&mut table);
        println!("{topic}: {} rows", table.rows);
        let failures = &table.failures;
        assert!(
            failures.is_empty(),
            "{} of {} rows failed:\n{}",
            failures.len(),
            table.rows,
            failures.join("\n")
        );
        let counters = table.filter.counters();
        assert_eq!(counters.iter().map(|counter| counter.packets).sum::<u64>(), table.rows);
        assert_eq!(counters.iter().map(|counter| counter.bytes).sum::<u64>(), table.bytes);
    }

    /// Runs a packet that must be counted under `reason` and nothing else. A guarded SYN must also be written to the
    /// entry of `source`, and to no other; other packets to none.
    pub(crate) fn row(
        &mut self,
        name: &str,
        setup: &Setup,
        packet: &Packet,
        source: SourceKey,
        reason: Reason,
    ) {
        self.frame(name, setup, &packet.build(), source, reason);
    }

    /// Runs a row with the bytes of the packet.
    pub(crate) fn frame(
        &mut self,
        name: &str,
        setup: &Setup,
        frame: &[u8],
        source: SourceKey,
        reason: Reason,
    ) {
        for (key, _) in self.filter.sources() {
            self.filter.remove_source(key);
        }
        for &(key, state) in &setup.sources {
            self.filter.set_source(key, state);
        }
        self.filter.set_ports(&setup.ports);
        self.filter.set_config(setup.config);
        let before = earliest_reading_ns();
        let outcome = self.filter.run(frame);
        self.rows += 1;
        self.bytes += frame.len() as u64;
        let expected = Outcome::of(reason, 1, frame.len());
        let mut wrong = Vec::new();
        if outcome != expected {
            wrong.push(format!("{}, not {}", outcome.describe(), expected.describe()));
        }
        wrong.extend(self.check_sources(setup, source, reason, before).err());
        if !wrong.is_empty() {
            self.failures.push(format!("  {name}: {}", wrong.join("; ")));
        }
    }

    /// A packet that is a SYN, or may hide one: it passes and is charged to its source if that is new, and is
    /// dropped if the source is over its limit or in hold.
    pub(crate) fn syn(&mut self, name: &str, packet: &Packet, source: SourceKey) {
        let setup = Setup::new(strict());
        let named = |what| format!("{name}, {what}");
        self.row(&named("new source"), &setup, packet, source, Reason::SynPassed);
        let over = setup.clone().source(source, over());
        self.row(&named("over its rate"), &over, packet, source, Reason::RateExceeded);
        let held = setup.source(source, held());
        self.row(&named("in hold"), &held, packet, source, Reason::Hold);
    }

    /// Runs a packet that passes in every state of its source, and leaves that state unchanged.
    pub(crate) fn harmless(&mut self, name: &str, packet: &Packet, reason: Reason) {
        assert!(!reason.is_guarded_syn() && !reason.is_drop());
        let setup = Setup::new(strict());
        self.row(&format!("{name}, new source"), &setup, packet, key(V4), reason);
        let held = setup.source(key(V4), held()).source(key(V6), held());
        self.row(&format!("{name}, in hold"), &held, packet, key(V4), reason);
    }

    fn check_sources(
        &self,
        setup: &Setup,
        source: SourceKey,
        reason: Reason,
        before: u64,
    ) -> Result<(), String> {
        let after = now_ns();
        let mut expected = setup.sources.clone();
        if reason.is_guarded_syn() && reason != Reason::Unconfigured {
            let Some(found) = self.filter.source(source) else {
                return Err(format!("no entry for the source; there are {:x?}", self.filter.sources()));
            };
            let seen = found.last_seen_ns;
            if !(before..=after).contains(&seen) {
                return Err(format!("last seen at {seen}, not in {before} to {after}"));
            }
            let state = match setup.sources.iter().position(|(key, _)| *key == source) {
                Some(at) => expected.swap_remove(at).1,
                None => SourceState { first_seen_ns: seen, ..SourceState::default() },
            };
            expected.push((source, charged(state, &setup.config, reason, seen)));
        }
        let mut found = self.filter.sources();
        found.sort_unstable_by_key(|(key, _)| *key);
        expected.sort_unstable_by_key(|(key, _)| *key);
        if found == expected { Ok(()) } else { Err(format!("sources {found:x?}, not {expected:x?}")) }
    }
}

/// Returns the source's entry after a SYN at `now`.
fn charged(state: SourceState, config: &Config, reason: Reason, now: u64) -> SourceState {
    let state = SourceState { last_seen_ns: now, ..state };
    match reason {
        Reason::SynPassed => SourceState {
            passed: state.passed + 1,
            tat_ns: if state.tat_ns > now { state.tat_ns } else { now } + config.syn_interval_ns,
            ..state
        },
        Reason::RateExceeded | Reason::WouldRateExceeded => {
            SourceState { dropped: state.dropped + 1, hold_until_ns: now + config.hold_ns, ..state }
        }
        _ => SourceState { dropped: state.dropped + 1, ..state },
    }
}

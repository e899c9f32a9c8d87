//! Admission in the kernel: without pressure counts are exact, a flood of new sources leaves the table alone, and
//! offenders still get an entry. Prefix limits and the distinct count, too.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests are tests too")]

use std::net::Ipv4Addr;

use aya::maps::{Array, Map, MapData};
use synguard_common::{
    abi::Config,
    addr::{Addr, HashSeed},
    admission::{Admission, INSERT_LIMIT, PROMOTION_THRESHOLD},
    count_min,
    gcra::{CLOCK_STEP_NS, RateLimit},
    hyperloglog::{HyperLogLog, window},
    map_names,
    reason::Reason,
    source::{SourceKey, SourceState},
};
use synguard_tests::{
    packet::Packet,
    pressure::{self, Pressure, SOURCE, forge},
    testrun::{Filter, config, now_ns, ticked_ns},
};

/// A SYN whose source can be changed in place: building one takes longer than running the program on it.
struct Syn(Vec<u8>);

impl Syn {
    fn new() -> Self {
        Self(Packet::eth().ipv4("192.0.2.1", "198.51.100.1").tcp(40_000, 80).syn().build())
    }

    fn from(&mut self, source: u32) -> &[u8] {
        self.0[SOURCE].copy_from_slice(&source.to_be_bytes());
        &self.0
    }
}

fn key(source: u32) -> SourceKey {
    SourceKey { address: Addr::from_v4(source.to_be()) }
}

/// Pins the test to one CPU: each has an admission state of its own.
fn pin() {
    // SAFETY: an all-zero set is a valid one, and both calls only use this set.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(0, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &raw const set), 0);
    }
}

fn admission(filter: &Filter) -> Admission {
    filter.cpu_states()[0].sources
}

fn filter(config: Config) -> Filter {
    pin();
    let mut filter = Filter::load_with_sources(map_names::SOURCES_DEFAULT);
    filter.set_config(Config { hash_seed: HashSeed([11, 22]), ..config });
    filter
}

/// Sends more new sources than are admitted freely.
fn build_pressure(filter: &mut Filter, syn: &mut Syn) -> Pressure {
    let pressure = pressure::flood_until_pressure(filter, &mut syn.0, 0x0b00_0000, 0);
    pressure.keep(filter);
    pressure
}

/// A source in hold for longer than any machine takes, and the setting that allows it.
const HOLD_NS: u64 = 1_000_000_000_000;

fn held() -> SourceState {
    let now = now_ns();
    SourceState { hold_until_ns: now + HOLD_NS - 1_000_000_000, tat_ns: now, ..SourceState::default() }
}

#[test]
fn every_source_is_counted_exactly_without_pressure() {
    // No bucket refills while the test runs.
    let (interval, burst) = (1_000_000_000_000, 3);
    let limit =
        Config { syn_interval_ns: interval, syn_tolerance_ns: interval * (burst - 1), ..config(1, 3) };
    let filter = filter(Config { hold_ns: interval, ..limit });
    let mut syn = Syn::new();
    for round in 0..5 {
        for source in 0x0a00_0000..0x0a00_0400 {
            let expected = match round {
                0..3 => Reason::SynPassed,
                3 => Reason::RateExceeded,
                _ => Reason::Hold,
            };
            assert_eq!(filter.run(syn.from(source)).reason(), Some(expected), "round {round}");
        }
    }
    let state = admission(&filter);
    assert_eq!((state.inserts, state.not_admitted, state.promotions), (0x400, 0, 0));
    assert!(filter.sources().iter().all(|(_, state)| (state.passed, state.dropped) == (3, 2)));
}

#[test]
fn a_flood_of_new_sources_leaves_the_table_alone() {
    let mut filter = filter(config(50, 100));
    let mut syn = Syn::new();
    let begun = now_ns();
    let pressure = build_pressure(&mut filter, &mut syn);
    let before = admission(&filter);
    let allowed = 20_000 + (now_ns() - begun) / INSERT_LIMIT.interval_ns;
    assert!(before.inserts <= allowed, "{} inserts, {allowed} allowed", before.inserts);
    // From here on no new source is admitted, however many come.
    for next in (0x0c00_0000..0x0c00_0000 + 50_000).step_by(1_000) {
        pressure.keep(&mut filter);
        forge(&filter, &mut syn.0, next..next + 1_000);
    }
    let after = admission(&filter);
    assert!(after.inserts - before.inserts <= 5, "{} more inserts", after.inserts - before.inserts);
    assert!(
        after.not_admitted - before.not_admitted >= 49_990,
        "{} skips",
        after.not_admitted - before.not_admitted
    );
    assert!(
        filter.sources().iter().all(|(_, state)| state.hold_until_ns == 0),
        "an innocent source is in hold"
    );
}

#[test]
fn offender_under_pressure_is_promoted_and_held() {
    let mut filter = filter(config(1, 3));
    let mut syn = Syn::new();
    let _ = build_pressure(&mut filter, &mut syn);
    let offender = 0x0d00_0001;
    // A slow machine needs more than one epoch for this, and each epoch halves the estimate.
    let reasons: Vec<_> = (0..8 * PROMOTION_THRESHOLD)
        .map(|_| filter.run(syn.from(offender)).reason())
        .scan(false, |held, reason| {
            (!std::mem::replace(held, reason == Some(Reason::Hold))).then_some(reason)
        })
        .collect();
    // Collisions may promote the offender a little earlier.
    assert!(reasons.iter().take(10).all(|&reason| reason == Some(Reason::Untracked)), "{reasons:?}");
    assert_eq!(reasons.last(), Some(&Some(Reason::Hold)), "{reasons:?}");
    let passed = filter.source(key(offender)).expect("an entry").passed;
    assert!((3..=6).contains(&passed), "{passed} passed, the burst is 3 and one more each second");
    assert!(admission(&filter).promotions >= 1);
}

#[test]
fn known_offender_stays_held_under_pressure() {
    let mut filter = filter(Config { hold_ns: HOLD_NS, ..config(50, 100) });
    let mut syn = Syn::new();
    let offender = 0x0d00_0002;
    filter.set_source(key(offender), held());
    let _ = build_pressure(&mut filter, &mut syn);
    // In one call, so that it is fast on every machine: each epoch halves an estimate.
    let outcome = filter.run_repeat(syn.from(offender), 1000);
    let passed = 1000 - outcome.delta[Reason::Hold.index() as usize].packets;
    // At most the first few SYNs after the pressure began pass.
    assert!(passed < u64::from(PROMOTION_THRESHOLD), "{passed} SYNs of a held source passed");
    assert!(filter.source(key(offender)).is_some(), "the flood evicted an offender");
}

/// Between two ticks a source in hold is dropped from the hold cache, and the sketch sees it only once a tick. Its
/// estimate must not fall to that of a source that sends so little, nor may a dropped SYN go uncounted.
#[test]
fn held_source_keeps_its_estimate_under_pressure() {
    const TICKS: u32 = 60;
    const SYNS: u32 = 30;
    let mut filter = filter(Config { hold_ns: HOLD_NS, ..config(50, 100) });
    let mut syn = Syn::new();
    let offender = 0x0d00_0003;
    filter.set_source(key(offender), held());
    let pressure = build_pressure(&mut filter, &mut syn);
    let (mut hold, mut tick, mut next) = (0, ticked_ns(), 0x0f00_0000);
    // Epochs without a SYN of the offender, in which the machine stood still: a silent source is forgotten.
    let (mut latest, mut stalls) = (count_min::epoch(tick), 0);
    for _ in 0..TICKS {
        let since = tick;
        // The ticks are so far apart that one SYN each stays below the promotion threshold.
        while ticked_ns() < since + 20_000_000 {
            std::hint::spin_loop();
        }
        tick = ticked_ns();
        hold += filter.run_repeat(syn.from(offender), SYNS).delta[Reason::Hold.index() as usize].packets;
        let epoch = count_min::epoch(ticked_ns());
        stalls += u64::from(epoch - latest > 1);
        latest = epoch;
        // New sources keep coming, however late this machine is, or the pressure would end. A machine too slow for
        // that number would fall further behind each time.
        let new_sources = match pressure {
            Pressure::Flood => ((tick - since) / (INSERT_LIMIT.interval_ns / 2)) as u32,
            Pressure::Forced => 100,
        };
        pressure.keep(&mut filter);
        forge(&filter, &mut syn.0, next..next + new_sources);
        next += new_sources;
    }
    let passed = u64::from(TICKS * SYNS) - hold;
    let unseen = u64::from(PROMOTION_THRESHOLD) * (1 + stalls);
    assert!(passed < unseen, "{passed} SYNs of a held source passed, {stalls} stalls");
    assert_eq!(filter.source(key(offender)).expect("an entry").dropped, hold);
    assert!(admission(&filter).is_under_pressure(now_ns()), "the pressure had ended");
}

#[test]
fn prefix_is_limited_as_a_whole() {
    let prefix = RateLimit::new(1, 20);
    let with_prefix = Config {
        prefix_interval_ns: prefix.interval_ns,
        prefix_tolerance_ns: prefix.tolerance_ns,
        prefix_rate: 1,
        ..config(50, 100)
    };
    let filter = filter(with_prefix);
    let mut syn = Syn::new();
    let prefix_start = u32::from(Ipv4Addr::new(203, 0, 113, 0));
    let began = now_ns();
    let reasons: Vec<_> = (0..200).map(|host| filter.run(syn.from(prefix_start + host)).reason()).collect();
    assert!(reasons[..20].iter().all(|&reason| reason == Some(Reason::SynPassed)), "{reasons:?}");
    // One more for each second that this machine took, and a tick of the clock at either end.
    let later = 2 + (now_ns() - began).div_ceil(1_000_000_000);
    let passed = reasons[20..].iter().filter(|&&reason| reason == Some(Reason::SynPassed)).count();
    assert!(passed as u64 <= later, "{passed} of at most {later}: {reasons:?}");
    let others = |reason| !matches!(reason, Some(Reason::SynPassed | Reason::PrefixExceeded));
    assert!(!reasons.iter().any(|&reason| others(reason)), "{reasons:?}");
    assert_eq!(filter.run(syn.from(prefix_start + 256)).reason(), Some(Reason::SynPassed));
    // IPv6: many /64 of one /48.
    let v6 = |subnet: u16, site: u16| {
        let source = format!("2001:db8:{site:x}:{subnet:x}::1");
        filter.run(&Packet::eth().ipv6(source, "2001:db8:ffff::1").tcp(40_000, 80).syn().build()).reason()
    };
    let reasons: Vec<_> = (0..100).map(|subnet| v6(subnet, 1)).collect();
    assert_eq!(reasons[0], Some(Reason::SynPassed));
    assert_eq!(reasons[99], Some(Reason::PrefixExceeded), "{reasons:?}");
    assert_eq!(v6(0, 2), Some(Reason::SynPassed));
}

#[test]
fn the_distinct_count_is_right_within_its_error() {
    let filter = filter(config(50, 100));
    let mut syn = Syn::new();
    for sources in [10u32, 1_000, 20_000] {
        let mut worst = f64::INFINITY;
        // All must fall into one window; on a slow machine that takes another try.
        for _ in 0..20 {
            let begun = window(now_ns());
            while window(now_ns()) == begun {
                std::hint::spin_loop();
            }
            // The program's clock lags behind by up to a tick.
            std::thread::sleep(std::time::Duration::from_nanos(2 * CLOCK_STEP_NS));
            let counted = window(now_ns());
            forge(&filter, &mut syn.0, 0x0e00_0000..0x0e00_0000 + sources);
            if window(now_ns()) == counted {
                worst = synguard_model::cardinality::estimate(&registers(&filter), counted)
                    / f64::from(sources)
                    - 1.0;
                break;
            }
        }
        assert!(worst.abs() <= 0.05, "{sources} sources: {:.1} % off", worst * 100.0);
    }
}

fn registers(filter: &Filter) -> Box<HyperLogLog> {
    let ids = filter.xdp().info().unwrap().map_ids().unwrap().expect("map ids");
    let id = ids.into_iter().find(|&id| {
        let info = aya::maps::MapInfo::from_id(id).unwrap();
        info.name_as_str() == Some(map_names::CARDINALITY)
    });
    let map = MapData::from_id(id.expect("CARDINALITY")).unwrap();
    let array: Array<MapData, HyperLogLog> = Array::try_from(Map::Array(map)).unwrap();
    Box::new(array.get(&0, 0).unwrap())
}

//! Reads of the table of sources while the program changes it: every method ends within its time budget, reports the
//! share it read, and misses no entry that was there all the time.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests are tests too")]

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use synguard_common::source::{SourceKey, SourceState};
use synguard_datapath::{Budget, Coverage, Datapath, ScanMethod};
use synguard_tests::{
    bpffs::Dirs,
    packet::Packet,
    testrun::{Filter, config},
};

const LONG: Duration = Duration::from_secs(20);

struct Table {
    filter: Filter,
    datapath: Datapath,
    _dirs: Dirs,
}

/// A filter with this many sources, consecutive from 10.0.0.0 on, in a table with room for `capacity`.
fn table(sources: u32, capacity: u32) -> Table {
    let mut filter = Filter::load_with_sources(capacity);
    filter.set_config(config(1000, 1000));
    for i in 0..sources {
        filter.set_source(key(i), SourceState { passed: u64::from(i), ..SourceState::default() });
    }
    let dirs = Dirs::new().unwrap();
    let pins = dirs.bpffs().join("pins");
    filter.pin(&pins);
    let datapath = Datapath::open(&pins).unwrap().expect("it is pinned");
    Table { filter, datapath, _dirs: dirs }
}

fn key(i: u32) -> SourceKey {
    SourceKey { address: synguard_common::addr::Addr::from_v4((0x0a00_0000 + i).to_be()) }
}

fn read(datapath: &Datapath, time: Duration, method: ScanMethod) -> (HashMap<SourceKey, u64>, u64, Coverage) {
    let (mut seen, mut visits) = (HashMap::new(), 0);
    let coverage = datapath
        .for_each_source(Budget { time, method }, |key, state| {
            visits += 1;
            seen.insert(*key, state.passed);
        })
        .unwrap();
    (seen, visits, coverage)
}

#[test]
fn at_rest_both_ways_read_everything_once() {
    for sources in [0, 1, 3_000, 20_000] {
        let table = table(sources, 32_768);
        let (batched, visits, coverage) = read(&table.datapath, LONG, ScanMethod::Batched);
        assert_eq!((visits, coverage.entries, coverage.share), (sources.into(), sources.into(), 1.0));
        let (singly, visits, coverage) = read(&table.datapath, LONG, ScanMethod::OneByOne);
        assert_eq!((visits, coverage.entries, coverage.share), (sources.into(), sources.into(), 1.0));
        assert_eq!(batched, singly);
        assert!((0..sources).all(|i| batched[&key(i)] == u64::from(i)));
    }
}

#[test]
fn timeout_reads_a_part_and_reports_the_share() {
    let table = table(30_000, 32_768);
    let (_, visits, coverage) = read(&table.datapath, Duration::ZERO, ScanMethod::Batched);
    assert!((1..30_000).contains(&visits), "{visits}");
    let expected = visits as f64 / 30_000.0;
    assert!((coverage.share - expected).abs() < 0.05, "{coverage:?}, {expected:.2} expected");
    let (_, visits, coverage) = read(&table.datapath, Duration::ZERO, ScanMethod::OneByOne);
    assert!((1..30_000).contains(&visits), "{visits}");
    assert!(coverage.share < 0.05, "{coverage:?}");
}

/// While sources come so fast that they evict each other, a read ends, and reports no source twice.
#[test]
fn under_churn_every_way_ends() {
    let capacity = 4096;
    let table = table(100, capacity);
    let (filter, stop) = (&table.filter, &AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(move || churn(filter, stop));
        for method in [ScanMethod::Batched, ScanMethod::OneByOne] {
            for _ in 0..5 {
                let begun = Instant::now();
                let (seen, visits, coverage) = read(&table.datapath, LONG, method);
                assert!(begun.elapsed() < LONG, "{method:?} took {:?}", begun.elapsed());
                assert_eq!(visits, coverage.entries);
                assert!(visits <= u64::from(capacity), "{method:?}: {visits}");
                assert!((0.0..=1.0).contains(&coverage.share), "{coverage:?}");
                if method == ScanMethod::OneByOne {
                    assert_eq!(seen.len() as u64, visits, "{method:?}");
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// Sends SYNs from ever new sources; each CPU admits 20 000 at once, five times what the table holds.
fn churn(filter: &Filter, stop: &AtomicBool) {
    let mut frame = Packet::eth().ipv4("192.0.2.1", "198.51.100.1").tcp(40_000, 80).syn().build();
    let mut source = 0x0b00_0000u32;
    while !stop.load(Ordering::Relaxed) {
        source += 1;
        frame[26..30].copy_from_slice(&source.to_be_bytes());
        filter.run_uncounted(&frame, 1);
    }
}

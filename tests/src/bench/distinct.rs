//! The rows about the distinct count, live: sources take turns, so how many there were is known exactly.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use synguard_common::{
    abi::Config,
    addr::HashSeed,
    gcra::RateLimit,
    hyperloglog::{HyperLogLog, WINDOW_SHIFT, window},
};
use synguard_kernel::clock;
use synguard_model::cardinality::estimate;

use crate::{
    bench::{
        Bench,
        line::{Goal, Line},
        spread::Spread,
    },
    flood::{Flood, FloodSpec, SourceOrder},
    interrupt,
    lab::{DEVICE, Family, GATEWAY_MAC},
    testrun::{Filter, config},
};

const SIZES: [u32; 5] = [10, 1_000, 100_000, 1_000_000, 10_000_000];
/// Wait after the end of a window, for frames under way and the clock's steps.
const MARGIN: Duration = Duration::from_millis(20);
/// Limit on the windows whose registers are merged.
const WINDOWS_MAX: u32 = 40;

struct Count {
    error: f64,
    windows: u32,
}

/// IPv4.
pub(super) fn v4(bench: &Bench) -> Result<Vec<Line>> {
    rows(bench, "distinct-v4", Family::V4)
}

/// IPv6, each source with a /64 of its own.
pub(super) fn v6(bench: &Bench) -> Result<Vec<Line>> {
    rows(bench, "distinct-v6", Family::V6)
}

fn rows(bench: &Bench, row: &'static str, family: Family) -> Result<Vec<Line>> {
    let sizes = SIZES.into_iter().filter(|&size| size <= bench.pace.distinct_max);
    sizes.map(|size| one(bench, row, family, size)).collect()
}

fn one(bench: &Bench, row: &'static str, family: Family, sources: u32) -> Result<Line> {
    let mut counts = Vec::new();
    for seed in 1..=bench.pace.seeds {
        interrupt::check()?;
        counts.push(count(
            bench,
            family,
            sources,
            HashSeed([seed, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)]),
        )?);
    }
    let windows = counts.iter().map(|count| count.windows).max().unwrap_or(0);
    let how = if windows == 1 {
        "one window".to_owned()
    } else {
        format!("registers of {windows} windows merged: one is too short to send so many")
    };
    let version = if family == Family::V4 { 4 } else { 6 };
    Ok(Line {
        value: Spread::of(counts.iter().map(|count| count.error.abs() * 100.0)),
        goal: Some(Goal::at_most(3.0, 2.0)),
        notes: vec![how, format!("{} seeds; the standard error is 1.6 %", counts.len())],
        ..Line::new(row, format!("error of the distinct count, IPv{version}, {sources} sources"), "%")
    })
}

/// Floods until every source has sent, within whole windows, and estimates how many they were.
fn count(bench: &Bench, family: Family, sources: u32, seed: HashSeed) -> Result<Count> {
    let limit = RateLimit::new(1, 2);
    let mut filter = Filter::load();
    // Packets that the prefix limit drops go no further, so that more of the flood gets here.
    filter.set_config(Config {
        hash_seed: seed,
        prefix_interval_ns: limit.interval_ns,
        prefix_tolerance_ns: limit.tolerance_ns,
        ..config(1, 2)
    });
    filter.attach(&bench.lab.server, DEVICE);
    let spec = FloodSpec {
        rate_pps: None,
        max_duration: Duration::from_secs(60),
        sources,
        order: SourceOrder::InTurn,
        destination_mac: GATEWAY_MAC,
        ..FloodSpec::new(family)
    };
    let flood = Flood::start(&bench.lab, spec)?;
    // The window that has begun is not whole.
    sleep_to_window(window(clock::now_ns()).wrapping_add(1));
    let packets = |filter: &Filter| filter.counters().iter().map(|counter| counter.packets).sum::<u64>();
    let before = packets(&filter);
    let mut merged = Box::new(HyperLogLog::EMPTY);
    let first = window(clock::now_ns());
    let mut windows = 0;
    let start = Instant::now();
    // A little more, for the frames of both ends and those that the ring lost.
    while packets(&filter) - before < u64::from(sources) * 102 / 100 || windows == 0 {
        ensure!(windows < WINDOWS_MAX, "{sources} sources: not sent after {:?}", start.elapsed());
        interrupt::check()?;
        let current = first.wrapping_add(windows);
        sleep_to_window(current.wrapping_add(1));
        merged.merge(first, &filter.registers(), current);
        windows += 1;
    }
    flood.stop()?;
    Ok(Count { error: estimate(&merged, first) / f64::from(sources) - 1.0, windows })
}

/// Sleeps until a window has begun, and a little longer.
fn sleep_to_window(number: u32) {
    let begin_ns = u64::from(number) << WINDOW_SHIFT;
    let left = Duration::from_nanos(begin_ns.saturating_sub(clock::now_ns()));
    thread::sleep(left + MARGIN);
}

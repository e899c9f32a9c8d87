//! The row about reading the table of sources: in batches, as `top` does, against one by one.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, Map, MapData};
use synguard_common::{
    addr::Addr,
    map_names,
    source::{SourceKey, SourceState},
};
use synguard_datapath::{Budget, Datapath};

use crate::{
    bench::{
        Bench,
        line::{Goal, Line},
        rounds::Rounds,
    },
    bpffs::Dirs,
    interrupt,
    testrun::{Filter, config},
};

const ROW: &str = "dump";
/// Room in the table; an LRU map of that size keeps a million.
const CAPACITY: u32 = 1 << 20;
const SOURCES: u32 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A million sources, in batches and one by one.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let mut filter = Filter::load_with_sources(CAPACITY);
    filter.set_config(config(100, 200));
    for i in 0..SOURCES {
        let key = SourceKey { address: Addr::from_v4(i.to_be()) };
        filter.set_source(key, SourceState { passed: 1, ..SourceState::default() });
    }
    let dirs = Dirs::new()?;
    let pins = dirs.bpffs().join("pins");
    filter.pin(&pins);
    let datapath = Datapath::open(&pins)?.context("the maps just pinned are not there")?;
    let map = MapData::from_pin(pins.join(map_names::SOURCES)).context("open SOURCES")?;
    let map = HashMap::try_from(Map::LruHashMap(map)).context("open SOURCES")?;
    let mut rounds = Rounds::new(bench.pace.rounds);
    let mut entries = 0;
    while rounds.wants_more() {
        interrupt::check()?;
        let before = batched(&datapath)?;
        let singly = singly(&map)?;
        let after = batched(&datapath)?;
        (entries, _) = after;
        let (before, after) = (before.1, after.1);
        // There is no floor here; the batches around it vary instead.
        rounds.push((before / after - 1.0).abs(), f64::midpoint(before, after), singly);
    }
    let result = rounds.finish()?;
    let mut notes = result.notes;
    notes.push(format!("{entries} sources in a table of {CAPACITY}"));
    Ok(vec![Line {
        value: Some(result.value),
        peer: Some(("one by one".to_owned(), result.peer)),
        ratio: Some(result.ratio),
        goal: Some(Goal::at_most(0.25, 0.1)),
        notes,
        ..Line::new(ROW, "a dump of 1 M sources for top", "ms")
    }])
}

/// Returns the number of sources, and the milliseconds that reading them as `top` does took.
fn batched(datapath: &Datapath) -> Result<(u64, f64)> {
    let begun = Instant::now();
    let mut passed = 0;
    let coverage = datapath.for_each_source(Budget::new(PATIENCE), |_, state| passed += state.passed)?;
    anyhow::ensure!(coverage.share == 1.0 && passed == coverage.entries, "not everything was read");
    Ok((coverage.entries, begun.elapsed().as_secs_f64() * 1e3))
}

/// Milliseconds that it takes from key to key.
fn singly(map: &HashMap<MapData, SourceKey, SourceState>) -> Result<f64> {
    let begun = Instant::now();
    let mut passed = 0;
    for entry in map {
        passed += entry.context("read SOURCES")?.1.passed;
    }
    anyhow::ensure!(passed > 0, "there are no sources");
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

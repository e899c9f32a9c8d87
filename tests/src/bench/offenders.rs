//! The row about few offenders among many forged sources.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
};

use anyhow::{Context as _, Result};
use aya::maps::MapInfo;
use synguard_common::{addr::HashSeed, map_names::SOURCES_DEFAULT};

use crate::{
    bench::{
        Bench, MIB,
        line::{Goal, Line},
        spread::Spread,
    },
    find_offenders::{self, DEADLINE, FORGED, OFFENDERS, OffenderSearch, Plan, RATE},
    interrupt,
    testrun::Filter,
};

const ROW: &str = "offenders";
/// SYNs a second of all together.
const FLOOD_PPS: u64 = 800_000;

/// 100 offenders among 1 M forged sources.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let mut searches = Vec::new();
    let mut memory = Memory::default();
    for round in 0..bench.pace.offender_runs {
        interrupt::check()?;
        let filter =
            find_offenders::filter(&bench.lab, HashSeed([u64::from(round) + 1, 0x9e37_79b9_7f4a_7c15]));
        memory = Memory::of(&filter)?;
        searches.push(find_offenders::run(
            &bench.lab,
            &filter,
            Plan { flood_pps: FLOOD_PPS, time: bench.pace.long_window },
        )?);
    }
    let spread = |figure: fn(&OffenderSearch) -> f64| Spread::of(searches.iter().map(figure));
    let excess = spread(|search| search.excess).context("nothing was measured")?;
    let forged = spread(|search| search.forged_pps).context("nothing was measured")?;
    let how = format!(
        "{OFFENDERS} offenders at {:.0} x the limit of {RATE}/s, {:.2} M forged SYN/s from {FORGED} sources, table of \
         {SOURCES_DEFAULT}, {} seeds",
        excess.median,
        forged.median / 1e6,
        searches.len()
    );
    // The worst of the runs counts, not the median.
    let worst = |spread: Option<Spread>, pick: fn(Spread) -> f64| {
        spread.map(|spread| Spread { median: pick(spread), ..spread })
    };
    Ok(vec![
        Line {
            value: worst(spread(OffenderSearch::recall), |spread| spread.min),
            goal: Some(Goal::at_least(0.99, 1.0)),
            notes: vec![how],
            ..Line::new(ROW, "offenders found within 5 s, worst run", "share")
        },
        Line {
            value: worst(spread(|search| search.innocent as f64), |spread| spread.max),
            goal: Some(Goal::at_most(0.0, 0.0).without_stretch()),
            ..Line::new(ROW, "innocent sources dropped, worst run", "sources")
        },
        Line {
            value: worst(spread(|search| search.slowest.as_secs_f64()), |spread| spread.max),
            goal: Some(Goal::at_most(DEADLINE.as_secs_f64(), 1.0)),
            ..Line::new(ROW, "until the last offender is in hold, worst run", "s")
        },
        Line {
            value: Some(Spread::single(memory.admission as f64 / MIB)),
            goal: Some(Goal::at_most(1.0, 1.0).without_stretch()),
            notes: vec![format!("all maps with the table: {:.1} MiB", memory.all as f64 / MIB)],
            ..Line::new(ROW, "memory of sketches and distinct count", "MiB")
        },
    ])
}

/// Bytes of kernel memory.
#[derive(Default)]
struct Memory {
    /// The maps in front of the tables: sketches and distinct count.
    admission: u64,
    /// Every map.
    all: u64,
}

impl Memory {
    fn of(filter: &Filter) -> Result<Self> {
        let ids = filter.xdp().info()?.map_ids()?.context("the kernel names no maps")?;
        let mut memory = Self::default();
        for id in ids {
            let map = MapInfo::from_id(id)?;
            let bytes = locked(&map)?;
            memory.all += bytes;
            // The kernel cuts names off after 15 bytes.
            if ["SOURCE_SKETCH", "PREFIX_SKETCH", "CARDINALITY"]
                .contains(&map.name_as_str().unwrap_or_default())
            {
                memory.admission += bytes;
            }
        }
        Ok(memory)
    }
}

/// Returns the bytes that the kernel charges for a map.
fn locked(map: &MapInfo) -> Result<u64> {
    let fd = map.fd()?;
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix("memlock:"));
    value.and_then(|value| value.trim().parse().ok()).with_context(|| format!("no memlock in {path}"))
}

//! The row about few offenders among many forged sources: are they caught, and nobody else?

use std::{
    collections::HashSet,
    fs,
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsFd as _, AsRawFd as _},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::maps::MapInfo;
use synguard_common::{
    abi::{Config, SourceKey},
    names::SOURCES_DEFAULT,
    prefix,
};

use crate::{
    bench::{
        Bench,
        line::{Goal, Line},
        spread::Spread,
    },
    flood::{Flood, FloodSpec, Offenders},
    interrupt,
    lab::{DEVICE, Family, GATEWAY_MAC},
    testrun::{Filter, config},
};

const ROW: &str = "offenders";
/// The limit, in SYNs a second of a source. A forged source sends about one.
const RATE: u32 = 5;
/// How many times the limit an offender sends.
const EXCESS: u32 = 100;
const OFFENDERS: u32 = 100;
const FORGED: u32 = 1_000_000;
const FIRST_OFFENDER: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
/// SYNs a second of all together.
const FLOOD_PPS: u64 = 800_000;
/// An offender that is found later is missed.
const DEADLINE: Duration = Duration::from_secs(5);
/// How often it is looked for offenders.
const POLL: Duration = Duration::from_millis(10);

struct Hunt {
    recall: f64,
    /// Sources other than the offenders of which a SYN was dropped.
    innocent: usize,
    slowest: Duration,
    excess: f64,
    forged_pps: f64,
}

/// 100 offenders among 1 M forged sources.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let mut hunts = Vec::new();
    let mut memory = Memory::default();
    for round in 0..bench.pace.hunts {
        interrupt::check()?;
        // Another seed: other sources collide.
        let seed = [u64::from(round) + 1, 0x9e37_79b9_7f4a_7c15];
        let mut filter = Filter::load_with_sources(SOURCES_DEFAULT);
        filter.set_config(Config { hash_seed: seed, ..config(RATE, 2 * RATE) });
        filter.attach(&bench.lab.server, DEVICE);
        memory = Memory::of(&filter)?;
        hunts.push(hunt(bench, &filter)?);
    }
    let spread = |figure: fn(&Hunt) -> f64| Spread::of(hunts.iter().map(figure));
    let excess = spread(|hunt| hunt.excess).context("nothing was measured")?;
    let forged = spread(|hunt| hunt.forged_pps).context("nothing was measured")?;
    let how = format!(
        "{OFFENDERS} offenders at {:.0} x the limit of {RATE}/s, {:.2} M forged SYN/s from {FORGED} sources, table of \
         {SOURCES_DEFAULT}, {} seeds",
        excess.median,
        forged.median / 1e6,
        hunts.len()
    );
    // The worst of the runs counts, not the median.
    let worst = |spread: Option<Spread>, pick: fn(Spread) -> f64| {
        spread.map(|spread| Spread { median: pick(spread), ..spread })
    };
    Ok(vec![
        Line {
            value: worst(spread(|hunt| hunt.recall), |spread| spread.min),
            goal: Some(Goal::at_least(0.99, 1.0)),
            notes: vec![how],
            ..Line::new(ROW, "offenders found within 5 s, worst run", "share")
        },
        Line {
            value: worst(spread(|hunt| hunt.innocent as f64), |spread| spread.max),
            goal: Some(Goal::at_most(0.0, 0.0).without_stretch()),
            ..Line::new(ROW, "innocent sources dropped, worst run", "sources")
        },
        Line {
            value: worst(spread(|hunt| hunt.slowest.as_secs_f64()), |spread| spread.max),
            goal: Some(Goal::at_most(DEADLINE.as_secs_f64(), 1.0)),
            ..Line::new(ROW, "until the last offender is in hold, worst run", "s")
        },
        Line {
            value: Some(Spread::single(memory.admission as f64 / 1048576.0)),
            goal: Some(Goal::at_most(1.0, 1.0).without_stretch()),
            notes: vec![format!("all maps with the table: {:.1} MiB", memory.all as f64 / 1048576.0)],
            ..Line::new(ROW, "memory of sketches and distinct count", "MiB")
        },
    ])
}

fn hunt(bench: &Bench, filter: &Filter) -> Result<Hunt> {
    let share = f64::from(OFFENDERS * EXCESS * RATE) / FLOOD_PPS as f64;
    let spec = FloodSpec {
        rate_pps: Some(FLOOD_PPS),
        max_duration: bench.pace.hunt,
        sources: FORGED,
        offenders: Some(Offenders { first: IpAddr::V4(FIRST_OFFENDER), count: OFFENDERS, share }),
        destination_mac: GATEWAY_MAC,
        ..FloodSpec::new(Family::V4)
    };
    let first = u32::from(FIRST_OFFENDER);
    let keys: Vec<SourceKey> = (0..OFFENDERS).map(|i| key(first + i)).collect();
    let flood = Flood::start(&bench.lab, spec)?;
    let start = Instant::now();
    let mut at_large: Vec<SourceKey> = keys.clone();
    let mut slowest = bench.pace.hunt;
    while !flood.is_finished() {
        interrupt::check()?;
        thread::sleep(POLL);
        at_large.retain(|&key| filter.source(key).is_none_or(|state| state.hold_until_ns == 0));
        if at_large.is_empty() {
            slowest = slowest.min(start.elapsed());
        }
        if start.elapsed() > DEADLINE {
            break;
        }
    }
    let missed = at_large.len();
    let totals = flood.wait()?;
    let offenders: HashSet<SourceKey> = keys.into_iter().collect();
    let dropped = filter.sources().into_iter().filter(|(_, state)| state.dropped > 0);
    let innocent = dropped.filter(|(key, _)| !offenders.contains(key)).count();
    Ok(Hunt {
        recall: 1.0 - missed as f64 / f64::from(OFFENDERS),
        innocent,
        slowest,
        excess: totals.rate() * share / f64::from(OFFENDERS * RATE),
        forged_pps: totals.rate() * (1.0 - share),
    })
}

fn key(address: u32) -> SourceKey {
    SourceKey { address: prefix::v4_mapped(address.to_be()) }
}

/// Bytes of kernel memory.
#[derive(Default)]
struct Memory {
    /// What stands in front of the tables.
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
            if ["SOURCE_SKETCH", "PREFIX_SKETCH", "DISTINCT"].contains(&map.name_as_str().unwrap_or_default())
            {
                memory.admission += bytes;
            }
        }
        Ok(memory)
    }
}

/// What the kernel charges for a map.
fn locked(map: &MapInfo) -> Result<u64> {
    let fd = map.fd()?;
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix("memlock:"));
    value.and_then(|value| value.trim().parse().ok()).with_context(|| format!("no memlock in {path}"))
}

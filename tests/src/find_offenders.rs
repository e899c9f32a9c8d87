//! A few offenders among many forged sources: the search measures whether they, and only they, are caught.
//!
//! The forged sources come first, until the program is under pressure: offenders that came with them would be caught
//! while every source still gets an entry.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use synguard_common::{
    abi::Config,
    addr::{Addr, HashSeed},
    map_names::SOURCES_DEFAULT,
    source::SourceKey,
};

use crate::{
    flood::{Flood, FloodSpec, Generator, Offenders, Totals},
    interrupt,
    lab::{DEVICE, Family, GATEWAY_MAC, Lab},
    testrun::{Filter, config, now_ns},
};

/// The limit, in SYNs a second for each source. A forged source sends about one, or less.
pub const RATE: u32 = 5;
/// Rate of an offender, as a multiple of the limit.
pub const EXCESS: u32 = 100;
/// Number of offenders.
pub const OFFENDERS: u32 = 100;
/// Number of forged sources.
pub const FORGED: u32 = 1_000_000;
/// Time limit: an offender that is found later counts as missed.
pub const DEADLINE: Duration = Duration::from_secs(5);

const FIRST_OFFENDER: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
/// Interval between two reads of the offenders' states.
const POLL: Duration = Duration::from_millis(10);
/// Limit on the time until the program is under pressure: forged sources that come faster than it admits them get
/// there long before.
const PRESSURE_MAX: Duration = Duration::from_secs(10);

/// Rate and length of the flood.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// SYNs a second of all sources together.
    pub flood_pps: u64,
    /// Length of the flood from the arrival of the offenders. Innocent sources are looked for at its end.
    pub time: Duration,
}

/// Outcome of a search for offenders.
#[derive(Clone, Copy, Debug)]
pub struct OffenderSearch {
    /// Offenders that were not in hold in time.
    pub missed: u32,
    /// Time at which the last offender was found in hold; the whole time if one was missed.
    pub slowest: Duration,
    /// Sources other than the offenders that were in hold, or had a SYN dropped.
    pub innocent: usize,
    /// Rate that an offender reached, as a multiple of its limit.
    pub excess: f64,
    /// Forged SYNs a second.
    pub forged_pps: f64,
}

impl OffenderSearch {
    /// Returns the share of the offenders that were found in time.
    pub fn recall(&self) -> f64 {
        1.0 - f64::from(self.missed) / f64::from(OFFENDERS)
    }
}

/// Attaches the program to the server's device, with the default table and the limit. Another seed makes other
/// sources collide.
pub fn filter(lab: &Lab, seed: HashSeed) -> Filter {
    let mut filter = Filter::load_with_sources(SOURCES_DEFAULT);
    filter.set_config(Config { hash_seed: seed, ..config(RATE, 2 * RATE) });
    filter.attach(&lab.server, DEVICE);
    filter
}

/// Floods, and watches until the offenders are in hold.
///
/// # Errors
/// When the kernel refuses the flood, the flood does not put the program under pressure, or the run is interrupted.
pub fn run(lab: &Lab, filter: &Filter, plan: Plan) -> Result<OffenderSearch> {
    let share = f64::from(OFFENDERS * EXCESS * RATE) / plan.flood_pps as f64;
    let forged = FloodSpec {
        rate_pps: Some(plan.flood_pps),
        max_duration: PRESSURE_MAX,
        sources: FORGED,
        destination_mac: GATEWAY_MAC,
        ..FloodSpec::new(Family::V4)
    };
    let mixed = FloodSpec {
        max_duration: plan.time,
        offenders: Some(Offenders { first: IpAddr::V4(FIRST_OFFENDER), count: OFFENDERS, share }),
        ..forged
    };
    // Made before the flood: that takes a while, and the pressure does not last.
    let generator = Arc::new(Generator::new(lab, &mixed)?);
    build_pressure(lab, filter, forged)?;
    let flood = Flood::start_with(lab, generator, mixed)?;
    let offenders: Vec<SourceKey> = (0..OFFENDERS).map(|i| key(u32::from(FIRST_OFFENDER) + i)).collect();
    let (missed, slowest) = watch(filter, &flood, &offenders, plan.time)?;
    let totals: Totals = flood.wait()?;
    let offenders: HashSet<SourceKey> = offenders.into_iter().collect();
    let dropped_or_held =
        filter.sources().into_iter().filter(|(_, state)| state.dropped > 0 || state.hold_until_ns > 0);
    Ok(OffenderSearch {
        missed,
        slowest,
        innocent: dropped_or_held.filter(|(key, _)| !offenders.contains(key)).count(),
        excess: totals.rate() * share / f64::from(OFFENDERS * RATE),
        forged_pps: totals.rate() * (1.0 - share),
    })
}

/// Sends forged sources alone, until no new one gets an entry.
fn build_pressure(lab: &Lab, filter: &Filter, forged: FloodSpec) -> Result<()> {
    let flood = Flood::start(lab, forged)?;
    while !filter.cpu_states().iter().any(|cpu| cpu.sources.is_under_pressure(now_ns())) {
        interrupt::check()?;
        if flood.is_finished() {
            bail!(
                "{:?} of forged sources put the program under no pressure: {:?}",
                PRESSURE_MAX,
                flood.wait()?
            );
        }
        thread::sleep(POLL);
    }
    flood.stop().map(drop)
}

/// Returns the number of offenders that were not in hold in time, and the time at which the last one was.
fn watch(filter: &Filter, flood: &Flood, offenders: &[SourceKey], time: Duration) -> Result<(u32, Duration)> {
    let start = Instant::now();
    let mut remaining = offenders.to_vec();
    while !flood.is_finished() && start.elapsed() <= DEADLINE {
        interrupt::check()?;
        thread::sleep(POLL);
        remaining.retain(|&key| filter.source(key).is_none_or(|state| state.hold_until_ns == 0));
        if remaining.is_empty() {
            return Ok((0, start.elapsed()));
        }
    }
    Ok((remaining.len() as u32, time))
}

fn key(address: u32) -> SourceKey {
    SourceKey { address: Addr::from_v4(address.to_be()) }
}

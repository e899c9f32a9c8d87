//! Measuring programs under a live flood.
//!
//! A round measures the floor – an empty program that does the same with the packet – then each case, then the
//! floor again. Every sample loads its program anew. A round in which the floor moved is measured again.

use std::{sync::Arc, thread, time::Instant};

use anyhow::{Context as _, Result, ensure};
use aya::sys::{Stats, enable_stats};

use crate::{
    bench::{
        Bench,
        path::Path,
        rounds::{Comparison, Rounds},
        spread::Spread,
        subject::{Running, Subject},
    },
    flood::{Flood, FloodSpec, Generator},
    interrupt,
    xdp::Program,
};

/// Limit on the share of a flood that may be lost in the device's ring.
pub(super) const LOSS_MAX: f64 = 0.02;

/// A subject under a flood.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The name in reports.
    pub(super) name: String,
    /// The program to measure.
    pub(super) subject: Subject,
    /// The flood to measure it under.
    pub(super) flood: FloodSpec,
    /// The empty program with the same verdict.
    pub(super) floor: Program,
    /// The path that the packets must have taken.
    pub(super) path: Path,
}

/// The figures of one sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Mean nanoseconds a run; NaN without run statistics.
    pub(super) ns: f64,
    /// Frames offered a second.
    pub(super) pps: f64,
}

/// Measures a case once: with run statistics the time of a run, and the rate.
///
/// # Errors
/// When it cannot be attached, frames were lost before it, or they took another path than the case claims.
pub(super) fn sample(bench: &Bench, case: &Case, generator: &Arc<Generator>, stats: bool) -> Result<Sample> {
    interrupt::check()?;
    let lab = &bench.lab;
    let running = Running::start(lab, case.subject).with_context(|| case.name.clone())?;
    let losses = lab.ring_losses()?;
    let flood = Flood::start_with(lab, Arc::clone(generator), case.flood.clone())?;
    thread::sleep(bench.pace.warm_up);
    // Statistics are off again when this is dropped; they slow other programs of the machine only for that time.
    let statistics =
        stats.then(|| enable_stats(Stats::RunTime)).transpose().context("enable run statistics")?;
    let (counters, runs, offered, start) =
        (running.counters(), running.runs()?, flood.offered()?, Instant::now());
    thread::sleep(bench.pace.window);
    let (offered_after, seconds) = (flood.offered()?, start.elapsed().as_secs_f64());
    let (runs_after, counters_after) = (running.runs()?, running.counters());
    drop(statistics);
    let totals = flood.stop()?;
    let lost = (lab.ring_losses()? - losses) as f64 / totals.offered.max(1) as f64;
    ensure!(lost <= LOSS_MAX, "{}: {:.1} % of the flood were lost", case.name, lost * 100.0);
    case.path.check(&(counters_after - counters), &running, seconds).with_context(|| case.name.clone())?;
    let run_count = runs_after.0 - runs.0;
    ensure!(!stats || run_count > 0, "{}: the program never ran", case.name);
    Ok(Sample {
        ns: (runs_after.1 - runs.1) / run_count as f64,
        pps: (offered_after - offered) as f64 / seconds,
    })
}

/// Net nanoseconds a run of two cases, and their ratio.
///
/// # Errors
/// When a case cannot be measured.
pub(super) fn compare(bench: &Bench, a: &Case, b: &Case) -> Result<Comparison> {
    let cases = [a, b];
    let generators = [generator(bench, a)?, generator(bench, b)?];
    let floors = || -> Result<[f64; 2]> {
        let measure =
            |i: usize| -> Result<f64> { Ok(sample(bench, &floor_of(cases[i]), &generators[i], true)?.ns) };
        let first = measure(0)?;
        let second = if a.floor == b.floor { first } else { measure(1)? };
        Ok([first, second])
    };
    let mut rounds = Rounds::new(bench.pace.rounds);
    let mut before = floors()?;
    let mut all_floors = vec![before[0]];
    while rounds.wants_more() {
        let ns = [0, 1].map(|i| sample(bench, cases[i], &generators[i], true));
        let after = floors()?;
        all_floors.push(after[0]);
        let moved = (0..2).map(|i| (after[i] / before[i] - 1.0).abs()).fold(0.0, f64::max);
        match ns {
            [Ok(first), Ok(second)] => {
                let net = |i: usize, ns: f64| ns - f64::midpoint(before[i], after[i]);
                rounds.push(moved, net(0, first.ns), net(1, second.ns));
            }
            [first, second] => rounds.fail(first.and(second))?,
        }
        before = after;
    }
    let floor = Spread::of(all_floors).context("no floor")?;
    let mut comparison = rounds.finish()?;
    comparison.notes.insert(0, format!("floor {:.1} ns ({:.1}-{:.1})", floor.median, floor.min, floor.max));
    Ok(comparison)
}

/// Frames a second of a case, without run statistics, and of its floor; the ratio is the first by the second.
///
/// # Errors
/// When a case cannot be measured.
pub(super) fn compare_rates(bench: &Bench, case: &Case, floor: &Case) -> Result<Comparison> {
    let generator = generator(bench, case)?;
    let mut rounds = Rounds::new(bench.pace.rounds);
    let mut before = sample(bench, floor, &generator, false)?.pps;
    while rounds.wants_more() {
        let measured = sample(bench, case, &generator, false);
        let after = sample(bench, floor, &generator, false)?.pps;
        match measured {
            Ok(measured) => {
                rounds.push((after / before - 1.0).abs(), measured.pps, f64::midpoint(before, after));
            }
            failed => rounds.fail(failed)?,
        }
        before = after;
    }
    rounds.finish()
}

/// A case's floor, under the same flood.
pub(super) fn floor_of(case: &Case) -> Case {
    Case {
        name: format!("floor of {}", case.name),
        subject: Subject::Lab(case.floor),
        path: Path::Any,
        ..case.clone()
    }
}

/// Makes the generator of a case's flood.
///
/// # Errors
/// When the kernel refuses it.
pub(super) fn generator(bench: &Bench, case: &Case) -> Result<Arc<Generator>> {
    Ok(Arc::new(Generator::new(&bench.lab, &case.flood)?))
}

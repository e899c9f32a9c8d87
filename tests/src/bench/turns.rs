//! Compares the cost of programs under live floods, by turns.
//!
//! The other work of a machine changes from one tenth of a second to the next, and with it the cost of everything. So each
//! case and its floor – an empty program with the same verdict – take turns on one link, a few dozen milliseconds each,
//! and the median of the differences counts.

use std::{sync::Arc, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use aya::sys::{Stats, enable_stats};

use crate::{
    bench::{
        Bench,
        counters::Counters,
        live::{Case, LOSS_MAX, generator},
        rounds::{Comparison, Rounds},
        spread::{Spread, drift, median},
        subject::Running,
        xdp_link::XdpLink,
    },
    flood::{Flood, Generator},
    interrupt,
    lab::Lab,
    xdp::Loaded,
};

/// Time for which a program has the link before it is measured: the caches hold another program's data, and a sketch
/// has to fill again.
const SETTLE: Duration = Duration::from_millis(60);
/// Length of a measurement.
const SLICE: Duration = Duration::from_millis(50);

/// Net nanoseconds a run of two cases, and their ratio.
///
/// # Errors
/// When a case cannot be measured.
pub(super) fn compare(bench: &Bench, a: &Case, b: &Case) -> Result<Comparison> {
    let cases = [(a, generator(bench, a)?), (b, generator(bench, b)?)];
    let mut rounds = Rounds::new(bench.pace.rounds);
    let mut floors = Vec::new();
    while rounds.wants_more() {
        match round(bench, &cases) {
            Ok([first, second]) => {
                floors.push(first.floor);
                rounds.push(first.moved.max(second.moved), first.net, second.net);
            }
            failed => rounds.fail(failed)?,
        }
    }
    let mut comparison = rounds.finish()?;
    let floor = Spread::of(floors).context("no floor")?;
    let turns = bench.pace.turns;
    comparison.notes.insert(
        0,
        format!("{turns} turns a round; floor {:.1} ns ({:.1}-{:.1})", floor.median, floor.min, floor.max),
    );
    Ok(comparison)
}

/// Figures of a case in a round, in nanoseconds a run.
struct Figures {
    /// The empty program.
    floor: f64,
    /// The share by which that moved from one half of the round to the other.
    moved: f64,
    /// The case less the empty program.
    net: f64,
}

fn round(bench: &Bench, cases: &[(&Case, Arc<Generator>); 2]) -> Result<[Figures; 2]> {
    let lab = &bench.lab;
    let mut sides =
        [Side::new(cases[0].0, Arc::clone(&cases[0].1))?, Side::new(cases[1].0, Arc::clone(&cases[1].1))?];
    let link = XdpLink::new(lab, sides[0].floor.xdp()?.fd()?)?;
    for side in &sides {
        link.replace(side.program.fd()?)?;
        let flood = side.flood(lab)?;
        thread::sleep(bench.pace.warm_up);
        side.stop(flood, lab)?;
    }
    // Statistics are off again when this is dropped; they slow other programs of the machine only for that time.
    let statistics = enable_stats(Stats::RunTime).context("enable run statistics")?;
    for _ in 0..bench.pace.turns {
        for side in &mut sides {
            side.turn(lab, &link).with_context(|| side.case.name.clone())?;
        }
    }
    drop(statistics);
    let [first, second] = sides;
    Ok([first.figures()?, second.figures()?])
}

/// A case in a round.
struct Side<'a> {
    case: &'a Case,
    generator: Arc<Generator>,
    floor: Loaded,
    program: Running,
    /// The program's counters during its measurements.
    counted: Counters,
    seconds: f64,
    /// Nanoseconds a run: the floor's, and the program's right after it.
    turns: Vec<(f64, f64)>,
}

impl<'a> Side<'a> {
    fn new(case: &'a Case, generator: Arc<Generator>) -> Result<Self> {
        let program = Running::load(case.subject).with_context(|| case.name.clone())?;
        let floor = Loaded::new(case.floor)?;
        Ok(Self { case, generator, floor, program, counted: Counters::NONE, seconds: 0.0, turns: Vec::new() })
    }

    fn flood(&self, lab: &Lab) -> Result<(Flood, u64)> {
        let losses = lab.ring_losses()?;
        Ok((Flood::start_with(lab, Arc::clone(&self.generator), self.case.flood.clone())?, losses))
    }

    /// # Errors
    /// When frames were lost before the program.
    fn stop(&self, (flood, losses): (Flood, u64), lab: &Lab) -> Result<()> {
        let totals = flood.stop()?;
        let lost = (lab.ring_losses()? - losses) as f64 / totals.offered.max(1) as f64;
        ensure!(lost <= LOSS_MAX, "{}: {:.1} % of the flood were lost", self.case.name, lost * 100.0);
        Ok(())
    }

    fn turn(&mut self, lab: &Lab, link: &XdpLink) -> Result<()> {
        interrupt::check()?;
        link.replace(self.floor.xdp()?.fd()?)?;
        let flood = self.flood(lab)?;
        thread::sleep(SETTLE);
        let floor = mean(|| {
            let info = self.floor.xdp()?.info()?;
            Ok((info.run_count(), info.run_time().as_nanos() as f64))
        })?;
        link.replace(self.program.fd()?)?;
        thread::sleep(SETTLE);
        let before = self.program.counters();
        let program = mean(|| self.program.runs())?;
        self.counted += self.program.counters() - before;
        self.seconds += SLICE.as_secs_f64();
        self.turns.push((floor, program));
        self.stop(flood, lab)
    }

    /// # Errors
    /// When the packets went another way than the case is about.
    fn figures(self) -> Result<Figures> {
        self.case
            .path
            .check(&self.counted, &self.program, self.seconds)
            .with_context(|| self.case.name.clone())?;
        let floors: Vec<f64> = self.turns.iter().map(|turn| turn.0).collect();
        let nets: Vec<f64> = self.turns.iter().map(|(floor, program)| program - floor).collect();
        Ok(Figures { floor: median(&floors)?, moved: drift(&floors)?, net: median(&nets)? })
    }
}

/// Mean nanoseconds a run in a slice of time.
fn mean(runs: impl Fn() -> Result<(u64, f64)>) -> Result<f64> {
    let (count, ns) = runs()?;
    thread::sleep(SLICE);
    let (count_after, ns_after) = runs()?;
    ensure!(count_after > count, "the program never ran");
    Ok((ns_after - ns) / (count_after - count) as f64)
}

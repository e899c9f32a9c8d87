//! The row about how large a flood has to be to halve what a server gets done, when the server's own work and that on
//! the flood share a CPU.

use std::{sync::Arc, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};

use crate::{
    bench::{
        Bench, answer,
        line::{Goal, Line},
        live::{Running, Subject},
        rounds::Rounds,
    },
    client::{self, ClientSpec},
    flood::{Flood, FloodSpec, Generator},
    interrupt,
    lab::{Family, Lab},
    web::Web,
    xdp::Program,
};

const ROW: &str = "answer-goodput";
/// Visits a second that are tried; about half of what the server gets done when it is calm.
const VISITS: u32 = 3_000;
/// A visit that takes longer is of no use to anybody.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Beyond what a CPU can send, in frames a second.
const RATE_MAX: f64 = 5e6;
/// The bounds are brought this close together, as a ratio.
const CLOSE: f64 = 1.08;

/// Share of the flood that must really have been sent.
const SENT_MIN: f64 = 0.9;

struct Side {
    name: &'static str,
    lab: Lab,
    _web: Web,
    _running: Running,
    generator: Arc<Generator>,
    flood: FloodSpec,
}

impl Side {
    fn new(name: &'static str, bench: &Bench, subject: Subject) -> Result<Self> {
        let lab = Lab::with_uplink(Program::Sink)?;
        lab.set_syncookies(2)?;
        // Beside the flood, which it has to share the CPU with; the visitors have the other.
        let web = Web::start_on(&lab, 1)?;
        let running = Running::start(&lab, subject)?;
        let flood = answer::flood(bench.pace.sample_max() + Duration::from_secs(30));
        let generator = Arc::new(Generator::new(&lab, &flood)?);
        Ok(Self { name, lab, _web: web, _running: running, generator, flood })
    }

    /// Visits that are served a second, under a flood of so many frames a second; none is zero.
    fn goodput(&self, bench: &Bench, rate: f64) -> Result<f64> {
        interrupt::check()?;
        let duration = bench.pace.hunt / 3;
        let spec = ClientSpec {
            rate: VISITS,
            timeout: TIMEOUT,
            visitors: 4096,
            ..ClientSpec::new(Family::V4, duration)
        };
        let start = |rate: u64| {
            let spec = FloodSpec { rate_pps: Some(rate), ..self.flood.clone() };
            Flood::start_with(&self.lab, Arc::clone(&self.generator), spec)
        };
        let flood = (rate > 0.0).then(|| start(rate as u64)).transpose()?;
        thread::sleep(bench.pace.warm_up / 2);
        let visits = client::run(&self.lab.client, &spec)?;
        if let Some(flood) = flood {
            // The generator has its share of the CPU too: one that is held up has not sent what the figure would say.
            let sent = flood.stop()?.rate();
            ensure!(sent >= SENT_MIN * rate, "{}: {sent:.0} frames a second sent, not {rate:.0}", self.name);
        }
        Ok(visits.served as f64 / duration.as_secs_f64())
    }

    /// The flood that halves the goodput: none smaller was found to, by halving the interval.
    fn halved(&self, bench: &Bench) -> Result<f64> {
        let calm = self.goodput(bench, 0.0)?;
        ensure!(calm >= 0.95 * f64::from(VISITS), "{}: {calm:.0} visits a second when calm", self.name);
        let (mut low, mut high) = (20e3, RATE_MAX);
        while high / low > CLOSE {
            let middle = (low * high).sqrt();
            if self.goodput(bench, middle)? >= calm / 2.0 { low = middle } else { high = middle }
        }
        Ok((low * high).sqrt())
    }
}

/// The flood that halves goodput, with answers in the driver and with the kernel's cookies alone.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let ours = Side::new("synguard", bench, Subject::Answering)?;
    let kernel = Side::new("kernel cookies (2)", bench, Subject::Lab(Program::Pass))?;
    let mut rounds = Rounds::new(bench.pace.hunts as usize);
    while rounds.wants_more() {
        let halved = ours.halved(bench).and_then(|mine| Ok((mine, kernel.halved(bench)?)));
        match halved {
            Ok((mine, theirs)) => rounds.push(0.0, mine * 1e-6, theirs * 1e-6),
            failed => rounds.fail(failed)?,
        }
    }
    let comparison = rounds.finish().context("goodput")?;
    let mut notes = comparison.notes;
    notes.push(format!("{VISITS} visits a second are tried; nginx, the flood and its answers share a CPU"));
    Ok(vec![Line {
        value: Some(comparison.value),
        peer: Some((kernel.name.to_owned(), comparison.peer)),
        ratio: Some(comparison.ratio),
        goal: Some(Goal::at_least(3.0, 5.0)),
        notes,
        ..Line::new(ROW, "flood that halves the goodput", "Mpps")
    }])
}

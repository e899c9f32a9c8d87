//! The row about the flood that halves the server's goodput, when the server's own work and the work on the flood
//! share a CPU. The generator is on another one.

use std::{sync::Arc, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};

use crate::{
    bench::{
        Bench, cookie_rate,
        line::{Goal, Line},
        rounds::Rounds,
        subject::{Running, Subject},
    },
    client::{self, ClientSpec},
    flood::{Flood, FloodSpec, Generator},
    interrupt,
    lab::{Family, Lab},
    web::Web,
    xdp::Program,
};

const ROW: &str = "answer-goodput";
/// Visits a second that are tried: few enough to leave the generator most of the CPU that it shares with them.
const VISITS: u32 = 500;
/// A visit that takes longer is of no use to anybody.
const TIMEOUT: Duration = Duration::from_secs(1);
/// More than a CPU can send, in frames a second.
const RATE_MAX: f64 = 5e6;
/// The bounds are brought this close together, as a ratio.
const CLOSE: f64 = 1.08;

/// The CPU of nginx, the reception of the flood and the SYN-ACKs.
const SERVER_CPU: usize = 1;
/// The CPU of the visitors and the generator.
const VISITORS_CPU: usize = 0;
/// Frames of the flood that are sent at once: fewer than the ring has places.
const BURST: u32 = 192;
/// Least share of the flood that must be sent: with a smaller one, the flood is at its maximum.
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
        // The server has a CPU that also receives; the visitors share the other with the generator.
        let web = Web::start_on(&lab, SERVER_CPU)?;
        let running = Running::start(&lab, subject)?;
        lab.receive_on(SERVER_CPU)?;
        let flood = FloodSpec {
            burst: BURST,
            cpu: VISITORS_CPU,
            ..cookie_rate::flood(bench.pace.sample_max() + Duration::from_secs(30))
        };
        let generator = Arc::new(Generator::new(&lab, &flood)?);
        Ok(Self { name, lab, _web: web, _running: running, generator, flood })
    }

    /// Returns the visits served a second under a flood of this many frames a second, 0 for none; and the frames
    /// sent.
    fn goodput(&self, bench: &Bench, rate: f64) -> Result<(f64, f64)> {
        interrupt::check()?;
        let duration = bench.pace.long_window / 3;
        let spec = ClientSpec {
            rate: VISITS,
            timeout: TIMEOUT,
            visitors: 4096,
            cpu: Some(VISITORS_CPU),
            ..ClientSpec::new(Family::V4, duration)
        };
        let start = |rate: u64| {
            let spec = FloodSpec { rate_pps: Some(rate), ..self.flood.clone() };
            Flood::start_with(&self.lab, Arc::clone(&self.generator), spec)
        };
        let flood = (rate > 0.0).then(|| start(rate as u64)).transpose()?;
        thread::sleep(bench.pace.warm_up / 2);
        let visits = client::run(&self.lab.client, &spec)?;
        let sent = flood.map_or(Ok(0.0), |flood| flood.stop().map(|totals| totals.rate()))?;
        Ok((visits.served as f64 / duration.as_secs_f64(), sent))
    }

    /// The flood that halves the goodput: none smaller was found to, by halving the interval. If the largest that can be
    /// made does not, that one.
    fn halved(&self, bench: &Bench) -> Result<f64> {
        let (calm, _) = self.goodput(bench, 0.0)?;
        ensure!(calm >= 0.95 * f64::from(VISITS), "{}: {calm:.0} visits a second when calm", self.name);
        let (mut low, mut high) = (20e3, RATE_MAX);
        while high / low > CLOSE {
            let middle = (low * high).sqrt();
            let (goodput, sent) = self.goodput(bench, middle)?;
            match (goodput >= calm / 2.0, sent < SENT_MIN * middle) {
                (true, true) => return Ok(sent),
                (true, false) => low = middle,
                // A flood that was not sent in full halves it all the same.
                (false, _) => high = sent.max(low),
            }
        }
        Ok((low * high).sqrt())
    }
}

/// The flood that halves goodput, with XDP cookies and with kernel cookies alone.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let ours = Side::new("synguard", bench, Subject::SynCookieConfig)?;
    let kernel = Side::new("kernel cookies (2)", bench, Subject::Lab(Program::Pass))?;
    let mut rounds = Rounds::new(bench.pace.offender_runs as usize);
    while rounds.wants_more() {
        let halved = ours.halved(bench).and_then(|mine| Ok((mine, kernel.halved(bench)?)));
        match halved {
            Ok((mine, theirs)) => rounds.push(0.0, mine * 1e-6, theirs * 1e-6),
            failed => rounds.fail(failed)?,
        }
    }
    let comparison = rounds.finish().context("goodput")?;
    let mut notes = comparison.notes;
    notes.push("where the largest flood that could be made did not halve it, that one".to_owned());
    notes.push(format!(
        "{VISITS} visits a second are tried; nginx, the reception of the flood and its answers share a CPU"
    ));
    Ok(vec![Line {
        value: Some(comparison.value),
        peer: Some((kernel.name.to_owned(), comparison.peer)),
        ratio: Some(comparison.ratio),
        goal: Some(Goal::at_least(3.0, 5.0)),
        notes,
        ..Line::new(ROW, "flood that halves the goodput", "Mpps")
    }])
}

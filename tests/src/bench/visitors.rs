//! Effect of a flood on visitors; and the row about visitors while the SYN rate is close to the rate of SYN cookies
//! that the program can send at most.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    bench::{
        Bench, cookie_rate,
        line::{Goal, Line},
        spread::Spread,
        subject::{Running, Subject},
    },
    client::{self, ClientSpec, Summary},
    flood::{Flood, FloodSpec, Generator},
    interrupt,
    lab::{Family, Lab},
    web::Web,
    xdp::Program,
};

const ROW: &str = "answer-visitors";
/// Share of the capacity that the flood is to take. The generator falls short of it a little; the share that it
/// really took is in the notes.
const LOAD: f64 = 0.93;

/// Visitors to nginx, without a flood and under one of nine tenths of the SYN rate for which the program can send
/// cookies at most.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let pace = bench.pace;
    let lab = Lab::with_uplink(Program::Sink)?;
    let _web = Web::start(&lab)?;
    let _running = Running::start(&lab, Subject::SynCookieConfig)?;
    let flood = cookie_rate::flood(pace.sample_max() + pace.long_window);
    lab.receive_on(flood.cpu)?;
    let generator = Arc::new(Generator::new(&lab, &flood)?);
    let sent = lab.tcp_ext("SyncookiesSent")?;
    let (mut visits, mut rates) = (Visits::default(), vec![]);
    for _ in 0..pace.rounds {
        let calm = visit(&lab, pace.long_window)?;
        let capacity = capacity(bench, &lab, &flood, &generator)?;
        let rate_pps = Some((capacity * LOAD) as u64);
        let paced = Flood::start_with(&lab, Arc::clone(&generator), FloodSpec { rate_pps, ..flood.clone() })?;
        thread::sleep(pace.warm_up);
        visits.push(&calm, &visit(&lab, pace.long_window)?)?;
        rates.push(paced.stop()?.rate() / capacity);
    }
    ensure!(lab.tcp_ext("SyncookiesSent")? == sent, "the kernel answered SYNs");
    let load = Spread::of(rates).context("no round")?;
    let note = format!("flood of {:.2} ({:.2}-{:.2}) of the capacity", load.median, load.min, load.max);
    Ok(visits.lines(ROW, &note))
}

/// Visits in turns, without a flood and under one.
#[derive(Default)]
pub(super) struct Visits {
    /// Served share of the visits under a flood.
    shares: Vec<f64>,
    /// 99th percentiles in milliseconds.
    calm: Vec<f64>,
    flooded: Vec<f64>,
    /// 99th percentile under a flood divided by the one before it.
    ratios: Vec<f64>,
}

impl Visits {
    /// Adds a round.
    pub(super) fn push(&mut self, calm: &Summary, flooded: &Summary) -> Result<()> {
        ensure!(calm.failed == 0, "{} visits failed without a flood", calm.failed);
        let times = calm.p99().zip(flooded.p99()).context("nobody was served")?;
        let [calm, p99] = [times.0, times.1].map(|time| time.as_secs_f64() * 1e3);
        self.shares.push(flooded.served as f64 / flooded.ended() as f64);
        self.calm.push(calm);
        self.flooded.push(p99);
        self.ratios.push(p99 / calm);
        Ok(())
    }

    /// The lines of a row.
    pub(super) fn lines(self, row: &'static str, note: &str) -> Vec<Line> {
        let notes = vec![note.to_owned()];
        vec![
            Line {
                value: Spread::of(self.shares),
                goal: Some(Goal::at_least(0.99, 1.0)),
                notes: notes.clone(),
                ..Line::new(row, "share of new connections served", "")
            },
            Line {
                value: Spread::of(self.flooded),
                peer: Spread::of(self.calm).map(|calm| ("calm".to_owned(), calm)),
                ratio: Spread::of(self.ratios),
                goal: Some(Goal::at_most(3.0, 1.5)),
                notes,
                ..Line::new(row, "p99 of a whole visit", "ms")
            },
        ]
    }
}

/// Visits for some time, 200 a second.
pub(super) fn visit(lab: &Lab, duration: Duration) -> Result<Summary> {
    interrupt::check()?;
    client::run(&lab.client, &ClientSpec::new(Family::V4, duration))
}

/// Measures the SYN cookies sent a second under a flood at full rate.
fn capacity(bench: &Bench, lab: &Lab, flood: &FloodSpec, generator: &Arc<Generator>) -> Result<f64> {
    let flood = Flood::start_with(lab, Arc::clone(generator), flood.clone())?;
    thread::sleep(bench.pace.warm_up);
    let (before, start) = (lab.swallowed()?, Instant::now());
    thread::sleep(bench.pace.window);
    let syn_acks = (lab.swallowed()? - before) as f64 / start.elapsed().as_secs_f64();
    flood.stop()?;
    Ok(syn_acks)
}

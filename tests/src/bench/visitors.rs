//! The row about visitors while nearly as many SYNs come as can be answered at all.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    bench::{
        Bench, answer,
        line::{Goal, Line},
        live::{Running, Subject},
        spread::Spread,
    },
    client::{self, ClientSpec, Summary},
    flood::{Flood, FloodSpec, Generator},
    interrupt,
    lab::{Family, Lab},
    web::Web,
    xdp::Program,
};

const ROW: &str = "answer-visitors";
/// Share of its capacity that the flood takes.
const LOAD: f64 = 0.9;

/// Visitors to nginx, calm and under a flood of nine tenths of the SYNs that are answered a second at most.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let pace = bench.pace;
    let lab = Lab::with_uplink(Program::Sink)?;
    let _web = Web::start(&lab)?;
    let _running = Running::start(&lab, Subject::Answering)?;
    let flood = answer::flood(pace.sample_max() + pace.hunt);
    let generator = Arc::new(Generator::new(&lab, &flood)?);
    let sent = lab.tcp_ext("SyncookiesSent")?;
    let (mut shares, mut calm_p99, mut p99, mut ratios, mut rates) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..pace.hunts {
        let calm = visit(&lab, pace.hunt)?;
        ensure!(calm.failed == 0, "{} visits failed without a flood", calm.failed);
        let capacity = capacity(bench, &lab, &flood, &generator)?;
        let rate_pps = Some((capacity * LOAD) as u64);
        let paced = Flood::start_with(&lab, Arc::clone(&generator), FloodSpec { rate_pps, ..flood.clone() })?;
        thread::sleep(pace.warm_up);
        let visits = visit(&lab, pace.hunt)?;
        let totals = paced.stop()?;
        rates.push(totals.rate() / capacity);
        shares.push(visits.served as f64 / visits.ended() as f64);
        let times = calm.p99().zip(visits.p99()).context("nobody was served")?;
        let (calm, flooded) = (times.0.as_secs_f64() * 1e3, times.1.as_secs_f64() * 1e3);
        calm_p99.push(calm);
        p99.push(flooded);
        ratios.push(flooded / calm);
    }
    ensure!(lab.tcp_ext("SyncookiesSent")? == sent, "the kernel answered SYNs");
    let load = Spread::of(rates).context("no round")?;
    let note = format!("flood of {:.2} ({:.2}-{:.2}) of the capacity", load.median, load.min, load.max);
    Ok(vec![
        Line {
            value: Spread::of(shares),
            goal: Some(Goal::at_least(0.99, 1.0)),
            notes: vec![note.clone()],
            ..Line::new(ROW, "share of new connections served", "")
        },
        Line {
            value: Spread::of(p99),
            peer: Spread::of(calm_p99).map(|calm| ("calm".to_owned(), calm)),
            ratio: Spread::of(ratios),
            goal: Some(Goal::at_most(3.0, 1.5)),
            notes: vec![note],
            ..Line::new(ROW, "p99 of a whole visit", "ms")
        },
    ])
}

fn visit(lab: &Lab, duration: Duration) -> Result<Summary> {
    interrupt::check()?;
    client::run(&lab.client, &ClientSpec::new(Family::V4, duration))
}

/// SYNs that are answered a second when as many come as go.
fn capacity(bench: &Bench, lab: &Lab, flood: &FloodSpec, generator: &Arc<Generator>) -> Result<f64> {
    let flood = Flood::start_with(lab, Arc::clone(generator), flood.clone())?;
    thread::sleep(bench.pace.warm_up);
    let (before, start) = (lab.swallowed()?, Instant::now());
    thread::sleep(bench.pace.window);
    let answered = (lab.swallowed()? - before) as f64 / start.elapsed().as_secs_f64();
    flood.stop()?;
    Ok(answered)
}

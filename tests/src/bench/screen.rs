//! The row about the cost of `top`, on a real terminal under a flood.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    bench::{
        Bench,
        line::{Goal, Line},
        spread::Spread,
    },
    flood::{Flood, FloodSpec},
    interrupt,
    lab::{Family, GATEWAY_MAC},
    program::Synguard,
    terminal::Terminal,
};

const ROW: &str = "top";
const SOURCES: u32 = 1_000_000;
const FLOOD_PPS: u64 = 200_000;
/// Windows that the cost is measured over: the kernel counts CPU time in steps of 10 ms.
const WINDOWS: u32 = 10;
/// Time until the table has its final number of entries.
const WARM_UP: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);

/// The share of a core that `top` takes at its default interval.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let window = bench.pace.window * WINDOWS;
    let rounds = bench.pace.rounds as u32;
    let synguard = Synguard::new(&bench.lab)?;
    let running = synguard.attach(&["--syn-rate", "50"])?;
    let spec = FloodSpec {
        rate_pps: Some(FLOOD_PPS),
        max_duration: WARM_UP + (window + PATIENCE) * rounds,
        sources: SOURCES,
        destination_mac: GATEWAY_MAC,
        ..FloodSpec::new(Family::V4)
    };
    let flood = Flood::start(&bench.lab, spec)?;
    let terminal = Terminal::start(&synguard.command(["top"]), 80, 24)?;
    terminal.wait_for(PATIENCE, |screen| screen.contains("ATTACK"))?;
    thread::sleep(WARM_UP);
    let mut shares = Vec::new();
    for _ in 0..rounds {
        interrupt::check()?;
        let (before, begun) = (terminal.program_cpu_time()?, Instant::now());
        thread::sleep(window);
        let used = terminal.program_cpu_time()?.saturating_sub(before);
        shares.push(100.0 * used.as_secs_f64() / begun.elapsed().as_secs_f64());
    }
    let totals = flood.stop()?;
    drop(running);
    Ok(vec![Line {
        value: Spread::of(shares),
        goal: Some(Goal::at_most(5.0, 1.0)),
        notes: vec![format!("80 x 24, every second; {} SYNs from {SOURCES} sources", totals.offered)],
        ..Line::new(ROW, "top, under a flood of 1 M sources", "% of a core")
    }])
}

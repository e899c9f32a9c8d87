//! The rows about the cost of `top`, on a real terminal under a flood and with a full table.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    bench::{
        Bench, MIB,
        line::{Goal, Line},
        spread::Spread,
    },
    flood::{Flood, FloodSpec, SourceOrder},
    interrupt,
    lab::{Family, GATEWAY_MAC},
    program::Synguard,
    terminal::Terminal,
    usage::peak_memory,
};

const ROW: &str = "top";
const SOURCES: u32 = 1_000_000;
const FLOOD_PPS: u64 = 200_000;
/// A flood so slow that each source gets an entry, until there is room for no more.
const FILLING_PPS: u64 = 9_500;
/// Share of the table, in percent, from which it is full.
const FULL_PERCENT: u64 = 95;
const FILLING_MAX: Duration = Duration::from_secs(90);
/// Windows that the cost is measured over: the kernel counts CPU time in steps of 10 ms.
const WINDOWS: u32 = 10;
/// Time until the table has its final number of entries.
const WARM_UP: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);

/// The share of a core and the memory that `top` takes at its default interval.
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
    let tracked = fill_table(bench, &synguard, &spec)?;
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
    let memory = peak_memory(terminal.program_pid()?)? as f64 / MIB;
    let totals = flood.stop()?;
    drop(running);
    let how = format!(
        "80 x 24, every second; {tracked} entries in the table, {} SYNs from {SOURCES} sources",
        totals.offered
    );
    let line = |what: &str, unit, value, goal: Goal| Line {
        value: Spread::of(value),
        goal: Some(goal),
        notes: vec![how.clone()],
        ..Line::new(ROW, what, unit)
    };
    let memory_goal = Goal::at_most(24.0, 20.0);
    Ok(vec![
        line("top, under a flood of 1 M sources", "% of a core", shares, Goal::at_most(1.5, 1.0)),
        line("top, its peak memory in that", "MiB", vec![memory], memory_goal),
    ])
}

/// Fills the table with the sources of a flood, and returns the number of its entries.
fn fill_table(bench: &Bench, synguard: &Synguard, spec: &FloodSpec) -> Result<u64> {
    let slow = FloodSpec {
        rate_pps: Some(FILLING_PPS),
        max_duration: FILLING_MAX,
        order: SourceOrder::InTurn,
        ..spec.clone()
    };
    let begun = Instant::now();
    let _filling = Flood::start(&bench.lab, slow)?;
    loop {
        interrupt::check()?;
        thread::sleep(Duration::from_secs(1));
        let table = &synguard.status_json()?["sources"];
        let [tracked, capacity] = ["tracked", "capacity"].map(|key| table[key].as_u64().unwrap_or(0));
        if tracked * 100 >= capacity * FULL_PERCENT {
            return Ok(tracked);
        }
        ensure!(begun.elapsed() < FILLING_MAX, "the table does not fill: {tracked} of {capacity}");
    }
}

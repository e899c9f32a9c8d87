//! One phase of the demo: visitors, perhaps a flood, perhaps synguard, and a line a second about them.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    client::{ClientSpec, Clients, Summary},
    flood::{Flood, FloodSpec, Totals},
    interrupt,
    lab::Lab,
    program::Synguard,
};

/// For how long the flood runs before visits are measured.
const LEAD: Duration = Duration::from_secs(1);
/// About a second between lines, and a little more, so that a measurement of one second has one line.
const TICK: Duration = Duration::from_millis(1100);
/// Long enough for frames that are under way to be counted.
const SETTLE: Duration = Duration::from_millis(200);

/// Who takes part.
pub(super) struct Scene<'a> {
    pub(super) lab: &'a Lab,
    pub(super) flood: Option<FloodSpec>,
    pub(super) synguard: Option<&'a Synguard>,
}

/// What came of a phase.
pub(super) struct Phase {
    /// The visits, one summary for each time they were made.
    pub(super) windows: Vec<Summary>,
    /// What the flood sent.
    pub(super) flood: Option<Totals>,
    /// Packets that synguard dropped.
    pub(super) dropped: u64,
}

impl Phase {
    /// Visits served, and visits made.
    pub(super) fn served(&self) -> (usize, usize) {
        let sum = |count: fn(&Summary) -> usize| self.windows.iter().map(count).sum();
        (sum(|window| window.served), sum(Summary::ended))
    }
}

/// synguard's counters at one time; zeros without it.
#[derive(Clone, Copy, Default)]
struct Counters {
    dropped: u64,
    passed: u64,
}

/// What the last line ended with, so that the next one can say what was added.
struct Line {
    at: Instant,
    offered: u64,
    counters: Counters,
}

impl Scene<'_> {
    /// Makes the visits as many times as said, one after the other, under one flood.
    ///
    /// # Errors
    /// When a part of the lab fails, or on Ctrl-C.
    pub(super) fn play(&self, times: usize, visits: &ClientSpec) -> Result<Phase> {
        let before = self.counters()?;
        let flood = self.flood.clone().map(|spec| Flood::start(self.lab, spec)).transpose()?;
        if flood.is_some() {
            thread::sleep(LEAD);
        }
        let mut windows = Vec::new();
        let mut line = self.line(flood.as_ref())?;
        for _ in 0..times {
            windows.push(self.window(visits, flood.as_ref(), &mut line)?);
        }
        let flood = flood.map(Flood::stop).transpose()?;
        thread::sleep(SETTLE);
        Ok(Phase { windows, flood, dropped: self.counters()?.dropped - before.dropped })
    }

    fn window(&self, visits: &ClientSpec, flood: Option<&Flood>, line: &mut Line) -> Result<Summary> {
        let clients = Clients::start(&self.lab.client, visits)?;
        let mut seen = 0;
        loop {
            let next = line.at + TICK;
            while Instant::now() < next && !clients.is_finished() {
                thread::sleep(Duration::from_millis(10));
            }
            interrupt::check()?;
            // In this order: visits that end in between are in the next line, and none is left out.
            let finished = clients.is_finished();
            let visits = clients.ended(seen);
            seen += visits.ended();
            let now = self.line(flood)?;
            self.print(line, &now, &visits);
            *line = now;
            if finished {
                return clients.finish();
            }
        }
    }

    fn line(&self, flood: Option<&Flood>) -> Result<Line> {
        // The counters first: synguard may take a moment to measure its own rates.
        let counters = self.counters()?;
        Ok(Line { at: Instant::now(), offered: flood.map_or(Ok(0), Flood::offered)?, counters })
    }

    fn print(&self, before: &Line, now: &Line, visits: &Summary) {
        let seconds = (now.at - before.at).as_secs_f64();
        let rate =
            |before: u64, now: u64| format!("{:>7.0}/s", (now.saturating_sub(before)) as f64 / seconds);
        let mut line = String::from("  ");
        if self.flood.is_some() {
            line += &format!(" offered {}", rate(before.offered, now.offered));
        }
        if self.synguard.is_some() {
            line += &format!("  dropped in XDP {}", rate(before.counters.dropped, now.counters.dropped));
            line += &format!("  passed {}", rate(before.counters.passed, now.counters.passed));
        }
        let (p50, p99) = (milliseconds(visits.p50()), milliseconds(visits.p99()));
        println!("{line}  served {:>3}  failed {:>3}  p50 {p50}  p99 {p99}", visits.served, visits.failed);
    }

    fn counters(&self) -> Result<Counters> {
        let Some(synguard) = self.synguard else { return Ok(Counters::default()) };
        let status = synguard.status_json()?;
        let read = |name| {
            let counter = status.pointer(&format!("/counters/{name}")).and_then(Value::as_u64);
            counter.with_context(|| format!("status has no counter {name}: {status}"))
        };
        Ok(Counters { dropped: read("dropped")?, passed: read("passed")? })
    }
}

/// A time for a table.
pub(super) fn milliseconds(time: Option<Duration>) -> String {
    time.map_or("      -".into(), |time| format!("{:>7.2} ms", time.as_secs_f64() * 1e3))
}

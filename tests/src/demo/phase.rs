//! One phase of the demo: visitors, perhaps a flood, perhaps synguard, and a row a second about them.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    client::{ClientSpec, Clients, Summary},
    flood::{Flood, FloodSpec, Totals},
    interrupt,
    lab::Lab,
    program::Synguard,
};

/// Time between rows: a little more than a measurement of one second, so that each has one row.
const TICK: Duration = Duration::from_millis(1100);
/// Least length of a row: a shorter one gives no useful rate.
const ROW_MIN: f64 = 0.5;
/// Time for the frames under way to be counted.
const SETTLE: Duration = Duration::from_millis(200);

/// The parties of a phase.
pub(super) struct Scene<'a> {
    pub(super) lab: &'a Lab,
    pub(super) flood: Option<FloodSpec>,
    /// Time that the flood runs before visits are measured.
    pub(super) lead: Duration,
    pub(super) synguard: Option<&'a Synguard>,
}

/// The measurements of a phase.
pub(super) struct Phase {
    /// The visits, one summary for each measurement.
    pub(super) windows: Vec<Summary>,
    /// The time just after the flood's first frame.
    pub(super) began: Timestamp,
    pub(super) flood: Option<Totals>,
    /// The flood's SYNs a second in each row.
    pub(super) offered: Vec<f64>,
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
    cookies: u64,
    passed: u64,
}

/// The totals at the end of a row.
struct Reading {
    at: Instant,
    offered: u64,
    counters: Counters,
}

impl Scene<'_> {
    /// Makes the given series of visits, one after the other, under one flood.
    ///
    /// # Errors
    /// When a part of the lab fails, or on Ctrl-C.
    pub(super) fn play(&self, times: usize, visits: &ClientSpec) -> Result<Phase> {
        let before = self.counters()?;
        let flood = self.flood.clone().map(|spec| Flood::start(self.lab, spec)).transpose()?;
        let began = Timestamp::now();
        if flood.is_some() {
            interrupt::sleep(self.lead)?;
        }
        self.print_head();
        let (mut windows, mut offered) = (Vec::new(), Vec::new());
        let mut reading = self.read(flood.as_ref())?;
        for _ in 0..times {
            windows.push(self.window(visits, flood.as_ref(), &mut reading, &mut offered)?);
        }
        let flood = flood.map(Flood::stop).transpose()?;
        thread::sleep(SETTLE);
        let dropped = self.counters()?.dropped - before.dropped;
        Ok(Phase { windows, began, flood, offered, dropped })
    }

    fn window(
        &self,
        visits: &ClientSpec,
        flood: Option<&Flood>,
        reading: &mut Reading,
        offered: &mut Vec<f64>,
    ) -> Result<Summary> {
        let clients = Clients::start(&self.lab.client, visits)?;
        let mut seen = 0;
        loop {
            let next = reading.at + TICK;
            while Instant::now() < next && !clients.is_finished() {
                thread::sleep(Duration::from_millis(10));
            }
            interrupt::check()?;
            // In this order: visits that end in between are in the next row, and none is left out.
            let finished = clients.is_finished();
            let visits = clients.ended(seen);
            seen += visits.ended();
            let now = self.read(flood)?;
            self.print_row(reading, &now, &visits);
            let seconds = (now.at - reading.at).as_secs_f64();
            if flood.is_some() && seconds >= ROW_MIN {
                offered.push((now.offered - reading.offered) as f64 / seconds);
            }
            *reading = now;
            if finished {
                return clients.finish();
            }
        }
    }

    fn read(&self, flood: Option<&Flood>) -> Result<Reading> {
        // The counters first: synguard may take a moment to measure its own rates.
        let counters = self.counters()?;
        Ok(Reading { at: Instant::now(), offered: flood.map_or(Ok(0), Flood::offered)?, counters })
    }

    fn print_head(&self) {
        let mut head = String::new();
        if self.flood.is_some() {
            head += &format!("{:>13}", "flood SYN/s");
        }
        if self.synguard.is_some() {
            head += &format!("{:>13}{:>13}{:>11}", "dropped/s", "cookies/s", "passed/s");
        }
        println!("{head}{:>9}{:>8}{:>11}{:>11}", "served", "failed", "median", "p99");
    }

    fn print_row(&self, before: &Reading, now: &Reading, visits: &Summary) {
        let seconds = (now.at - before.at).as_secs_f64();
        let rate = |before: u64, now: u64| (now.saturating_sub(before) as f64 / seconds).round();
        let mut row = String::new();
        if self.flood.is_some() {
            row += &format!("{:>13}", rate(before.offered, now.offered));
        }
        if self.synguard.is_some() {
            let (was, is) = (before.counters, now.counters);
            row += &format!("{:>13}{:>13}", rate(was.dropped, is.dropped), rate(was.cookies, is.cookies));
            row += &format!("{:>11}", rate(was.passed, is.passed));
        }
        let (median, p99) = (milliseconds(visits.p50()), milliseconds(visits.p99()));
        println!("{row}{:>9}{:>8}{median:>11}{p99:>11}", visits.served, visits.failed);
    }

    fn counters(&self) -> Result<Counters> {
        let Some(synguard) = self.synguard else { return Ok(Counters::default()) };
        let status = synguard.status_json()?;
        let read = |name| {
            let counter = status.pointer(&format!("/counters/{name}")).and_then(Value::as_u64);
            counter.with_context(|| format!("status has no counter {name}: {status}"))
        };
        Ok(Counters { dropped: read("dropped")?, cookies: read("answered")?, passed: read("passed")? })
    }
}

/// A time for a table.
pub(super) fn milliseconds(time: Option<Duration>) -> String {
    time.map_or("-".into(), |time| format!("{:.2} ms", time.as_secs_f64() * 1e3))
}

//! The row about the controller: the time until it raises cookies, the effect on visitors, the time until all is
//! restored, and its cost when it is idle.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    bench::{
        Bench,
        line::{Goal, Line},
        spread::Spread,
        visitors::{Visits, visit},
    },
    flood::{Flood, FloodSpec},
    interrupt,
    lab::{Family, Lab},
    program::Synguard,
    usage::{cpu_time, peak_memory},
    web::Web,
};

const ROW: &str = "cookies";
/// Rate of the flood that the controller has to deal with, in SYNs a second.
const RATE: u64 = 60_000;
const SOURCES: u32 = 1 << 24;
const HOLD: Duration = Duration::from_secs(2);
/// Windows that the idle controller is watched for: the kernel counts CPU time in steps of 10 ms.
const IDLE_WINDOWS: u32 = 20;
/// Time limit from the end of the hold until all is restored.
const BACK_MAX: Duration = Duration::from_secs(10);

/// A forged flood against nginx, with `tcp_syncookies` at 0 to begin with.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let pace = bench.pace;
    let lab = Lab::new()?;
    lab.set_syncookies(0)?;
    let _web = Web::start(&lab)?;
    let synguard = Synguard::new(&lab)?;
    let running = synguard.attach(&["--hold", &format!("{}s", HOLD.as_secs()), "--cookies", "kernel"])?;
    let spec = FloodSpec {
        rate_pps: Some(RATE),
        sources: SOURCES,
        max_duration: BACK_MAX + pace.long_window * 2,
        ..FloodSpec::new(Family::V4)
    };
    let mut lines = idle(running.pid(), pace.window * IDLE_WINDOWS)?;
    let (mut visits, mut raised, mut back) = (Visits::default(), vec![], vec![]);
    for _ in 0..pace.rounds {
        interrupt::check()?;
        let calm = visit(&lab, pace.long_window)?;
        let flood = Flood::start(&lab, spec.clone())?;
        raised.push(until(&lab, "2", Duration::from_secs(5))?.as_secs_f64());
        visits.push(&calm, &visit(&lab, pace.long_window)?)?;
        flood.stop()?;
        back.push(until(&lab, "0", HOLD + BACK_MAX)?.as_secs_f64());
    }
    let note = format!("{RATE} SYNs a second from {SOURCES} sources");
    lines.extend(visits.lines(ROW, &note));
    lines.push(Line {
        value: Spread::of(raised),
        goal: Some(Goal::at_most(1.0, 0.5)),
        notes: vec![note.clone()],
        ..Line::new(ROW, "from the first SYN to cookies", "s")
    });
    lines.push(Line {
        value: Spread::of(back),
        goal: Some(Goal::at_most((HOLD + BACK_MAX).as_secs_f64(), (HOLD + BACK_MAX / 4).as_secs_f64())),
        notes: vec![format!("{note}; hold {HOLD:?}")],
        ..Line::new(ROW, "from the last SYN to the old setting", "s")
    });
    Ok(lines)
}

/// Measures the CPU time and memory of a controller that has nothing to do.
fn idle(pid: u32, duration: Duration) -> Result<Vec<Line>> {
    thread::sleep(duration / 4);
    let (before, begun) = (cpu_time(pid)?, Instant::now());
    thread::sleep(duration);
    let used = cpu_time(pid)?.saturating_sub(before);
    let share = 100.0 * used.as_secs_f64() / begun.elapsed().as_secs_f64();
    let memory = peak_memory(pid)? as f64 / f64::from(1 << 20);
    let line = |value, goal, metric, unit| Line {
        value: Spread::of([value]),
        goal: Some(goal),
        ..Line::new(ROW, metric, unit)
    };
    Ok(vec![
        line(share, Goal::at_most(1.0, 0.2), "controller, idle", "% of a core"),
        line(memory, Goal::at_most(40.0, 20.0), "controller, idle: most memory so far", "MiB"),
    ])
}

/// Waits until `tcp_syncookies` has this value; returns how long that took.
fn until(lab: &Lab, value: &str, within: Duration) -> Result<Duration> {
    let begun = Instant::now();
    while lab.server.sysctl("net.ipv4.tcp_syncookies")? != value {
        ensure!(begun.elapsed() < within, "tcp_syncookies was not {value} within {within:?}");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(begun.elapsed())
}

//! The filter's life: it outlives its controller, is taken over, is taken off, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod adoption;
mod audit;
mod confirm;
mod conflicts;
mod endings;
mod hangup;
mod layout;
mod settings;
mod upgrade;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use synguard_tests::{
    flood::{Flood, FloodSpec},
    lab::{DEVICE, Family, Lab},
    program::Synguard,
    steps::{eventually, lab},
};

/// Returns the output of `ip link` for a device in the server's namespace.
fn link(lab: &Lab, device: &str) -> String {
    lab.server.ip(&format!("link show dev {device}")).unwrap()
}

fn runs_xdp(lab: &Lab, device: &str) -> bool {
    link(lab, device).contains("prog/xdp")
}

/// Asserts that no pin, lock, file or program is left. Only the history of events stays: it is there to be read
/// afterwards.
fn assert_nothing_left(lab: &Lab, synguard: &Synguard) {
    assert!(!runs_xdp(lab, DEVICE), "{}", link(lab, DEVICE));
    assert_eq!(synguard.dirs().pins(), Vec::<PathBuf>::new());
    let mut left = files(&synguard.dirs().run_dir());
    left.extend(files(&synguard.dirs().state_dir()));
    left.retain(|path| !path.ends_with("events.jsonl"));
    assert!(left.is_empty(), "left behind: {left:?}");
    assert_eq!(synguard.run(&["status"]).unwrap().code, Some(3));
}

/// The files in a directory and those below it; a directory without any counts as one.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let below = |path: PathBuf| {
        let inside = files(&path);
        if inside.is_empty() { vec![path] } else { inside }
    };
    entries.map(|entry| entry.path()).flat_map(below).collect()
}

fn reason(status: &Value, reason: &str) -> u64 {
    status["counters"]["reasons"][reason].as_u64().unwrap()
}

fn dropped(synguard: &Synguard) -> u64 {
    synguard.status_json().unwrap()["counters"]["dropped"].as_u64().unwrap()
}

/// A flood of 20 000 SYNs a second from one source, for as long as the test takes.
fn flood(lab: &Lab) -> Flood {
    let spec = FloodSpec {
        rate_pps: Some(20_000),
        max_duration: Duration::from_secs(30),
        ..FloodSpec::new(Family::V4)
    };
    Flood::start(lab, spec).unwrap()
}

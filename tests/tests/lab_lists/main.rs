//! The operator's lists from outside: every verb and every way it can fail, the state after a restart or a kill, and
//! the effect on real packets.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod concurrent;
mod damage;
mod detached;
mod disk;
mod errors;
mod import;
mod kill;
mod lockout;
mod many;
mod restart;
mod room;
mod scripts;
mod traffic;
mod verbs;

use serde_json::Value;
use synguard_common::ip_list::List;
use synguard_kernel::clock;
use synguard_lists::store::Store;
use synguard_tests::{
    lab::{DEVICE, Lab},
    program::Synguard,
    steps::{assert_fails, eventually, lab, run, run_with},
};

/// A lab with the filter attached and no controller.
fn attached() -> (Lab, Synguard) {
    let (lab, synguard) = lab();
    attach(&synguard);
    (lab, synguard)
}

/// Attaches without a controller; returns the standard error.
fn attach(synguard: &Synguard) -> String {
    let output = synguard.run(&["attach", DEVICE, "--no-control"]).unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    output.stderr
}

/// Detaches the filter and attaches it again; returns the standard error.
fn restart(synguard: &Synguard) -> String {
    run(synguard, &["detach"]);
    attach(synguard)
}

/// Runs a command and returns the JSON that it prints.
#[track_caller]
fn json(synguard: &Synguard, args: &[&str]) -> Value {
    let value = synguard.run_json(args).unwrap();
    assert_eq!(value["schema"], 1);
    value
}

/// The entries of a list.
#[track_caller]
fn entries(synguard: &Synguard, list: &str) -> Vec<Value> {
    json(synguard, &[list, "list", "--json"])["entries"].as_array().unwrap().clone()
}

/// The targets of a list.
#[track_caller]
fn targets(synguard: &Synguard, list: &str) -> Vec<String> {
    entries(synguard, list).iter().map(|entry| entry["target"].as_str().unwrap().to_owned()).collect()
}

/// The targets of the blocklist that are on the disk, where nothing may be damaged.
#[track_caller]
fn stored(synguard: &Synguard) -> Vec<String> {
    let folder = synguard.dirs().state_dir().join("default");
    let loaded = Store::new(&folder, List::Block).load(clock::now()).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    loaded.entries.iter().map(|entry| entry.target.to_string()).collect()
}

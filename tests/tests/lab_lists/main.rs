//! The operator's lists from outside: every verb and every way it can fail, what survives a restart or a kill, and
//! what becomes of real packets.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod concurrent;
mod damage;
mod errors;
mod import;
mod kill;
mod lockout;
mod many;
mod restart;
mod room;
mod traffic;
mod verbs;

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use synguard_common::ip_list::List;
use synguard_kernel::clock;
use synguard_lists::store::Store;
use synguard_tests::{
    lab::{DEVICE, Lab},
    program::{Output, Synguard},
};

/// A lab with the filter attached and no controller.
fn attached() -> (Lab, Synguard) {
    let lab = Lab::new().unwrap();
    let synguard = Synguard::new(&lab).unwrap();
    attach(&synguard);
    (lab, synguard)
}

/// Attaches without a controller; returns what was said.
fn attach(synguard: &Synguard) -> String {
    let output = synguard.run(&["attach", DEVICE, "--no-control"]).unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    output.stderr
}

/// Takes the filter off and puts it on again; returns what was said.
fn restart(synguard: &Synguard) -> String {
    run(synguard, &["detach"]);
    attach(synguard)
}

/// Runs a command that works; returns what it printed.
#[track_caller]
fn run(synguard: &Synguard, args: &[&str]) -> String {
    run_with(synguard, args, "").stdout
}

/// Runs a command that works, with something on its standard input.
#[track_caller]
fn run_with(synguard: &Synguard, args: &[&str], input: &str) -> Output {
    let output = synguard.run_with_input(args, input).unwrap();
    assert_eq!(output.code, Some(0), "{args:?}: {}", output.stderr);
    output
}

/// Asserts that a command failed as it should: with this exit code, nothing on standard output, and one line
/// that has all of the words.
#[track_caller]
fn fails(output: &Output, code: i32, words: &[&str]) {
    let said = output.stderr.trim_end();
    assert_eq!(output.code, Some(code), "{said}");
    assert_eq!(output.stdout, "");
    assert_eq!(said.lines().count(), 1, "not one line: {said}");
    assert!(said.starts_with("synguard: "), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` missing in: {said}");
    }
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

/// Polls until the condition holds.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(15), "{what} did not come about");
        thread::sleep(Duration::from_millis(20));
    }
}

//! Steps that several test files share. A step that fails panics with the cause, at the line of its caller.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    lab::Lab,
    program::{Output, Synguard},
};

/// Time limit of [`eventually`].
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(5);

/// Makes a lab without a web server, and the program's directories.
///
/// # Panics
/// Without root, or before the program is built.
#[track_caller]
pub fn lab() -> (Lab, Synguard) {
    let lab = Lab::new().unwrap();
    let synguard = Synguard::new(&lab).unwrap();
    (lab, synguard)
}

/// Runs a command that has to succeed, and returns its standard output.
///
/// # Panics
/// When the command fails.
#[track_caller]
pub fn run(synguard: &Synguard, args: &[&str]) -> String {
    run_with(synguard, args, "").stdout
}

/// Runs a command that has to succeed with this standard input.
///
/// # Panics
/// When the command fails.
#[track_caller]
pub fn run_with(synguard: &Synguard, args: &[&str], input: &str) -> Output {
    let output = synguard.run_with_input(args, input).unwrap();
    assert_eq!(output.code, Some(0), "{args:?}: {}", output.stderr);
    output
}

/// Asserts that a command failed as it should: with this exit code, nothing on standard output, and one line on standard
/// error that has all of the words.
///
/// # Panics
/// When it did not.
#[track_caller]
pub fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    let message = output.stderr.trim_end();
    assert_eq!(output.code, Some(code), "{message}");
    assert_eq!(output.stdout, "");
    assert_eq!(message.lines().count(), 1, "not one line: {message}");
    assert!(message.starts_with("synguard: "), "{message}");
    for word in words {
        assert!(message.contains(word), "`{word}` missing in: {message}");
    }
}

/// Polls until the condition holds, and returns the time that this took.
///
/// # Panics
/// When the condition does not hold within the time limit.
#[track_caller]
pub fn until(what: &str, within: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < within, "{what} did not come about within {within:?}");
        thread::sleep(POLL);
    }
    begun.elapsed()
}

/// Polls until the condition holds, for 15 s at most.
///
/// # Panics
/// As [`until`].
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    until(what, PATIENCE, condition);
}

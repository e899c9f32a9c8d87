//! The command line from outside: exit codes, one clear line for each error, and the shape of what is printed.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod errors;
mod output;

use synguard_tests::{
    lab::Lab,
    program::{Output, Synguard},
};

fn lab() -> (Lab, Synguard) {
    let lab = Lab::new().unwrap();
    let synguard = Synguard::new(&lab).unwrap();
    (lab, synguard)
}

/// Asserts that a command failed as it should: with this exit code, nothing on standard output, and one line
/// that has all of the words.
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

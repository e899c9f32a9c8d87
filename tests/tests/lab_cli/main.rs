//! The command line from outside: exit codes, one clear line for each error, and the shape of the output.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod errors;
mod output;

use synguard_tests::steps::{assert_fails, lab};

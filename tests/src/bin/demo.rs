//! The demo: a real server, a real flood, and synguard between them.
//!
//! Exit code 0 means that every claim was tried and holds, 1 that one failed or the demo could not be carried out, and 2 that
//! none failed, but some could not be tried because this machine did not make the flood.

use std::process::ExitCode;

use synguard_tests::demo::{self, DemoVerdict};

fn main() -> ExitCode {
    match demo::run() {
        Ok(DemoVerdict::Holds) => ExitCode::SUCCESS,
        Ok(DemoVerdict::Fails) => ExitCode::FAILURE,
        Ok(DemoVerdict::NotTried) => ExitCode::from(2),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

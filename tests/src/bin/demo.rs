//! The demo: a real server, a real flood, and synguard between them.

use std::process::ExitCode;

fn main() -> ExitCode {
    match synguard_tests::demo::run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! The picture of `top` and a recorded session.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match synguard_tests::picture::run(&synguard_tests::picture::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! `cargo xtask demo`: floods of both kinds and the filter against them, in network namespaces of its own.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::{run_bin::exit_code_of, setup::SetupScope};

/// Exit code of a demo in which no claim failed, but some could not be tried.
const NOT_TRIED: u8 = 2;

/// The profile that compiles soonest: the demo asserts and measures nothing for which the binary's own speed counts.
const PROFILE: &str = "demo";

/// Runs the demo and returns its exit code, which the demo explains in its last line.
pub(crate) fn run() -> Result<ExitCode> {
    match exit_code_of("demo", SetupScope::Everything, PROFILE)? {
        Some(0) => Ok(ExitCode::SUCCESS),
        Some(code) if code == i32::from(NOT_TRIED) => Ok(ExitCode::from(NOT_TRIED)),
        _ => bail!("the demo failed"),
    }
}

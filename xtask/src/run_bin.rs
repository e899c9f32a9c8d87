//! Programs of the tests' package: built with optimisation, and started as root.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{
    artifacts,
    process::{Privilege, line, run as run_command},
    setup::{self, SetupScope},
};

/// The profile whose figures count.
const MEASURED: &str = "release";

/// Sets up what the scope needs, builds synguard itself, and runs one of the tests' programs as root.
pub(crate) fn run_bin(name: &str, scope: SetupScope, arguments: &[&str]) -> Result<()> {
    run_command(prepare(name, scope, MEASURED)?.args(arguments))
}

/// Does the same as [`run_bin`] in the named profile, without arguments, and returns the program's exit code; `None` if
/// a signal ended it.
pub(crate) fn exit_code_of(name: &str, scope: SetupScope, profile: &str) -> Result<Option<i32>> {
    let mut program = prepare(name, scope, profile)?;
    Ok(program.status().with_context(|| format!("start {}", line(&program)))?.code())
}

fn prepare(name: &str, scope: SetupScope, profile: &str) -> Result<Command> {
    let privilege = Privilege::get();
    // Before minutes of compiling, not after them.
    privilege.command(name)?;
    setup::run(scope)?;
    let program = artifacts::build_with_binary(name, profile)?;
    privilege.program(&program)
}

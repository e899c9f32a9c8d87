//! Programs of the tests' package: built in release mode, and started as root.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{
    build,
    process::{Privilege, cargo, line, run as run_command},
    setup::{self, SetupScope},
};

/// Sets up what the scope needs, builds synguard itself, and runs one of the tests' programs as root.
pub(crate) fn run_bin(name: &str, scope: SetupScope, arguments: &[&str]) -> Result<()> {
    run_command(&mut prepare(name, scope, arguments)?)
}

/// Does the same as [`run_bin`] and returns the program's exit code; `None` if a signal ended it.
pub(crate) fn exit_code_of(name: &str, scope: SetupScope) -> Result<Option<i32>> {
    let mut program = prepare(name, scope, &[])?;
    Ok(program.status().with_context(|| format!("start {}", line(&program)))?.code())
}

fn prepare(name: &str, scope: SetupScope, arguments: &[&str]) -> Result<Command> {
    let as_root = Privilege::get().cargo_runner()?;
    setup::run(scope)?;
    // The programs start the release binary, which cargo does not build for another package.
    build::release()?;
    let mut program = cargo();
    program.args(as_root).args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "synguard-tests",
        "--bin",
        name,
        "--",
    ]);
    program.args(arguments);
    Ok(program)
}

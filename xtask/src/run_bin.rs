//! Programs of the tests' package: built in release mode, and started as root.

use anyhow::Result;

use crate::{
    build,
    process::{Privilege, cargo, run as run_command},
    setup::{self, SetupScope},
};

/// Sets up what the scope needs, builds synguard itself, and runs one of the tests' programs as root.
pub(crate) fn run_bin(name: &str, scope: SetupScope, arguments: &[&str]) -> Result<()> {
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
    run_command(program.args(arguments))
}

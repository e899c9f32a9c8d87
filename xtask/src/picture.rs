//! `cargo xtask picture`: the picture of `top` in the README, and a recorded session.

use anyhow::Result;

use crate::{
    build,
    process::{Privilege, cargo, run as run_command},
    setup::{self, SetupScope},
};

/// Sets up, builds, and makes both as root.
pub(crate) fn run() -> Result<()> {
    let as_root = Privilege::get().cargo_runner()?;
    setup::run(SetupScope::Everything)?;
    build::release()?;
    let mut picture = cargo();
    picture.args(as_root).args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "synguard-tests",
        "--bin",
        "picture",
    ]);
    run_command(&mut picture)
}

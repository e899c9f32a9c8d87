//! `cargo xtask demo`: a flood and the filter against it, in network namespaces of its own.

use anyhow::Result;

use crate::{
    build,
    process::{Privilege, cargo, run as run_command},
    setup::{self, SetupScope},
};

/// Sets up, builds, and starts the demo as root.
pub(crate) fn run() -> Result<()> {
    let as_root = Privilege::get().cargo_runner()?;
    setup::run(SetupScope::Everything)?;
    build::release()?;
    let mut demo = cargo();
    demo.args(as_root).args(["run", "--quiet", "--release", "--package", "synguard-tests", "--bin", "demo"]);
    run_command(&mut demo)
}

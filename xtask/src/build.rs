//! `cargo xtask build`: the release binary.

use anyhow::Result;

use crate::{
    process::{cargo, run as run_command},
    setup::{self, SetupScope},
};

pub(crate) fn run() -> Result<()> {
    setup::run(SetupScope::Build)?;
    run_command(cargo().args(["build", "--release", "--package", "synguard"]))
}

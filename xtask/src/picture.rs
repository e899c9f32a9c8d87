//! `cargo xtask picture`: the picture of `top` in the README, and a recorded session.

use anyhow::Result;

use crate::{run_bin::run_bin, setup::SetupScope};

pub(crate) fn run() -> Result<()> {
    run_bin("picture", SetupScope::Everything, &[])
}

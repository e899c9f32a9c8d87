//! `cargo xtask demo`: floods of both kinds and the filter against them, in network namespaces of its own.

use anyhow::Result;

use crate::{run_bin::run_bin, setup::SetupScope};

pub(crate) fn run() -> Result<()> {
    run_bin("demo", SetupScope::Everything, &[])
}

//! `cargo xtask ci`: everything that must hold before a merge.

use anyhow::Result;

use crate::{lint, test};

/// Runs the lints and, even if one complains, the tests. Returns whether all is well.
pub(crate) fn run() -> Result<bool> {
    let linted = lint::run(&lint::LintArgs::default());
    if linted.is_err() {
        println!("the lints are not content; the tests run all the same");
    }
    let tested = test::run(&test::TestArgs::default())?;
    linted.map(|()| tested)
}

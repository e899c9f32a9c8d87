//! `cargo xtask ci`: everything that must hold before a merge.

use anyhow::Result;

use crate::{lint, test};

/// Runs the lints and, even if one fails, the tests. Reports whether all tests passed.
pub(crate) fn run() -> Result<bool> {
    let linted = lint::run(&lint::LintArgs::default());
    if let Err(error) = &linted {
        println!("{error:#}; the tests run all the same");
    }
    let tested = test::run(&test::TestArgs::default())?;
    linted.map(|()| tested)
}

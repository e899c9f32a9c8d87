//! Linters that cargo installs: cargo-deny and typos, each at a fixed version.

use std::process::Command;

use anyhow::Result;

use crate::process::{cargo, command, find, output, run as run_command};

/// A linter from the crate registry.
struct InstalledLinter {
    package: &'static str,
    program: &'static str,
    version: &'static str,
}

const DENY: InstalledLinter =
    InstalledLinter { package: "cargo-deny", program: "cargo-deny", version: "0.20.2" };
const TYPOS: InstalledLinter = InstalledLinter { package: "typos-cli", program: "typos", version: "1.52.0" };

impl InstalledLinter {
    /// Returns the command of the linter; installs it first if it is missing or has another version.
    fn command(&self) -> Result<Command> {
        if let Some(program) = find(self.program)
            .filter(|program| self.is_version(&output(command(program).arg("--version")).unwrap_or_default()))
        {
            return Ok(command(program));
        }
        println!("installing {} {} (takes a few minutes)", self.package, self.version);
        let mut install = cargo();
        install.args(["install", self.package, "--quiet", "--locked", "--version", self.version]);
        // To optimise it, or to describe it to a debugger, would take longer than it ever runs.
        run_command(install.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
        Ok(find(self.program).map_or_else(|| command(self.program), command))
    }

    /// Reports whether the output of `--version` is that of the fixed version.
    fn is_version(&self, text: &str) -> bool {
        text.split_whitespace().nth(1) == Some(self.version)
    }
}

/// Checks licences, sources and bans. Advisories are left out: they need a database from the network, and their
/// answer changes without a commit.
pub(crate) fn deny() -> Result<()> {
    run_command(DENY.command()?.args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]))
}

/// Checks the spelling of everything that git tracks.
pub(crate) fn typos() -> Result<()> {
    run_command(TYPOS.command()?.args(["--format", "brief"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fixed_version_is_taken() {
        assert!(TYPOS.is_version("typos-cli 1.52.0\n"));
        assert!(DENY.is_version("cargo-deny 0.20.2"));
        assert!(!TYPOS.is_version("typos-cli 1.51.0\n"));
        assert!(!TYPOS.is_version(""));
    }
}

//! `cargo xtask setup`: finds or installs everything that building, testing and the demo need.
//!
//! Only missing parts are installed; if nothing is missing, neither apt nor cargo is started.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::{
    packages::{Installer, MACHINE_TOOLS, PEERS, TOOLS, Tool},
    toolchain::{self, LINKED, LLVM, Toolchain},
};

#[derive(Args)]
pub(crate) struct SetupArgs {
    /// The tasks to set up for
    #[arg(long, value_enum, default_value_t = SetupScope::Everything)]
    pub(crate) scope: SetupScope,
}

/// The tasks to set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SetupScope {
    /// Building the program
    Build,
    /// Also testing and showing it on this kernel
    Everything,
    /// Also testing it on other kernels
    Machines,
    /// Also comparing it with other filters
    Bench,
}

impl SetupScope {
    fn tools(self) -> impl Iterator<Item = Tool> {
        let (lab, others): (&[Tool], &[Tool]) = match self {
            Self::Build => (&[], &[]),
            Self::Everything => (&TOOLS, &[]),
            Self::Machines => (&TOOLS, &MACHINE_TOOLS),
            Self::Bench => (&TOOLS, &PEERS),
        };
        lab.iter().chain(others).copied()
    }
}

/// The parts of the setup that this machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SetupState {
    missing_tools: Vec<Tool>,
    compiler: bool,
    linker: bool,
    llvm: bool,
}

impl SetupState {
    /// Looks for each part, and prints those that it finds.
    fn find(scope: SetupScope) -> Self {
        let mut missing_tools = Vec::new();
        for tool in scope.tools() {
            if tool.is_installed() {
                println!("ok: {}", tool.program);
            } else {
                missing_tools.push(tool);
            }
        }
        let compiler = Toolchain::find();
        if let Some(compiler) = &compiler {
            println!("ok: BPF compiler, rustup's toolchain {}", compiler.name);
        }
        let linker = toolchain::has_linker();
        if linker {
            println!("ok: {}", toolchain::linker_name());
        }
        let llvm = linker || toolchain::llvm_prefix().is_some();
        Self { missing_tools, compiler: compiler.is_some(), linker, llvm }
    }

    /// Returns the packages to install. `rustup_delivered`: there is a compiler from rustup.
    fn packages(&self, rustup_delivered: bool) -> Vec<&'static str> {
        let mut packages: Vec<&str> = self.missing_tools.iter().map(|tool| tool.package).collect();
        if !self.compiler && !rustup_delivered {
            packages.extend(["rustc-web", "rust-web-src"]);
        }
        if !self.linker && !self.llvm {
            // bpf-linker is linked with the C++ library, whose development files come with g++.
            packages.extend(["llvm-22-dev", "g++"]);
        }
        packages
    }
}

/// Finds or installs everything in the scope. Goes on after an error, and fails if something stays missing.
pub(crate) fn run(scope: SetupScope) -> Result<()> {
    let found = SetupState::find(scope);
    let rustup_delivered = found.compiler || fetch_compiler();
    let mut packages = found.packages(rustup_delivered);
    if !rustup_delivered && toolchain::debian_is_complete() {
        packages.retain(|package| !package.starts_with("rust"));
    }
    let installed = if packages.is_empty() { Ok(()) } else { Installer::get().install(&packages) };
    let compiler = if rustup_delivered { Ok(()) } else { link_debians_compiler() };
    let linker = if found.linker { Ok(()) } else { install_linker() };
    // The first is the cause of the others.
    installed.and(compiler).and(linker)
}

fn fetch_compiler() -> bool {
    println!("installing a nightly toolchain with core's sources, known as {LINKED}");
    toolchain::install_nightly()
        .inspect_err(|error| println!("rustup cannot: {error:#}; trying Debian's compiler"))
        .is_ok()
}

fn link_debians_compiler() -> Result<()> {
    if !toolchain::debian_is_complete() {
        bail!(
            "no compiler for the BPF target: rustup could fetch none, and Debian's rustc-web is not installed"
        );
    }
    println!("installing a link to Debian's compiler, known to rustup as {LINKED}");
    toolchain::link(Path::new("/usr"))
}

fn install_linker() -> Result<()> {
    let prefix = toolchain::llvm_prefix().with_context(|| {
        format!(
            "{} needs LLVM {LLVM} with its headers: install it and set LLVM_PREFIX",
            toolchain::linker_name()
        )
    })?;
    println!("installing {} (takes a minute)", toolchain::linker_name());
    toolchain::install_linker(&prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> SetupState {
        SetupState { missing_tools: Vec::new(), compiler: true, linker: true, llvm: true }
    }

    #[test]
    fn complete_setup_installs_nothing() {
        assert!(found().packages(true).is_empty());
    }

    #[test]
    fn only_missing_parts_are_installed() {
        let tmux = SetupState {
            missing_tools: TOOLS.iter().copied().filter(|tool| tool.program == "tmux").collect(),
            ..found()
        };
        assert_eq!(tmux.packages(true), ["tmux"]);
        let linker = SetupState { linker: false, llvm: false, ..found() };
        assert_eq!(linker.packages(true), ["llvm-22-dev", "g++"]);
        assert!(SetupState { linker: false, ..found() }.packages(true).is_empty());
    }

    #[test]
    fn peers_are_for_the_bench_only() {
        let takes = |scope: SetupScope, program| scope.tools().any(|tool| tool.program == program);
        assert!(takes(SetupScope::Bench, "xdp-filter") && takes(SetupScope::Bench, "nginx"));
        assert!(!takes(SetupScope::Everything, "xdp-filter") && takes(SetupScope::Everything, "nginx"));
        assert_eq!(SetupScope::Build.tools().count(), 0);
    }

    #[test]
    fn debians_compiler_is_used_only_without_rustups() {
        let bare = SetupState { compiler: false, ..found() };
        assert!(bare.packages(true).is_empty());
        assert_eq!(bare.packages(false), ["rustc-web", "rust-web-src"]);
    }
}

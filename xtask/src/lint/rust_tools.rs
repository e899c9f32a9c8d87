//! Linters that come with the toolchains: rustfmt, clippy on both targets, and rustdoc.

use std::{env, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    process::{cargo, run as run_command, workspace_root},
    toolchain::Toolchain,
};

/// The crates with a program for the BPF target.
const BPF_PACKAGES: [&str; 2] = ["synguard-ebpf", "synguard-tests-ebpf"];

pub(crate) fn formatting() -> Result<()> {
    run_command(cargo().args(["fmt", "--all", "--check"]))
}

pub(crate) fn clippy() -> Result<()> {
    run_command(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

/// Lints both crates' code for the BPF target, which the host's clippy does not see.
pub(crate) fn bpf_target() -> Result<()> {
    let toolchain = Toolchain::find().context("no compiler for the BPF target")?;
    let lint = if toolchain.has_clippy() { "clippy" } else { "check" };
    if lint == "check" {
        println!("toolchain {} has no clippy: the compiler's own warnings only", toolchain.name);
    }
    for package in BPF_PACKAGES.into_iter().filter(|package| has_bpf_program(package)) {
        let mut cargo = toolchain.cargo();
        cargo.args([lint, "--quiet", "--package", package, "--lib", "--bins"]);
        cargo.args(["--target", "bpfel-unknown-none", "-Z", "build-std=core"]);
        run_command(deny_warnings(&mut cargo))?;
    }
    Ok(())
}

/// Reports whether the crate has a program, besides the library that the host tests.
fn has_bpf_program(package: &str) -> bool {
    let folder = if package == "synguard-tests-ebpf" { "tests/ebpf" } else { package };
    let source = workspace_root().join(folder).join("src");
    source.join("main.rs").exists() || source.join("bin").exists()
}

/// Adds the flags that aya-build gives the compiler, and `-D warnings`.
fn deny_warnings(cargo: &mut Command) -> &mut Command {
    let flags = format!("--cfg\x1fbpf_target_arch=\"{}\"\x1f-D\x1fwarnings", env::consts::ARCH);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags)
}

pub(crate) fn documentation() -> Result<()> {
    let mut doc = cargo();
    doc.args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]);
    run_command(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

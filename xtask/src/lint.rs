//! `cargo xtask lint`: formatting, lints on both targets, documentation, and what dependencies may be.

use std::{env, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    process::{cargo, command, find, run as run_command, workspace_root},
    setup::{self, Scope},
    toolchain::Toolchain,
};

/// Version of cargo-deny.
const DENY_VERSION: &str = "0.20.2";
/// The crates with a program for the BPF target.
const BPF_PACKAGES: [&str; 2] = ["synguard-ebpf", "synguard-tests-ebpf"];

/// A lint complains by its error.
type Lint = fn() -> Result<()>;

/// Runs every lint, also after one has complained, and fails if any did.
pub(crate) fn run() -> Result<()> {
    setup::run(Scope::Build)?;
    let lints: [(&str, Lint); 5] = [
        ("formatting", formatting),
        ("clippy, host", clippy),
        ("BPF target", bpf_target),
        ("documentation", documentation),
        ("dependencies", dependencies),
    ];
    let mut complaints = Vec::new();
    for (name, lint) in lints {
        println!("=== lint: {name}");
        if let Err(error) = lint() {
            println!("--- lint: {name}: {error:#}");
            complaints.push(name);
        }
    }
    if complaints.is_empty() {
        println!("the lints are content");
        return Ok(());
    }
    bail!("lints that complained: {}", complaints.join("; "))
}

fn formatting() -> Result<()> {
    run_command(cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    run_command(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

/// Both crates' code for the BPF target, which the host's clippy does not see.
fn bpf_target() -> Result<()> {
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

/// Whether the crate has a program yet, besides the library that the host tests.
fn has_bpf_program(package: &str) -> bool {
    let folder = if package == "synguard-tests-ebpf" { "tests/ebpf" } else { package };
    let source = workspace_root().join(folder).join("src");
    source.join("main.rs").exists() || source.join("bin").exists()
}

/// The flags that aya-build gives the compiler, and `-D warnings`.
fn deny_warnings(cargo: &mut Command) -> &mut Command {
    let flags = format!("--cfg\x1fbpf_target_arch=\"{}\"\x1f-D\x1fwarnings", env::consts::ARCH);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags)
}

fn documentation() -> Result<()> {
    let mut doc = cargo();
    doc.args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]);
    run_command(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Advisories are left out: they need a database from the network, and their answer changes without a commit.
fn dependencies() -> Result<()> {
    let Some(deny) = find("cargo-deny") else {
        println!("installing cargo-deny {DENY_VERSION} (takes a few minutes)");
        // Optimising it would take longer than it ever runs.
        run_command(cargo().args([
            "install",
            "cargo-deny",
            "--quiet",
            "--locked",
            "--debug",
            "--version",
            DENY_VERSION,
        ]))?;
        return deny_check(cargo().arg("deny"));
    };
    deny_check(&mut command(deny))
}

fn deny_check(deny: &mut Command) -> Result<()> {
    run_command(deny.args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]))
}

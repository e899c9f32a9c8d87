//! `cargo xtask`: every task of synguard's developers. It builds on a machine that has only a stable Rust, since
//! `setup` installs the rest.
#![allow(clippy::print_stdout, reason = "a person reads what this program does on its standard output")]

mod artifacts;
mod bench;
mod build;
mod campaign;
mod ci;
mod demo;
mod lint;
mod packages;
mod picture;
mod process;
mod results;
mod run_bin;
mod rungs;
mod setup;
mod test;
mod toolchain;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The tasks of synguard's developers")]
struct XtaskCli {
    #[command(subcommand)]
    command: XtaskCommand,
}

#[derive(Subcommand)]
enum XtaskCommand {
    /// Find or install everything that building, testing and the demo need
    Setup(setup::SetupArgs),
    /// Build the release binary
    Build,
    /// Show floods of both kinds, and the filter against them, in network namespaces (root)
    Demo,
    /// Measure the filter against its peers, in network namespaces (root)
    Bench(bench::BenchArgs),
    /// Make the picture of top and a recorded session, in network namespaces (root)
    Picture,
    /// Run the test ladder from the bottom up (root from rung 3 on)
    Test(test::TestArgs),
    /// Run the full forms of tests that the ladder runs in a short form, and print their figures (root)
    Campaign(campaign::CampaignArgs),
    /// Boot other kernels in emulated machines and run the tests of the kernel there
    Vm(vm::VmArgs),
    /// Check everything that can be judged without running it: style, layers, spelling, commits
    Lint(lint::LintArgs),
    /// Everything that must hold before a merge: the lints and every test
    Ci,
}

fn main() -> ExitCode {
    let all_is_well = match XtaskCli::parse().command {
        XtaskCommand::Setup(args) => setup::run(args.scope).map(|()| true),
        XtaskCommand::Build => build::run().map(|()| true),
        XtaskCommand::Demo => return finish(demo::run()),
        XtaskCommand::Bench(args) => bench::run(&args).map(|()| true),
        XtaskCommand::Picture => picture::run().map(|()| true),
        XtaskCommand::Test(args) => test::run(&args),
        XtaskCommand::Campaign(args) => campaign::run(&args),
        XtaskCommand::Vm(args) => vm::run(&args),
        XtaskCommand::Lint(args) => lint::run(&args).map(|()| true),
        XtaskCommand::Ci => ci::run(),
    };
    finish(all_is_well.map(|is_well| if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
}

fn finish(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

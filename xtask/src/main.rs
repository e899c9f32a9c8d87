//! `cargo xtask`: every task a person needs. It must build on a machine that has nothing but a stable Rust,
//! for `setup` is what installs the rest.
#![allow(clippy::print_stdout, reason = "telling a person what happens is this program's job")]

mod artifacts;
mod bench;
mod build;
mod ci;
mod demo;
mod lint;
mod packages;
mod picture;
mod process;
mod results;
mod rungs;
mod setup;
mod test;
mod toolchain;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The tasks of synguard's developers")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find or install what building, testing and the demo need
    Setup,
    /// Build the release binary
    Build,
    /// Show a flood, and the filter against it, in network namespaces (root)
    Demo,
    /// Measure the filter against its peers, in network namespaces (root)
    Bench(bench::BenchArgs),
    /// Make the picture of top and a recorded session, in network namespaces (root)
    Picture,
    /// Run the test ladder from the bottom up (root from rung 3 on)
    Test(test::TestArgs),
    /// Boot other kernels in emulated machines and run the tests of the kernel there
    Vm(vm::VmArgs),
    /// Check everything that can be judged without running it: style, layers, spelling, commits
    Lint(lint::LintArgs),
    /// Everything that must hold before a merge: the lints and every test
    Ci,
}

fn main() -> ExitCode {
    let all_is_well = match Cli::parse().command {
        Command::Setup => setup::run(setup::SetupScope::Everything).map(|()| true),
        Command::Build => build::run().map(|()| true),
        Command::Demo => demo::run().map(|()| true),
        Command::Bench(args) => bench::run(&args).map(|()| true),
        Command::Picture => picture::run().map(|()| true),
        Command::Test(args) => test::run(&args),
        Command::Vm(args) => vm::run(&args),
        Command::Lint(args) => lint::run(&args).map(|()| true),
        Command::Ci => ci::run(),
    };
    match all_is_well {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! `cargo xtask lint`: everything about the code that a program can judge without running it.

mod breach;
mod commits;
mod import_cycles;
mod installed;
mod invariants;
mod lengths;
mod lexer;
mod metadata;
mod paths;
mod prose;
mod rust_tools;
mod settings;
mod source_file;
mod type_names;
mod unused_dependencies;
mod walls;

use std::time::Instant;

use anyhow::{Result, bail};
use clap::ValueEnum;

use self::source_file::SourceFile;
use crate::setup::{self, SetupScope};

/// Options of `cargo xtask lint`.
#[derive(clap::Args, Default)]
pub(crate) struct LintArgs {
    /// Only this check; may be given several times
    #[arg(long = "only", value_name = "CHECK")]
    only: Vec<LintCheck>,
    /// Check the messages of the commits after this one
    #[arg(long, value_name = "BASE")]
    commits: Option<String>,
}

/// A check, which prints the breaches that it finds, and fails if there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LintCheck {
    /// The first words of doc comments
    Prose,
    /// Types with the same name
    TypeNames,
    /// Circles of imports between files
    ImportCycles,
    /// Files that are too long
    Lengths,
    /// Crates that depend on what they must not
    Walls,
    /// Calls and paths that are for some files only
    Invariants,
    /// Settings that are written in many places
    Settings,
    /// Dependencies that no code names
    UnusedDependencies,
    /// Commit messages
    Commits,
    /// Spelling
    Typos,
    /// Licences and sources of dependencies
    Deny,
    /// rustfmt
    Formatting,
    /// Clippy, for the host
    Clippy,
    /// Clippy, for the BPF target
    BpfTarget,
    /// rustdoc
    Documentation,
}

impl LintCheck {
    /// Reports whether the check compiles the workspace, and so needs what building it needs.
    const fn compiles(self) -> bool {
        matches!(self, Self::Clippy | Self::BpfTarget | Self::Documentation)
    }

    fn run(self, files: &[SourceFile], args: &LintArgs) -> Result<()> {
        match self {
            Self::Prose => prose::check(files),
            Self::TypeNames => type_names::check(files),
            Self::ImportCycles => import_cycles::check(files),
            Self::Lengths => lengths::check(files),
            Self::Walls => walls::check(files),
            Self::Invariants => invariants::check(files),
            Self::Settings => settings::check(files),
            Self::UnusedDependencies => unused_dependencies::check(files),
            Self::Commits => commits::check(args.commits.as_deref()),
            Self::Typos => installed::typos(),
            Self::Deny => installed::deny(),
            Self::Formatting => rust_tools::formatting(),
            Self::Clippy => rust_tools::clippy(),
            Self::BpfTarget => rust_tools::bpf_target(),
            Self::Documentation => rust_tools::documentation(),
        }
    }
}

/// Runs every wanted check, also after one has failed, and fails if any did.
pub(crate) fn run(args: &LintArgs) -> Result<()> {
    let wanted: Vec<LintCheck> = wanted(args);
    if wanted.iter().any(|check| check.compiles()) {
        setup::run(SetupScope::Build)?;
    }
    let files = source_file::read_all()?;
    let mut failed = Vec::new();
    for check in wanted {
        let name = name(check);
        let start = Instant::now();
        println!("=== lint: {name}");
        match check.run(&files, args) {
            Ok(()) => println!("--- lint: {name}: ok, {:.1} s", start.elapsed().as_secs_f64()),
            Err(error) => {
                println!("--- lint: {name}: {error:#}");
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        println!("all checks passed");
        return Ok(());
    }
    bail!("failed checks: {}", failed.join(", "))
}

/// Returns the checks to run: `--commits` alone checks the commits alone.
fn wanted(args: &LintArgs) -> Vec<LintCheck> {
    if !args.only.is_empty() {
        args.only.clone()
    } else if args.commits.is_some() {
        vec![LintCheck::Commits]
    } else {
        LintCheck::value_variants().to_vec()
    }
}

/// Returns the check's name, as `--only` takes it.
fn name(check: LintCheck) -> String {
    check.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_checks_run_unless_some_are_named() {
        let default = wanted(&LintArgs::default());
        assert_eq!(default.len(), LintCheck::value_variants().len());
        let commits = LintArgs { commits: Some("HEAD~3".into()), ..LintArgs::default() };
        assert_eq!(wanted(&commits), [LintCheck::Commits]);
        let only = LintArgs { only: vec![LintCheck::Prose], ..commits };
        assert_eq!(wanted(&only), [LintCheck::Prose]);
    }

    #[test]
    fn text_checks_need_no_compiler() {
        let needing = LintCheck::value_variants().iter().filter(|check| check.compiles());
        assert_eq!(needing.copied().map(name).collect::<Vec<_>>(), ["clippy", "bpf-target", "documentation"]);
    }
}

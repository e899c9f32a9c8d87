//! `cargo xtask test`: the test ladder, from the bottom up.

use std::{env, slice, time::Instant};

use anyhow::Result;

use crate::{
    process::{Privilege, cargo, tee, workspace_root},
    results::{Outcome, summary, table},
    rungs::{Rung, test_targets},
    setup::{self, SetupScope},
    vm,
};

/// Options of `cargo xtask test`.
#[derive(clap::Args, Default)]
pub(crate) struct TestArgs {
    /// Only this rung; may be given several times
    #[arg(long = "rung", value_name = "N")]
    rungs: Vec<Rung>,
}

impl TestArgs {
    fn wants(&self, rung: Rung) -> bool {
        self.rungs.is_empty() || self.rungs.contains(&rung)
    }
}

/// Sets up, and runs every wanted rung, also after one has failed. Reports whether all passed.
pub(crate) fn run(args: &TestArgs) -> Result<bool> {
    let targets = test_targets(&workspace_root().join("tests/tests"))?;
    setup::run(if args.wants(Rung::Machines) { SetupScope::Machines } else { SetupScope::Everything })?;
    let in_ci = env::var("CI").is_ok_and(|value| value == "true");
    let wanted = Rung::ALL.into_iter().filter(|&rung| args.wants(rung));
    let outcomes: Vec<Outcome> = wanted.flat_map(|rung| run_rung(rung, &targets)).collect();

    let all_passed = outcomes.iter().all(|outcome| outcome.fault(in_ci).is_none());
    println!("\n{}", table(&outcomes, in_ci));
    // Nothing may follow: programs read the last line.
    println!("{}", summary(&outcomes));
    Ok(all_passed)
}

/// Runs a rung: one row of the table, or one for each kernel of the last rung.
fn run_rung(rung: Rung, targets: &[String]) -> Vec<Outcome> {
    if rung == Rung::Machines {
        return vm::outcomes(&vm::VmArgs::default());
    }
    let title = rung.title().to_owned();
    println!("\n=== rung {title}");
    let start = Instant::now();
    let outcome = match try_rung(rung, targets) {
        Ok((output, succeeded)) => Outcome::of(title, &output, succeeded),
        Err(error) => Outcome::not_run(title, format!("{error:#}")),
    };
    let seconds = start.elapsed().as_secs();
    println!("--- rung {}: {}, after {seconds} s", outcome.title, summary(slice::from_ref(&outcome)));
    if let Some(why) = &outcome.broken {
        println!("--- rung {}: {why}", outcome.title);
    }
    vec![outcome]
}

/// Runs the rung's commands. Returns their output, and whether all succeeded; no output if the rung has no tests.
fn try_rung(rung: Rung, targets: &[String]) -> Result<(String, bool)> {
    let commands = rung.cargo_commands(targets);
    if commands.is_empty() {
        println!("no tests on this rung");
    }
    let mut all = (String::new(), true);
    for arguments in commands {
        let mut command = cargo();
        if rung.needs_root() {
            command.args(Privilege::get().cargo_runner()?);
        }
        let (status, output) = tee(command.args(arguments))?;
        all.0.push_str(&output);
        all.1 &= status.success();
    }
    Ok(all)
}

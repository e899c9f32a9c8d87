//! The rows about importing a long list: time, and memory.

use std::{fs::File, process::Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::{
    bench::{
        Bench, MIB,
        line::{Goal, Line},
        spread::Spread,
    },
    interrupt,
    lab::{DEVICE, Lab},
    list_fixture,
    program::Synguard,
    usage::measure,
};

const ROW: &str = "list-import";
const TARGETS: u32 = 1_000_000;

/// A million mixed targets, into an empty list and in the place of the same ones.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let lab = Lab::new()?;
    let synguard = Synguard::new(&lab)?;
    let root = synguard.dirs().root();
    let (list, said) = (root.join("list"), root.join("said"));
    list_fixture::write(&list, TARGETS)?;
    let list = list.to_str().context("the folder for temporary files has no name in UTF-8")?;
    let (mut seconds, mut again, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    let run = |args: &[&str]| {
        let mut command = synguard.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?);
        let (status, usage) = measure(&mut command)?;
        let said = std::fs::read_to_string(&said)?;
        ensure!(status.success(), "synguard {} failed: {}", args.join(" "), said.trim());
        Ok(usage)
    };
    run(&["attach", DEVICE, "--no-control"])?;
    for _ in 0..bench.pace.rounds {
        interrupt::check()?;
        for (args, times) in [
            (&["block", "import", list][..], &mut seconds),
            (&["block", "import", list, "--replace"], &mut again),
        ] {
            let usage = run(args)?;
            times.push(usage.time.as_secs_f64());
            memory.push(usage.memory as f64 / MIB);
        }
        run(&["block", "flush"])?;
    }
    let line = |what: &str, unit, samples, goal| Line {
        value: Spread::of(samples),
        goal: Some(goal),
        ..Line::new(ROW, what, unit)
    };
    Ok(vec![
        line("import of a million targets into an empty list", "s", seconds, Goal::at_most(5.0, 2.0)),
        line("the same in the place of the list (--replace)", "s", again, Goal::at_most(5.0, 2.0)),
        line("memory while doing so", "MiB", memory, Goal::at_most(300.0, 300.0).without_stretch()),
    ])
}

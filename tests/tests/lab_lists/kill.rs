//! Kills at random moments: the disk has the list before the change or the one after it, and the filter agrees with
//! the disk after the next command or attach.

use std::{
    collections::BTreeSet,
    fs::File,
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use synguard_tests::{environment, program::Synguard};

use super::{attach, attached, restart, run, stored, targets};

/// The environment variable that sets the number of kills; 200 is the campaign.
const VARIABLE: &str = "SYNGUARD_TEST_KILLS";
const KILLS: usize = 20;

/// Numbers that look random, the same ones each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

type Targets = BTreeSet<String>;

/// A command, its input, and the list after it.
fn change(random: &mut Random, before: &Targets, round: usize) -> (Vec<String>, String, Targets) {
    let fresh = |count: u64, random: &mut Random| -> Targets {
        (0..count)
            .map(|_| format!("10.{}.{}.{}", round % 256, random.below(256), random.below(256)))
            .collect()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match random.below(4) {
        0 if !before.is_empty() => {
            let gone: Targets = before.iter().take(1 + random.below(3) as usize).cloned().collect();
            let args = words(&["block", "del"]).into_iter().chain(gone.iter().cloned()).collect();
            (args, String::new(), before - &gone)
        }
        1 => {
            let new = fresh(100, random);
            let lines = new.iter().map(|target| format!("{target}\n")).collect();
            (words(&["block", "import", "-"]), lines, before | &new)
        }
        2 => {
            let new = fresh(100, random);
            let lines = new.iter().map(|target| format!("{target}\n")).collect();
            (words(&["block", "import", "-", "--replace"]), lines, new)
        }
        _ => {
            let new = fresh(2, random);
            let args = words(&["block", "add"]).into_iter().chain(new.iter().cloned()).collect();
            (args, String::new(), before | &new)
        }
    }
}

/// Runs a command and kills it after a while; whether it was killed.
fn kill(synguard: &Synguard, args: &[String], input: &str, after: Duration) -> bool {
    let path = synguard.dirs().root().join("input");
    std::fs::write(&path, input).unwrap();
    let mut command = synguard.command(args);
    command.stdin(File::open(&path).unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    thread::sleep(after);
    // Only a child that was not waited for is killed: its id is its own.
    child.kill().unwrap();
    child.wait().unwrap().signal() == Some(libc::SIGKILL)
}

fn set(targets: Vec<String>) -> Targets {
    targets.into_iter().collect()
}

/// Returns the time of the fastest of some commands.
fn fastest(synguard: &Synguard) -> Duration {
    let time = |i: u32| {
        let begun = Instant::now();
        run(synguard, &["block", "add", &format!("10.0.0.{i}")]);
        begun.elapsed()
    };
    (1..6).map(time).min().unwrap()
}

#[test]
fn killed_command_leaves_one_of_two_states() {
    let kills = environment::number(VARIABLE, KILLS);
    let (_lab, synguard) = attached();
    let mut whole = fastest(&synguard);
    let mut random = Random(7);
    let mut before = set(stored(&synguard));
    let (mut done, mut undone, mut round) = (0, 0, 0);
    while done + undone < kills {
        round += 1;
        assert!(round < 4 * kills, "of {round} commands only {} were killed", done + undone);
        let (args, input, after) = change(&mut random, &before, round);
        let delay = whole.mul_f64(0.25 + random.below(1_000) as f64 / 1_000.0);
        let was_killed = kill(&synguard, &args, &input, delay);
        // A machine that gets busier, or less so, makes commands slower or faster.
        whole = whole.mul_f64(if was_killed { 1.01 } else { 0.98 });
        let now = set(stored(&synguard));
        assert!(now == before || now == after, "round {round}: {args:?} left neither of two states");
        match (was_killed, now == after) {
            (true, true) => done += 1,
            (true, false) => undone += 1,
            (false, is_after) => assert!(is_after, "round {round}: {args:?} was not killed"),
        }
        // The next command, a takeover and a restart alike make the filter agree with the disk.
        match round % 16 {
            7 => drop(attach(&synguard)),
            15 => drop(restart(&synguard)),
            _ => {}
        }
        if round % 2 == 1 {
            assert_eq!(set(targets(&synguard, "block")), now, "round {round}: {args:?}");
        }
        before = now;
    }
    println!("{kills} of {round} killed: {done} after the change was made, {undone} before");
    assert!(done > 0 && undone > 0, "{done} after the change, {undone} before");
}

//! Resource usage with a million entries. The figures are printed; only memory is checked. To measure every verb with a
//! million and the program that is shipped:
//! `SYNGUARD_BIN=target/release/synguard LIST_TARGETS=1000000 cargo test -p synguard-tests --test lab_lists many -- --nocapture`

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Command, Stdio},
};

use synguard_tests::{
    environment,
    lab::DEVICE,
    list_fixture,
    program::Synguard,
    usage::{Usage, measure},
};

use super::{attached, run};

const MILLION: u32 = 1_000_000;
const MIB: u64 = 1024 * 1024;
const MEMORY_MAX: u64 = 300 * MIB;
/// The environment variable that sets the number of targets to try every verb with.
const VARIABLE: &str = "LIST_TARGETS";

/// Runs a command that has to succeed, and returns its resource usage.
fn measured(synguard: &Synguard, args: &[&str], output: &Path) -> Usage {
    let stderr = output.with_extension("stderr");
    let mut command = synguard.command(args);
    command.stdin(Stdio::null()).stdout(File::create(output).unwrap()).stderr(File::create(&stderr).unwrap());
    let (status, usage) = measure(&mut command).unwrap();
    assert!(status.success(), "{args:?}: {}", fs::read_to_string(&stderr).unwrap());
    usage
}

/// Runs a command, and prints its resource usage and the last line of its output.
#[expect(clippy::print_stdout, reason = "figures are for whoever asks for them")]
fn report(synguard: &Synguard, args: &[&str], output: &Path, targets: u32) {
    let Usage { time, memory } = measured(synguard, args, output);
    let shown: Vec<_> = args.iter().map(|arg| if arg.starts_with('/') { "FILE" } else { arg }).collect();
    let (shown, memory_mib) = (shown.join(" "), memory / MIB);
    println!("{targets} targets: {shown:40} {time:>10.2?} {memory_mib:>5} MiB  {:.70}", last_line(output));
    assert!(memory <= MEMORY_MAX, "{shown} took {memory_mib} MiB");
}

/// Returns the last line without reading the rest: the memory of this process at its start counts for a child.
fn last_line(path: &Path) -> String {
    let file = File::open(path).unwrap();
    let length = file.metadata().unwrap().len();
    let mut tail = vec![0; length.min(512) as usize];
    let begin = length - tail.len() as u64;
    file.read_exact_at(&mut tail, begin).unwrap();
    String::from_utf8_lossy(&tail).trim_end().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_million_targets_are_imported() {
    let (_lab, synguard) = attached();
    let root = synguard.dirs().root();
    let (list, output) = (root.join("list"), root.join("output"));
    list_fixture::write(&list, MILLION).unwrap();
    let file = list.to_str().unwrap();
    report(&synguard, &["block", "import", file], &output, MILLION);
    let entries = &synguard.status_json().unwrap()["blocklist"]["entries"];
    assert_eq!(entries.as_u64(), Some(MILLION.into()));
    report(&synguard, &["block", "flush"], &output, MILLION);
}

#[test]
fn every_verb_with_many() {
    let targets = environment::number(VARIABLE, 100_000);
    let (_lab, synguard) = attached();
    let root = synguard.dirs().root();
    let (list, first, second) = (root.join("list"), root.join("first"), root.join("second"));
    list_fixture::write(&list, targets).unwrap();
    let file = list.to_str().unwrap();
    for args in [
        &["block", "import", file][..],
        &["block", "import", file],
        &["block", "import", file, "--replace"],
        &["block", "import", file, "--replace", "--aggregate"],
        &["block", "add", "192.0.2.1"],
        &["block", "check", "192.0.2.1"],
        &["block", "list", "--json"],
        &["block", "list"],
        &["block", "export"],
        &["detach"],
        &["attach", DEVICE, "--no-control"],
        &["block", "del", "192.0.2.1"],
    ] {
        report(&synguard, args, &first, targets);
    }
    measured(&synguard, &["block", "export"], &first);
    measured(&synguard, &["block", "import", first.to_str().unwrap(), "--replace"], &second);
    measured(&synguard, &["block", "export"], &second);
    let same = Command::new("cmp").args([&first, &second]).status().unwrap().success();
    assert!(same, "what was exported was not imported");
    report(&synguard, &["block", "flush"], &second, targets);
    assert!(run(&synguard, &["block", "list"]).contains("is empty"));
}

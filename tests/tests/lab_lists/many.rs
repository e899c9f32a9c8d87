//! A million entries: what they take. The figures are printed; only memory is judged. To measure every verb with a
//! million and the program that is shipped:
//! `SYNGUARD_BIN=target/release/synguard LIST_TARGETS=1000000 cargo test -p synguard-tests --test lab_lists many -- --nocapture`

use std::{
    env,
    fs::File,
    io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use synguard_tests::{lab::DEVICE, program::Synguard};

use super::{attached, run};

const MILLION: u32 = 1_000_000;
const MIB: i64 = 1024 * 1024;
const MEMORY_MAX: i64 = 300 * MIB;
/// Names how many targets to try every verb with.
const VARIABLE: &str = "LIST_TARGETS";

/// Writes a list of addresses and networks of both families, in no order.
fn write(path: &Path, targets: u32) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    for i in 0..targets {
        let mixed = i.wrapping_mul(2_654_435_761);
        let [a, b, c, d] = mixed.to_be_bytes();
        let line = match i % 10 {
            0 => format!("{}.{b}.{c}.0/24", 1 + a % 100),
            1 => format!("2001:db8:{a:x}{b:02x}:{c:x}{d:02x}::/64"),
            2 => format!("2001:db8::{a:x}{b:02x}:{c:x}{d:02x}"),
            _ => format!("{}.{b}.{c}.{d}", 1 + a % 100),
        };
        writeln!(out, "{line}").unwrap();
    }
}

/// Runs a command that works and says how long it took and how much memory it had at most, in bytes.
#[expect(clippy::zombie_processes, reason = "it is waited for by wait4")]
fn measure(synguard: &Synguard, args: &[&str], output: &Path) -> (Duration, i64) {
    let mut command = synguard.command(args);
    let said = output.with_extension("said");
    command.stdin(Stdio::null()).stdout(File::create(output).unwrap()).stderr(File::create(&said).unwrap());
    let begun = Instant::now();
    let child = command.spawn().unwrap();
    let (mut status, mut usage) = (0, no_usage());
    // SAFETY: the child is ours and was not waited for; both pointers are to values that outlive the call.
    let waited = unsafe { libc::wait4(child.id() as libc::pid_t, &raw mut status, 0, &raw mut usage) };
    let said = std::fs::read_to_string(&said).unwrap();
    assert_eq!((waited, status), (child.id() as libc::pid_t, 0), "{args:?}: {said}");
    (begun.elapsed(), usage.ru_maxrss * 1024)
}

fn no_usage() -> libc::rusage {
    // SAFETY: all zeros is a valid `rusage`.
    unsafe { std::mem::zeroed() }
}

/// Runs a command, and prints what it took and the last line of what it said.
#[expect(clippy::print_stdout, reason = "figures are for whoever asks for them")]
fn report(synguard: &Synguard, args: &[&str], output: &Path, targets: u32) {
    let (time, memory) = measure(synguard, args, output);
    let shown: Vec<_> = args.iter().map(|arg| if arg.starts_with('/') { "FILE" } else { arg }).collect();
    let (shown, memory_mib) = (shown.join(" "), memory / MIB);
    println!("{targets} targets: {shown:40} {time:>10.2?} {memory_mib:>5} MiB  {:.70}", last_line(output));
    assert!(memory <= MEMORY_MAX, "{shown} took {memory_mib} MiB");
}

/// Without reading the rest: the memory of this process at its start counts for a child.
fn last_line(path: &Path) -> String {
    let mut file = File::open(path).unwrap();
    let end = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(end.saturating_sub(512))).unwrap();
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).unwrap();
    String::from_utf8_lossy(&tail).trim_end().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_million_targets_are_imported_and_replaced() {
    let (_lab, synguard) = attached();
    let root = synguard.dirs().root();
    let (list, output) = (root.join("list"), root.join("output"));
    write(&list, MILLION);
    let file = list.to_str().unwrap();
    for args in [&["block", "import", file][..], &["block", "import", file, "--replace"]] {
        report(&synguard, args, &output, MILLION);
        let entries = &synguard.status_json().unwrap()["blocklist"]["entries"];
        assert_eq!(entries.as_u64(), Some(MILLION.into()), "{args:?}");
    }
    report(&synguard, &["block", "flush"], &output, MILLION);
}

#[test]
fn every_verb_with_many() {
    let targets = env::var(VARIABLE).map_or(100_000, |number| number.parse().unwrap());
    let (_lab, synguard) = attached();
    let root = synguard.dirs().root();
    let (list, first, second) = (root.join("list"), root.join("first"), root.join("second"));
    write(&list, targets);
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
    measure(&synguard, &["block", "export"], &first);
    measure(&synguard, &["block", "import", first.to_str().unwrap(), "--replace"], &second);
    measure(&synguard, &["block", "export"], &second);
    let same = Command::new("cmp").args([&first, &second]).status().unwrap().success();
    assert!(same, "what was exported was not imported");
    report(&synguard, &["block", "flush"], &second, targets);
    assert!(run(&synguard, &["block", "list"]).contains("is empty"));
}

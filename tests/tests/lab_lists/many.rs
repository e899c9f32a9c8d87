//! A million entries: what they take. The figures are printed; only memory is judged.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use synguard_tests::program::Synguard;

use super::{attached, run};

/// In a program that was not optimised a tenth has to do.
const TARGETS: u32 = 1_000_000;
const MIB: i64 = 1024 * 1024;

/// Writes a list of addresses and networks of both families, in no order.
fn write(path: &Path) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    for i in 0..TARGETS {
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

#[test]
fn a_million_targets() {
    let (_lab, synguard) = attached();
    let root = synguard.dirs().root();
    let (list, first, second) = (root.join("list"), root.join("first"), root.join("second"));
    write(&list);
    let file = list.to_str().unwrap();
    for args in [
        &["block", "import", file][..],
        &["block", "import", file, "--replace"],
        &["block", "add", "192.0.2.1"],
        &["block", "check", "192.0.2.1"],
        &["block", "list", "--json"],
        &["block", "list"],
        &["block", "export"],
        &["detach"],
        &["attach", synguard_tests::lab::DEVICE, "--no-control"],
        &["block", "del", "192.0.2.1"],
    ] {
        let (time, memory) = measure(&synguard, args, &first);
        let shown: Vec<_> = args.iter().map(|arg| if *arg == file { "FILE" } else { arg }).collect();
        let said = std::fs::read_to_string(&first).unwrap();
        let last = said.trim_end().lines().last().unwrap_or_default();
        println!(
            "{TARGETS} targets: {:40} {time:>10.2?} {:>5} MiB  {last:.70}",
            shown.join(" "),
            memory / MIB
        );
        assert!(memory <= 300 * MIB, "{} MiB", memory / MIB);
    }
    measure(&synguard, &["block", "export"], &first);
    measure(&synguard, &["block", "import", first.to_str().unwrap(), "--replace"], &second);
    measure(&synguard, &["block", "export"], &second);
    assert!(
        std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap(),
        "what was exported was not imported"
    );
    let (time, memory) = measure(&synguard, &["block", "flush"], &second);
    println!("{TARGETS} targets: {:40} {time:>10.2?} {:>5} MiB", "block flush", memory / MIB);
    assert!(run(&synguard, &["block", "list"]).contains("is empty"));
}

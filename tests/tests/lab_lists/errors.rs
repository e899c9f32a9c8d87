//! Every way in which a list is not changed: one line that names the fault and the remedy, and nothing changed.

use std::{
    fs,
    time::{Duration, Instant},
};

use synguard_kernel::{instance::Instance, lock::Lock};
use synguard_tests::program::Synguard;

use super::{assert_fails, attached, entries, run, run_with, stored, targets};

/// Asserts that the blocklist is as it was, in the filter and on the disk.
#[track_caller]
pub(super) fn unchanged(synguard: &Synguard, before: &[&str]) {
    assert_eq!(targets(synguard, "block"), before);
    assert_eq!(stored(synguard), before);
}

#[test]
fn a_bad_value_is_named() {
    let (_lab, synguard) = attached();
    for (args, words) in [
        (&["add", "192.0.2.1", "192.0.2"][..], &["192.0.2", "not an address or CIDR"][..]),
        (&["add", "192.0.2.0/33"], &["192.0.2.0/33", "0 to 32"]),
        (&["add", "bad.example.com"], &["bad.example.com", "name"]),
        (&["add", "10.0.0.1-10.0.0.9"], &["range", "CIDRs"]),
        (&["add", "fe80::1%eth0"], &["%"]),
        (&["add"], &["TARGET"]),
        (&["add", "192.0.2.1", "--ttl", "5x"], &["--ttl", "3600 (seconds)", "forever"]),
        (&["add", "192.0.2.1", "--ttl", "0s"], &["--ttl", "1ms to 3650d"]),
        (&["add", "192.0.2.1", "--scope", "tcp"], &["--scope", "syn"]),
        (&["del"], &["TARGET"]),
        (&["del", "x"], &["x", "not an address"]),
        (&["check", "192.0.2.0/24"], &["192.0.2.0/24", "one address"]),
        (&["import"], &["FILE"]),
        (&["import", "/nonexistent/list"], &["/nonexistent/list", "No such file"]),
        (&["import", "/"], &["cannot read /", "directory"]),
        (&["frobnicate"], &["frobnicate"]),
    ] {
        assert_fails(&synguard.run(&[&["block"], args].concat()).unwrap(), 2, words);
    }
    unchanged(&synguard, &[]);
}

#[test]
fn missing_target_is_noted_and_the_others_go() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.0/24"]);
    for (target, words) in [
        ("192.0.2.7", &["192.0.2.7 is not in the blocklist", "192.0.2.0/24 in it covers"][..]),
        ("192.0.2.0/25", &["192.0.2.0/25 is not in", "192.0.2.0/24"]),
        ("203.0.113.1", &["203.0.113.1 is not in", "block list"]),
        ("::/0", &["::/0 is not in"]),
    ] {
        run(&synguard, &["block", "add", "198.51.100.1"]);
        let output = run_with(&synguard, &["block", "del", "198.51.100.1", target], "");
        assert_eq!(output.stdout, "198.51.100.1 removed from the blocklist\n");
        assert!(words.iter().all(|words| output.stderr.contains(words)), "{}", output.stderr);
        unchanged(&synguard, &["192.0.2.0/24"]);
    }
    let nothing = run_with(&synguard, &["allow", "del", "198.51.100.1"], "");
    assert_eq!(nothing.stdout, "nothing to remove from the allowlist\n");
    assert!(nothing.stderr.contains("198.51.100.1 is not in the allowlist"), "{}", nothing.stderr);
}

#[test]
fn a_bad_line_fails_the_whole_import() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1"]);
    let path = synguard.dirs().root().join("bad.list");
    let file = path.to_str().unwrap();
    for (text, words) in [
        ("203.0.113.1\n# x\nnonsense\n", &[":3: `nonsense`", "not an address"][..]),
        ("203.0.113.1\n203.0.113.0/40\n", &[":2:", "0 to 32"]),
        ("203.0.113.1 203.0.113.2\n", &[":1:", "not an attribute"]),
        ("203.0.113.1\n203.0.113.2 ttl=5\n", &[":2:", "ttl=5", "5s"]),
        ("203.0.113.1\n203.0.113.2 reason=\"x\n", &[":2:", "closing quote"]),
        ("203.0.113.1\nwww.example.com\n", &[":2:", "is a name"]),
        ("203.0.113.1\n\u{1}\0\u{2}", &[":2:", "not a line of text"]),
    ] {
        fs::write(&path, text).unwrap();
        for extra in [&[][..], &["--replace"], &["--aggregate"]] {
            let output = synguard.run(&[&["block", "import", file], extra].concat()).unwrap();
            assert_fails(&output, 2, &[&[file, "nothing was changed"], words].concat());
        }
    }
    fs::write(&path, [0x1f, 0x8b, 0x08, 0x00, 0xff, 0xfe, 0x00]).unwrap();
    assert_fails(&synguard.run(&["block", "import", file]).unwrap(), 2, &[":1:", "compressed"]);
    let piped = synguard.run_with_input(&["block", "import", "-"], "x\n").unwrap();
    assert_fails(&piped, 2, &["standard input:1: `x`"]);
    unchanged(&synguard, &["192.0.2.1"]);
}

#[test]
fn targets_beyond_capacity_are_not_on_disk() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "2001:db8::/32", "--reason", "stays"]);
    let lengths: String =
        (48..113).map(|length| format!("2001:db8:ffff:ffff:ffff:ffff:ffff:0/{length}\n")).collect();
    for extra in [&[][..], &["--replace"]] {
        let output = synguard.run_with_input(&[&["block", "import", "-"], extra].concat(), &lengths).unwrap();
        assert_fails(&output, 1, &["the blocklist was not changed", "64 different lengths"]);
        unchanged(&synguard, &["2001:db8::/32"]);
        assert_eq!(entries(&synguard, "block")[0]["reason"], "stays");
    }
    super::restart(&synguard);
    unchanged(&synguard, &["2001:db8::/32"]);
}

#[test]
fn waiting_for_another_change_times_out() {
    let (_lab, synguard) = attached();
    let dirs = synguard.dirs();
    let instance = Instance::new("default", &dirs.bpffs(), &dirs.run_dir(), &dirs.state_dir());
    let lock = Lock::change(&instance).unwrap();
    let begun = Instant::now();
    let output = synguard.run(&["block", "add", "192.0.2.1"]).unwrap();
    assert_fails(&output, 5, &["default/lock", "another synguard", "try again"]);
    assert!(begun.elapsed() >= Duration::from_secs(5), "it should wait a while");
    drop(lock);
    unchanged(&synguard, &[]);
    run(&synguard, &["block", "add", "192.0.2.1"]);
}

//! Every way in which a list is not changed: one line that names the fault and the remedy, and nothing changed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use synguard_kernel::{instance::Instance, lock::Lock};
use synguard_tests::{lab::Lab, program::Synguard};

use super::{assert_fails, attached, entries, run, stored, targets};

/// Asserts that the blocklist is as it was, in the filter and on the disk.
#[track_caller]
pub(super) fn unchanged(synguard: &Synguard, before: &[&str]) {
    assert_eq!(targets(synguard, "block"), before);
    assert_eq!(stored(synguard), before);
}

#[test]
fn without_a_filter_every_verb_says_so() {
    let lab = Lab::new().unwrap();
    let synguard = Synguard::new(&lab).unwrap();
    for list in ["block", "allow"] {
        for args in [
            &["add", "192.0.2.1"][..],
            &["del", "192.0.2.1"],
            &["list"],
            &["list", "--json"],
            &["import", "-"],
            &["export"],
            &["flush"],
            &["check", "192.0.2.1"],
        ] {
            let output = synguard.run(&[&[list], args].concat()).unwrap();
            assert_fails(&output, 3, &["not attached", "synguard attach"]);
        }
    }
    assert!(!synguard.dirs().run_dir().join("default").exists());
    assert!(!synguard.dirs().state_dir().join("default").exists());
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
        (&["add", "192.0.2.1", "--ttl", "5"], &["--ttl", "5s"]),
        (&["add", "192.0.2.1", "--ttl", "0s"], &["--ttl", "1ms to 3650d"]),
        (&["add", "192.0.2.1", "--reason", ""], &["--reason", "1 to 256 bytes"]),
        (&["add", "192.0.2.1", "--reason", "a\nb"], &["--reason", "1 to 256 bytes"]),
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
fn missing_target_keeps_the_rest_in_the_list() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.0/24", "198.51.100.1"]);
    let before = ["192.0.2.0/24", "198.51.100.1"];
    for (target, words) in [
        ("192.0.2.7", &["192.0.2.7 is not in the blocklist", "192.0.2.0/24 in it covers"][..]),
        ("192.0.2.0/25", &["192.0.2.0/25 is not in", "192.0.2.0/24"]),
        ("203.0.113.1", &["203.0.113.1 is not in", "block list"]),
        ("::/0", &["::/0 is not in"]),
    ] {
        let output = synguard.run(&["block", "del", "198.51.100.1", target]).unwrap();
        assert_fails(&output, 1, words);
        unchanged(&synguard, &before);
    }
    assert_fails(&synguard.run(&["allow", "del", "198.51.100.1"]).unwrap(), 1, &["not in the allowlist"]);
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
fn a_state_that_cannot_be_written_changes_nothing() {
    let (_lab, synguard) = attached();
    let state = synguard.dirs().state_dir().join("default");
    fs::write(&state, "in the way").unwrap();
    let path = state.to_str().unwrap();
    for args in [&["add", "192.0.2.1"][..], &["import", "-", "--replace"]] {
        let output = synguard.run_with_input(&[&["block"], args].concat(), "192.0.2.1\n").unwrap();
        assert_fails(&output, 1, &[path]);
    }
    fs::remove_file(&state).unwrap();
    unchanged(&synguard, &[]);
}

/// A small file system; dropping the guard unmounts it.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let mount = |args: &[&str]| Command::new("mount").args(args).arg(at).status().unwrap();
        assert!(mount(&["-t", "tmpfs", "-o", "size=64k", "none"]).success());
        Self(at.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
fn a_full_disk_changes_nothing() {
    let (_lab, synguard) = attached();
    let state = synguard.dirs().state_dir().join("default");
    let _small = Small::mount(&state);
    run(&synguard, &["block", "add", "192.0.2.1"]);
    let many: String = (0..10_000).map(|i| format!("10.0.{}.{}\n", i / 256, i % 256)).collect();
    for args in [&["import", "-"][..], &["import", "-", "--replace"]] {
        let output = synguard.run_with_input(&[&["block"], args].concat(), &many).unwrap();
        assert_fails(&output, 1, &[state.to_str().unwrap(), "nothing was changed", "--state-dir"]);
        unchanged(&synguard, &["192.0.2.1"]);
    }
    let rest = fs::read_dir(&state).unwrap().count();
    assert_eq!(rest, 1, "something was left behind");
    // A change that fits into the remaining room is still accepted.
    run(&synguard, &["block", "add", "192.0.2.2"]);
    unchanged(&synguard, &["192.0.2.1", "192.0.2.2"]);
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

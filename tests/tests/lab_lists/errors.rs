//! Every way in which a list is not changed: one line that names the thing and the remedy, and nothing changed.

use std::fs;

use synguard_tests::{
    lab::{DEVICE, Lab},
    program::Synguard,
};

use super::{attached, fails, run, run_with, stored, targets};

/// Asserts that a list is as it was, in the filter and on the disk.
#[track_caller]
fn unchanged(synguard: &Synguard, before: &[&str]) {
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
            fails(&output, 3, &["not attached", "synguard attach"]);
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
        fails(&synguard.run(&[&["block"], args].concat()).unwrap(), 2, words);
    }
    unchanged(&synguard, &[]);
}

#[test]
fn what_is_not_in_the_list_is_not_taken_out_and_neither_is_the_rest() {
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
        fails(&output, 1, words);
        unchanged(&synguard, &before);
    }
    fails(&synguard.run(&["allow", "del", "198.51.100.1"]).unwrap(), 1, &["not in the allowlist"]);
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
        ("203.0.113.1 203.0.113.2\n", &[":1:", "no attribute"]),
        ("203.0.113.1\n203.0.113.2 ttl=5\n", &[":2:", "ttl=5", "5s"]),
        ("203.0.113.1\n203.0.113.2 reason=\"x\n", &[":2:", "closing quote"]),
        ("203.0.113.1\nwww.example.com\n", &[":2:", "is a name"]),
        ("203.0.113.1\n\u{1}\0\u{2}", &[":2:", "not a line of text"]),
    ] {
        fs::write(&path, text).unwrap();
        for extra in [&[][..], &["--replace"], &["--aggregate"]] {
            let output = synguard.run(&[&["block", "import", file], extra].concat()).unwrap();
            fails(&output, 2, &[&[file, "nothing was changed"], words].concat());
        }
    }
    fs::write(&path, [0x1f, 0x8b, 0x08, 0x00, 0xff, 0xfe, 0x00]).unwrap();
    fails(&synguard.run(&["block", "import", file]).unwrap(), 2, &[":1:", "compressed"]);
    let piped = synguard.run_with_input(&["block", "import", "-"], "x\n").unwrap();
    fails(&piped, 2, &["standard input:1: `x`"]);
    unchanged(&synguard, &["192.0.2.1"]);
}

#[test]
fn what_must_not_be_locked_out_is_not_blocked() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1"]);
    for (target, words) in [
        ("198.18.0.1", &["198.18.0.1 is an address of this host"][..]),
        ("198.18.0.0/16", &["198.18.0.0/16 covers 198.18.0.1"]),
        ("198.18.0.254", &["198.18.0.254 is a default gateway"]),
        ("fd00:5e::fe", &["fd00:5e::fe is a default gateway"]),
        ("127.0.0.1", &["loopback"]),
        ("0.0.0.0/0", &["0.0.0.0/0 covers"]),
    ] {
        let output = synguard.run(&["block", "add", "203.0.113.1", target]).unwrap();
        fails(&output, 2, &[words, &["--force", "nothing was changed"]].concat());
        let list = format!("203.0.113.1\n{target} # x\n");
        let output = synguard.run_with_input(&["block", "import", "-"], &list).unwrap();
        fails(&output, 2, &[words, &["standard input:2: ", "--force", "nothing was changed"]].concat());
    }
    unchanged(&synguard, &["192.0.2.1"]);
    run(&synguard, &["block", "add", "198.18.0.254", "--force"]);
    run_with(&synguard, &["block", "import", "-", "--force"], "198.18.0.1\n");
    unchanged(&synguard, &["192.0.2.1", "198.18.0.1", "198.18.0.254"]);
    // To let pass is no danger.
    run(&synguard, &["allow", "add", "198.18.0.1"]);
    // What was forced stays, but is said at the next attach.
    let said = super::restart(&synguard);
    assert!(said.contains("198.18.0.1 is an address of this host"), "{said}");
}

#[test]
fn a_list_that_would_be_too_long_changes_nothing() {
    let lab = Lab::new().unwrap();
    let synguard = Synguard::new(&lab).unwrap();
    let attach = ["attach", DEVICE, "--no-control", "--max-list", "1024"];
    run(&synguard, &attach);
    let lines =
        |count: u32| -> String { (0..count).map(|i| format!("10.0.{}.{}\n", i / 256, i % 256)).collect() };
    run_with(&synguard, &["block", "import", "-"], &lines(1_023));
    let before = targets(&synguard, "block");
    let many = lines(1_025);
    for (args, input) in [
        (&["add", "192.0.2.1", "192.0.2.2"][..], ""),
        (&["import", "-"], &many[..]),
        (&["import", "-", "--replace"], &many),
    ] {
        let output = synguard.run_with_input(&[&["block"], args].concat(), input).unwrap();
        fails(&output, 1, &["blocklist", "1025", "1024", "--max-list", "nothing was changed"]);
        assert_eq!(targets(&synguard, "block"), before);
        assert_eq!(stored(&synguard), before);
    }
    // Entries that are there already need no room, and neither do those whose time is over.
    run(&synguard, &["block", "add", "192.0.2.1", "10.0.0.1", "--ttl", "100ms"]);
    let mut tries = 0;
    super::until("room", || {
        tries += 1;
        synguard.run(&["block", "add", "192.0.2.2", "10.0.0.2"]).unwrap().code == Some(0)
    });
    // A list on the disk that is longer than a smaller capacity is not cut.
    run(&synguard, &["detach"]);
    run(&synguard, &["attach", DEVICE, "--no-control", "--max-list", "4096"]);
    run_with(&synguard, &["block", "import", "-"], &lines(2_000));
    run(&synguard, &["detach"]);
    fails(&synguard.run(&attach).unwrap(), 2, &["max-list = 1024", "at least 2001", "blocklist"]);
    assert_eq!(synguard.run(&["status"]).unwrap().code, Some(3));
}

#[test]
fn a_state_that_cannot_be_written_changes_nothing() {
    let (_lab, synguard) = attached();
    let state = synguard.dirs().state_dir().join("default");
    fs::write(&state, "in the way").unwrap();
    let path = state.to_str().unwrap();
    for args in [&["add", "192.0.2.1"][..], &["import", "-", "--replace"]] {
        let output = synguard.run_with_input(&[&["block"], args].concat(), "192.0.2.1\n").unwrap();
        fails(&output, 1, &[path]);
    }
    fs::remove_file(&state).unwrap();
    unchanged(&synguard, &[]);
}

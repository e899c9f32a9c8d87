//! Commands as other programs give them: times, reasons and repetitions that no person would type, and JSON.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, process::Stdio};

use serde_json::json;
use synguard_tests::{program::Synguard, steps::lab};

use super::{assert_fails, attached, entries, errors::unchanged, json, run, run_with, targets};

#[test]
fn times_of_other_programs_are_understood() {
    let (_lab, synguard) = attached();
    for (ttl, seconds) in [
        (&["--ttl", "3600"][..], Some(3_600)),
        (&["--ttl", "3h59m46.163659811s"], Some(14_386)),
        (&["--ttl", "1w"], Some(604_800)),
        (&["--ttl", "forever"], None),
        (&["--ttl", "-1"], None),
        (&["--ttl=-1"], None),
    ] {
        run(&synguard, &[&["block", "add", "192.0.2.1"], ttl].concat());
        let left = entries(&synguard, "block")[0]["ttl_seconds_left"].as_u64();
        let is_right = match (left, seconds) {
            (Some(left), Some(seconds)) => (seconds - 10..=seconds).contains(&left),
            (left, seconds) => left == seconds,
        };
        assert!(is_right, "{ttl:?}: {left:?}");
    }
    for bad in ["0", "-2", "1y", ""] {
        let output = synguard.run(&["block", "add", "192.0.2.1", "--ttl", bad]).unwrap();
        assert_fails(&output, 2, &["--ttl", "1ms to 3650d", "forever"]);
    }
}

#[test]
fn any_reason_is_cleaned_and_cut() {
    let (_lab, synguard) = attached();
    let long = "x".repeat(300);
    for (reason, stored) in [
        ("5 failures\n\tfor root\r\n", json!("5 failures for root")),
        ("\u{1b}[1mbold", json!("[1mbold")),
        (&long, json!("x".repeat(253) + "…")),
        ("", json!(null)),
        ("\n", json!(null)),
    ] {
        run(&synguard, &["block", "add", "192.0.2.1", "--reason", reason]);
        assert_eq!(entries(&synguard, "block")[0]["reason"], stored, "{reason:?}");
        assert_eq!(run(&synguard, &["block", "export"]).lines().count(), 1);
    }
    // Not even text.
    let mut command = synguard.command(["block", "add", "192.0.2.1", "--reason"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.arg(OsStr::from_bytes(b"\xe9t\xe9")).status().unwrap().success());
    assert_eq!(entries(&synguard, "block")[0]["reason"], "\u{fffd}t\u{fffd}");
}

#[test]
fn strict_del_fails_for_a_missing_target() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1"]);
    let output = synguard.run(&["block", "del", "192.0.2.1", "192.0.2.2", "--strict"]).unwrap();
    assert_fails(&output, 1, &["192.0.2.2 is not in the blocklist", "nothing was changed"]);
    unchanged(&synguard, &["192.0.2.1"]);
    run(&synguard, &["block", "del", "192.0.2.1", "--strict"]);
    unchanged(&synguard, &[]);
}

/// Asserts the numbers of a change: added, replaced, removed, missing, and the entries afterwards.
#[track_caller]
fn assert_change(synguard: &Synguard, args: &[&str], numbers: [u64; 5]) -> serde_json::Value {
    let change = json(synguard, &[args, &["--json"]].concat());
    let keys = ["added", "replaced", "removed", "missing", "entries"];
    assert_eq!(keys.map(|key| change[key].as_u64().unwrap()), numbers, "{change}");
    assert_eq!(change["list"], args[0]);
    change
}

#[test]
fn json_says_what_changed() {
    for (is_attached, (_lab, synguard)) in [(true, attached()), (false, lab())] {
        let file = synguard.dirs().root().join("feed");
        std::fs::write(&file, "198.51.100.1\n198.51.100.2\n").unwrap();
        let file = file.to_str().unwrap();
        for list in ["block", "allow"] {
            let change = assert_change(&synguard, &[list, "add", "192.0.2.1"], [1, 0, 0, 0, 1]);
            assert_eq!(change["attached"], is_attached);
            let change = assert_change(
                &synguard,
                &[list, "add", "192.0.2.77/24", "192.0.2.1", "192.0.2.1/32"],
                [1, 1, 0, 0, 2],
            );
            assert_eq!(
                change["targets"],
                json!([
                    { "target": "192.0.2.0/24", "change": "added" },
                    { "target": "192.0.2.1", "change": "replaced" },
                ])
            );
            let change = assert_change(
                &synguard,
                &[list, "del", "192.0.2.1", "192.0.2.9", "192.0.2.1"],
                [0, 0, 1, 1, 1],
            );
            assert_eq!(
                change["targets"],
                json!([
                    { "target": "192.0.2.1", "change": "removed" },
                    { "target": "192.0.2.9", "change": "missing" },
                ])
            );
            assert_change(&synguard, &[list, "del", "192.0.2.9"], [0, 0, 0, 1, 1]);
            assert_change(&synguard, &[list, "add", "198.51.100.2"], [1, 0, 0, 0, 2]);
            let import = [list, "import", file];
            assert_eq!(assert_change(&synguard, &import, [1, 1, 0, 0, 3])["targets"], json!([]));
            assert_change(&synguard, &[list, "import", file, "--replace"], [0, 2, 1, 0, 2]);
            assert_change(&synguard, &[list, "flush"], [0, 0, 2, 0, 0]);
        }
    }
}

/// Every verb that a script uses while the filter restarts; the next attach enforces the outcome.
#[test]
fn bans_during_a_restart_are_kept() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1", "192.0.2.2"]);
    run(&synguard, &["detach"]);
    for _ in 0..2 {
        run(&synguard, &["block", "del", "192.0.2.1"]);
        run(&synguard, &["block", "add", "192.0.2.3", "--ttl", "-1"]);
        run_with(&synguard, &["block", "import", "-"], "192.0.2.4\n");
    }
    assert!(run(&synguard, &["block", "check", "192.0.2.1"]).contains("192.0.2.1 is on neither list"));
    super::attach(&synguard);
    assert_eq!(targets(&synguard, "block"), ["192.0.2.2", "192.0.2.3", "192.0.2.4"]);
    assert_eq!(json(&synguard, &["block", "check", "192.0.2.1", "--json"])["verdict"], "unlisted");
}

//! What survives a restart.

use synguard::clock;
use synguard_tests::lab::DEVICE;

use super::{attach, attached, entries, restart, run, run_with, targets, until};

#[test]
fn lists_survive_a_restart_with_the_time_they_have_left() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1", "--ttl", "1h", "--reason", "scan", "--scope", "syn"]);
    run_with(&synguard, &["block", "import", "-"], "198.51.100.0/24\n2001:db8::/32 reason=\"a b\"\n");
    run(&synguard, &["allow", "add", "203.0.113.0/24", "--ttl", "2d"]);
    let before: Vec<_> = ["block", "allow"].iter().map(|list| entries(&synguard, list)).collect();
    for _ in 0..2 {
        let said = restart(&synguard);
        assert!(said.contains("blocklist: 3 entries restored"), "{said}");
        assert!(said.contains("allowlist: 1 entry restored"), "{said}");
        for (list, before) in ["block", "allow"].iter().zip(&before) {
            let after = entries(&synguard, list);
            assert_eq!(after.len(), before.len());
            for (after, before) in after.iter().zip(before) {
                for key in ["target", "scope", "origin", "reason", "created", "expires_at"] {
                    assert_eq!(after[key], before[key], "{key}");
                }
                let left = |entry: &serde_json::Value| entry["ttl_seconds_left"].as_u64();
                if let (Some(after), Some(before)) = (left(after), left(before)) {
                    assert!(after <= before && before - after < 60, "{before} s became {after} s");
                }
            }
        }
    }
}

#[test]
fn a_filter_that_is_taken_over_keeps_its_lists() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1", "--ttl", "1h"]);
    attach(&synguard);
    assert_eq!(targets(&synguard, "block"), ["192.0.2.1"]);
    // With a controller, and after it was killed.
    let running = synguard.attach(&[]).unwrap();
    run(&synguard, &["block", "add", "192.0.2.2"]);
    assert_eq!(targets(&synguard, "block"), ["192.0.2.1", "192.0.2.2"]);
    running.kill().unwrap();
    run(&synguard, &["block", "del", "192.0.2.1"]);
    let running = synguard.attach(&[]).unwrap();
    assert_eq!(targets(&synguard, "block"), ["192.0.2.2"]);
    running.terminate().unwrap();
    run(&synguard, &["attach", DEVICE, "--no-control"]);
    assert_eq!(targets(&synguard, "block"), ["192.0.2.2"]);
}

#[test]
fn what_ends_while_nothing_is_attached_does_not_come_back() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1", "--ttl", "200ms"]);
    run(&synguard, &["block", "add", "192.0.2.2"]);
    run(&synguard, &["detach"]);
    let end = clock::now().wall_ms + 200;
    until("the end", || clock::now().wall_ms > end);
    attach(&synguard);
    assert_eq!(targets(&synguard, "block"), ["192.0.2.2"]);
    assert_eq!(synguard.status_json().unwrap()["blocklist"]["entries"], 1);
}

#[test]
fn what_ends_is_gone_without_a_controller() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1", "--ttl", "300ms"]);
    until("the end", || targets(&synguard, "block").is_empty());
    let check = run(&synguard, &["block", "check", "192.0.2.1"]);
    assert!(check.contains("is unlisted"), "{check}");
    let del = synguard.run(&["block", "del", "192.0.2.1"]).unwrap();
    super::fails(&del, 1, &["not in the blocklist"]);
}

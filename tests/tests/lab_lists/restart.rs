//! State that survives a restart.

use std::{fs, num::NonZeroU64};

use synguard_common::ip_list::List;
use synguard_kernel::clock;
use synguard_lists::store::Store;
use synguard_model::{
    list_entry::{Entry, Origin, Scope},
    time::Now,
};
use synguard_tests::{SECOND_NS, lab::DEVICE};

use super::{attach, attached, entries, eventually, restart, run, run_with, targets};

#[test]
fn lists_survive_a_restart_with_their_time_left() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1", "--ttl", "1h", "--reason", "scan", "--scope", "syn"]);
    run_with(&synguard, &["block", "import", "-"], "198.51.100.0/24\n2001:db8::/32 reason=\"a b\"\n");
    run(&synguard, &["allow", "add", "203.0.113.0/24", "--ttl", "2d"]);
    let before: Vec<_> = ["block", "allow"].iter().map(|list| entries(&synguard, list)).collect();
    for _ in 0..2 {
        let message = restart(&synguard);
        assert!(message.contains("blocklist: 3 entries restored"), "{message}");
        assert!(message.contains("allowlist: 1 entry restored"), "{message}");
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
fn entry_that_expires_while_detached_stays_gone() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1", "--ttl", "200ms"]);
    run(&synguard, &["block", "add", "192.0.2.2"]);
    run(&synguard, &["detach"]);
    let end = clock::now().wall_ms + 200;
    eventually("the end", || clock::now().wall_ms > end);
    attach(&synguard);
    assert_eq!(targets(&synguard, "block"), ["192.0.2.2"]);
    assert_eq!(synguard.status_json().unwrap()["blocklist"]["entries"], 1);
}

#[test]
fn entries_expire_without_a_controller() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1", "--ttl", "300ms"]);
    eventually("the end", || targets(&synguard, "block").is_empty());
    let check = run(&synguard, &["block", "check", "192.0.2.1"]);
    assert_eq!(check, "192.0.2.1 is on neither list\n");
    let del = run_with(&synguard, &["block", "del", "192.0.2.1"], "");
    assert!(del.stderr.contains("not in the blocklist"), "{}", del.stderr);
}

#[test]
fn a_reboot_takes_pins_and_locks_but_no_entry() {
    let (_lab, synguard) = attached();
    let controller = synguard.attach(&[]).unwrap();
    run(&synguard, &["block", "add", "192.0.2.1", "--ttl", "1h", "--reason", "scan"]);
    run(&synguard, &["allow", "add", "2001:db8::/32"]);
    let before = entries(&synguard, "block");
    controller.kill().unwrap();
    // The effect of a reboot: the filter, its pins and the run folder are gone, the state is there.
    run(&synguard, &["detach"]);
    let _ = fs::remove_dir_all(synguard.dirs().run_dir().join("default"));
    attach(&synguard);
    let after = entries(&synguard, "block");
    assert_eq!(
        (&after[0]["expires_at"], &after[0]["reason"]),
        (&before[0]["expires_at"], &before[0]["reason"])
    );
    assert_eq!(targets(&synguard, "allow"), ["2001:db8::/32"]);
}

#[test]
fn time_left_is_right_after_a_reboot() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), List::Block);
    // Up for a month; then off for ten minutes, and five seconds into the next boot.
    let before = Now { wall_ms: 1_800_000_000_000, monotonic_ns: 2_600_000 * SECOND_NS };
    let after = Now { wall_ms: before.wall_ms + 600_000, monotonic_ns: 5 * SECOND_NS };
    // The same, and the wall clock has not been set yet: it shows the time the machine was built.
    let unset = Now { wall_ms: 1_500_000_000_000, ..after };
    let entry = |target: &str, ttl_s: u64| Entry {
        target: target.parse().unwrap(),
        scope: Scope::All,
        origin: Origin::Operator,
        reason: None,
        created_ms: before.wall_ms,
        expires_ms: NonZeroU64::new(before.wall_ms + ttl_s * 1_000),
    };
    let entries = [entry("192.0.2.1", 3_600), entry("192.0.2.2", 599), entry("192.0.2.3", 601)];
    store.replace(&entries).unwrap().commit();
    let restored = |now: Now| -> Vec<(String, u64)> {
        let loaded = store.load(now).unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
        let left = |entry: &Entry| (entry.to_abi(now).1.expires_at_ns - now.monotonic_ns) / SECOND_NS;
        loaded.entries.iter().map(|entry| (entry.target.to_string(), left(entry))).collect()
    };
    let own = |pairs: &[(&str, u64)]| -> Vec<(String, u64)> {
        pairs.iter().map(|&(target, left)| (target.to_owned(), left)).collect()
    };
    assert_eq!(restored(after), own(&[("192.0.2.1", 3_000), ("192.0.2.3", 1)]));
    // Nothing lasts longer than it was made for.
    assert_eq!(restored(unset), own(&[("192.0.2.1", 3_600), ("192.0.2.2", 599), ("192.0.2.3", 601)]));
}

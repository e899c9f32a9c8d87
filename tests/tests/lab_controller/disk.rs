//! A disk that is full or read-only in an attack: the attacker is blocked all the same.

use std::{fs, time::Duration};

use synguard_tests::{mounted::Mounted, program::Synguard, steps::run};

use super::{concentrated, event_names, lab, start, status, until};

/// Time within which a controller tries again.
const RETRY: Duration = Duration::from_secs(13);

fn blocked_targets(synguard: &Synguard) -> Vec<String> {
    let list = synguard.run_json(&["block", "list", "--json"]).unwrap();
    let entries = list["entries"].as_array().unwrap();
    entries.iter().map(|entry| format!("{} {}", entry["target"], entry["origin"])).collect()
}

#[test]
fn offender_is_blocked_although_the_disk_is_full_or_read_only() {
    for is_full in [true, false] {
        let (lab, synguard) = lab(1);
        let state = synguard.dirs().state_dir().join("default");
        fs::create_dir_all(&state).unwrap();
        let mounted = if is_full { Mounted::small(&state) } else { Mounted::read_only(&state) }.unwrap();
        if is_full {
            mounted.fill().unwrap();
        }
        let running = synguard.attach(&["--hold", "1s"]).unwrap();
        let flood = start(&lab, concentrated());
        let blocked = || status(&synguard)["syn"]["blocked"].as_u64().unwrap();
        until("drops by the block", Duration::from_secs(15), || blocked() > 1_000);
        for words in ["11.1.1.1 is blocked for", "the blocklist is in force, but not saved: cannot write"] {
            until(words, RETRY, || running.stderr().contains(words));
        }
        // The next controller does not take the stale files for the list.
        running.kill().unwrap();
        let running = synguard.attach(&["--hold", "1s"]).unwrap();
        let before = blocked();
        until("drops by the block", Duration::from_secs(5), || blocked() > before + 10_000);
        assert_eq!(blocked_targets(&synguard), [r#""11.1.1.1" "auto""#]);
        flood.stop().unwrap();
        if is_full {
            mounted.make_room().unwrap();
            until("a word about it", RETRY, || {
                event_names(&synguard).iter().any(|name| name == "list_saved")
            });
            assert!(
                event_names(&synguard).iter().any(|name| name == "list_not_saved"),
                "it waited for the disk"
            );
        } else {
            drop(mounted);
            until("the file", RETRY, || state.join("block.list").exists());
        }
        running.terminate().unwrap();
        run(&synguard, &["attach", synguard_tests::lab::DEVICE, "--no-control"]);
        assert_eq!(blocked_targets(&synguard), [r#""11.1.1.1" "auto""#]);
    }
}

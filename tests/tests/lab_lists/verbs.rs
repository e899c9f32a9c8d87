//! Each verb without errors.

use serde_json::json;

use super::{attached, entries, json, run, run_with, targets};

#[test]
fn add_list_and_del() {
    let (_lab, synguard) = attached();
    for list in ["block", "allow"] {
        assert!(run(&synguard, &[list, "list"]).contains("is empty"));
        let message = run(&synguard, &[list, "add", "192.0.2.1", "2001:db8::/32", "::ffff:192.0.2.2"]);
        assert!(message.contains("3 targets"), "{message}");
        run(
            &synguard,
            &[list, "add", "10.1.0.0/16", "--ttl", "2h", "--reason", "a \"scan\"", "--scope", "syn"],
        );
        assert_eq!(targets(&synguard, list), ["10.1.0.0/16", "192.0.2.1", "192.0.2.2", "2001:db8::/32"]);
        let [timed, plain, ..] = &*entries(&synguard, list) else { panic!() };
        for (key, value) in [
            ("scope", json!("syn")),
            ("origin", json!("operator")),
            ("reason", json!("a \"scan\"")),
            ("hits", json!(0)),
        ] {
            assert_eq!(timed[key], value, "{key}");
        }
        let left = timed["ttl_seconds_left"].as_u64().unwrap();
        assert!((7_140..=7_200).contains(&left), "{left}");
        let (created, end) = (timed["created"].as_u64().unwrap(), timed["expires_at"].as_u64().unwrap());
        assert_eq!(end - created, 7_200);
        for key in ["reason", "expires_at", "ttl_seconds_left"] {
            assert!(plain[key].is_null(), "{key}");
        }
        assert_eq!((&plain["scope"], plain["created"].is_u64()), (&json!("all"), true));
        let table = run(&synguard, &[list, "list"]);
        let row = table.lines().find(|line| line.starts_with("10.1.0.0/16")).unwrap();
        assert!(row.contains("syn") && row.contains("manual") && row.contains("a \"scan\""), "{table}");
        assert!(row.contains("in 2h") || row.contains("in 1h 59m"), "{table}");
        let lasting = table.lines().find(|line| line.starts_with("192.0.2.1")).unwrap();
        assert!(table.contains("EXPIRES") && lasting.contains("never"), "{table}");
        run(&synguard, &[list, "del", "192.0.2.1/32", "10.1.0.0/16"]);
        assert_eq!(targets(&synguard, list), ["192.0.2.2", "2001:db8::/32"]);
        run(&synguard, &[list, "flush"]);
        assert_eq!(targets(&synguard, list), Vec::<String>::new());
    }
}

#[test]
fn added_entry_replaces_the_old_one() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1", "--ttl", "1h", "--reason", "x"]);
    run(&synguard, &["block", "add", "192.0.2.1"]);
    let all = entries(&synguard, "block");
    assert_eq!(all.len(), 1);
    assert!(all[0]["reason"].is_null() && all[0]["expires_at"].is_null(), "{}", all[0]);
}

#[test]
fn surprising_changes_are_reported() {
    let (_lab, synguard) = attached();
    let masked = run_with(&synguard, &["block", "add", "192.0.2.77/24"], "");
    assert!(
        masked.stderr.contains("host bits") && masked.stderr.contains("192.0.2.0/24"),
        "{}",
        masked.stderr
    );
    let covered = run_with(&synguard, &["block", "add", "192.0.2.1"], "");
    assert!(covered.stderr.contains("is also covered by 192.0.2.0/24"), "{}", covered.stderr);
    let again = run_with(&synguard, &["block", "add", "192.0.2.1", "--ttl", "1h"], "");
    let words =
        "note: replaces the entry of 192.0.2.1 that never expired (all packets, manual, no packet yet)\n";
    assert!(again.stderr.contains(words), "{}", again.stderr);
    assert_eq!(again.stdout, "blocked 192.0.2.1 for 1h\n");
    let still = run_with(&synguard, &["block", "del", "192.0.2.1"], "");
    assert!(
        still.stderr.contains("192.0.2.1 is still blocked, because 192.0.2.0/24 covers it"),
        "{}",
        still.stderr
    );
    assert_eq!(run_with(&synguard, &["block", "del", "192.0.2.0/24"], "").stderr, "");
    run(&synguard, &["allow", "add", "198.51.100.0/24"]);
    let allowed = run_with(&synguard, &["block", "add", "198.51.100.7"], "");
    assert!(allowed.stderr.contains("stays allowed") && allowed.stderr.contains("198.51.100.0/24"));
    for everything in ["0.0.0.0/0", "2000::/3"] {
        let refused = synguard.run(&["allow", "add", "192.0.2.9", everything]).unwrap();
        let remedy =
            format!("nothing was changed; `synguard allow add {everything} --force` allows it anyway");
        assert!(refused.code == Some(2) && refused.stderr.contains(&remedy), "{refused:?}");
        assert_eq!(json(&synguard, &["allow", "list", "--json"])["entries"].as_array().unwrap().len(), 1);
    }
    let everything = run_with(&synguard, &["allow", "add", "0.0.0.0/0", "::/0", "--force"], "");
    for family in ["IPv4", "IPv6"] {
        let words = format!("allows every {family} address: the filter drops no SYN from {family}");
        assert!(everything.stderr.contains(&words), "{}", everything.stderr);
    }
    let feed = run_with(&synguard, &["allow", "import", "-"], "192.0.2.1\n128.0.0.0/1\n");
    assert!(feed.stderr.contains("warning: 128.0.0.0/1 allows 1/2 of all IPv4"), "{}", feed.stderr);
    let nothing = run_with(&synguard, &["block", "import", "-"], "");
    assert!(nothing.stderr.starts_with("warning: standard input has no targets"), "{}", nothing.stderr);
}

#[test]
fn check_says_which_entry_decides() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.0/24", "--reason", "wide"]);
    run(&synguard, &["block", "add", "192.0.2.7", "--reason", "narrow", "--ttl", "1h"]);
    let check = |address: &str| json(&synguard, &["block", "check", address, "--json"]);
    let message = check("192.0.2.7");
    assert_eq!(
        (&message["verdict"], &message["decided_by"]["target"]),
        (&json!("blocked"), &json!("192.0.2.7"))
    );
    assert_eq!(
        (&message["decided_by"]["reason"], &message["decided_by"]["list"]),
        (&json!("narrow"), &json!("block"))
    );
    assert_eq!(
        (message["block"].as_array().unwrap().len(), message["allow"].as_array().unwrap().len()),
        (2, 0)
    );
    assert_eq!(check("192.0.2.8")["decided_by"]["reason"], "wide");
    assert_eq!(
        (&check("192.0.3.1")["verdict"], &check("192.0.3.1")["decided_by"]),
        (&json!("unlisted"), &json!(null))
    );
    run(&synguard, &["allow", "add", "192.0.2.0/28"]);
    for list in ["block", "allow"] {
        let message = json(&synguard, &[list, "check", "::ffff:192.0.2.7", "--json"]);
        assert_eq!(
            (&message["verdict"], &message["decided_by"]["target"]),
            (&json!("allowed"), &json!("192.0.2.0/28"))
        );
    }
    run(&synguard, &["block", "add", "2001:db8::/32", "--scope", "syn"]);
    let message = check("2001:db8::7");
    assert_eq!(
        (&message["verdict"], &message["verdict_other_packets"]),
        (&json!("blocked"), &json!("unlisted"))
    );
    let text = run(&synguard, &["block", "check", "192.0.2.7"]);
    assert!(text.starts_with("192.0.2.7 is allowed: 192.0.2.0/28 is in the allowlist, which wins"), "{text}");
    assert!(text.contains("* allowlist  192.0.2.0/28") && text.contains("  blocklist  192.0.2.7"), "{text}");
    // IPv4 and IPv6 are apart, however wide a prefix is.
    run(&synguard, &["block", "add", "::/0", "--force"]);
    assert_eq!(check("203.0.113.1")["verdict"], "unlisted");
    assert_eq!(check("2001:db9::1")["verdict"], "blocked");
}

#[test]
fn status_counts_entries() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1", "192.0.2.2"]);
    run(&synguard, &["allow", "add", "192.0.2.3"]);
    let status = synguard.status_json().unwrap();
    assert_eq!((&status["blocklist"]["entries"], &status["allowlist"]["entries"]), (&json!(2), &json!(1)));
    assert!(status["blocklist"]["capacity"].as_u64().unwrap() >= 1_000_000);
    let text = run(&synguard, &["status"]);
    assert!(text.contains("lists        blocklist 2 of "), "{text}");
}

//! Who changed what: each change is an event.

use std::fs;

use serde_json::Value;
use synguard_tests::lab::DEVICE;

use super::{assert_nothing_left, eventually, lab};

fn events(synguard: &synguard_tests::program::Synguard) -> Vec<Value> {
    synguard.run_json(&["events", "--json"]).unwrap()["events"].as_array().unwrap().clone()
}

/// Asserts that the event names this test as the one who did it.
fn assert_mine(event: &Value) {
    assert_eq!((&event["uid"], &event["user"]), (&0.into(), &"root".into()), "{event}");
    assert_eq!(event["process"], "synguard", "{event}");
    assert!(event["pid"].as_u64().unwrap() > 1 && event["parent"].is_string(), "{event}");
    assert!(event["message"].as_str().unwrap().contains("by root"), "{event}");
}

#[test]
fn every_change_is_an_event_with_its_actor() {
    let (lab, synguard) = lab();
    let path = synguard.dirs().root().join("synguard.toml");
    fs::write(&path, "").unwrap();
    let mut running = synguard.attach(&["--config", path.to_str().unwrap(), "--confirm", "30s"]).unwrap();
    let many: String = (0..1_000).map(|n| format!("10.0.{}.{}\n", n / 250, n % 250)).collect();
    for (args, input) in [
        (&["confirm"][..], ""),
        (&["set", "syn-rate=500"], ""),
        (&["block", "add", "192.0.2.1", "192.0.2.2", "--ttl", "1h", "--reason", "scan"], ""),
        (&["block", "del", "192.0.2.1"], ""),
        (&["allow", "add", "2001:db8::/32"], ""),
        (&["block", "import", "-"], many.as_str()),
        (&["block", "flush"], ""),
        (&["reload"], ""),
        (&["detach"], ""),
    ] {
        let output = synguard.run_with_input(args, input).unwrap();
        assert_eq!(output.code, Some(0), "{args:?}: {}", output.stderr);
    }
    assert!(running.wait(std::time::Duration::from_secs(10)).unwrap().success());
    let events = events(&synguard);
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "started",
            "confirmed",
            "settings_changed",
            "list_changed",
            "list_changed",
            "list_changed",
            "list_changed",
            "list_changed",
            "reloaded",
            "detached",
            "stopped",
        ]
    );
    events[..names.len() - 1].iter().for_each(assert_mine);
    assert_rate_changed(&events[2], "100", "500", false);
    assert_rate_changed(&events[8], "500", "100", true);
    assert_lists_changed(&events[3..8]);
    assert_eq!(events[9]["interfaces"], serde_json::json!([DEVICE]));
    assert_eq!(synguard.run(&["status"]).unwrap().code, Some(3));
    let state = synguard.dirs().state_dir();
    fs::remove_dir_all(state.join("default")).unwrap();
    assert_nothing_left(&lab, &synguard);
}

fn assert_rate_changed(event: &Value, from: &str, to: &str, undoes_set: bool) {
    let change = serde_json::json!({ "key": "syn-rate", "from": from, "to": to, "undoes_set": undoes_set });
    assert_eq!(event["changes"][0], change, "{event}");
}

/// Asserts the changes of the lists that [`every_change_is_an_event_with_its_actor`] makes.
fn assert_lists_changed(events: &[Value]) {
    let list = |event: &Value| {
        let part = |key: &str| event[key].clone();
        (part("list"), part("verb"), part("targets"), part("more"), part("from"), part("to"))
    };
    let none = || serde_json::json!([]);
    let both = serde_json::json!(["192.0.2.1", "192.0.2.2"]);
    for (event, (name, verb, targets, more, from, to)) in events.iter().zip([
        ("block", "add", both, 0, 0, 2),
        ("block", "del", serde_json::json!(["192.0.2.1"]), 0, 2, 1),
        ("allow", "add", serde_json::json!(["2001:db8::/32"]), 0, 0, 1),
        ("block", "import", none(), 1_000, 1, 1_001),
        ("block", "flush", none(), 0, 1_001, 0),
    ]) {
        assert_eq!(
            list(event),
            (name.into(), verb.into(), targets, more.into(), from.into(), to.into()),
            "{event}"
        );
    }
    assert_eq!((&events[0]["ttl_seconds"], &events[0]["reason"]), (&3600.into(), &"scan".into()));
    assert_eq!(events[3]["file"], "standard input");
}

#[test]
fn changes_without_a_controller_are_events_too() {
    let (lab, synguard) = lab();
    for args in [&["attach", DEVICE, "--no-control"][..], &["set", "hold=1m"], &["detach"]] {
        assert_eq!(synguard.run(args).unwrap().code, Some(0), "{args:?}");
    }
    let events = events(&synguard);
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["attached", "settings_changed", "detached"]);
    events.iter().for_each(assert_mine);
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn signal_that_ends_the_controller_names_its_sender() {
    let (_lab, synguard) = lab();
    let running = synguard.attach(&[]).unwrap();
    running.terminate().unwrap();
    let events = events(&synguard);
    let stopped = events.last().unwrap();
    assert_eq!((&stopped["event"], &stopped["why"]), (&"stopped".into(), &"SIGTERM".into()));
    assert_eq!(stopped["pid"], std::process::id());
}

#[test]
fn change_whose_event_cannot_be_written_is_made() {
    let (_lab, synguard) = lab();
    let running = synguard.attach(&[]).unwrap();
    let log = synguard.dirs().state_dir().join("default/events.jsonl");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let output = synguard.run(&["set", "syn-rate=500"]).unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains("events cannot be written"), "{}", output.stderr);
    eventually("the new rate", || synguard.status_json().unwrap()["settings"]["syn-rate"] == 500);
    fs::remove_dir(&log).unwrap();
    running.terminate().unwrap();
}

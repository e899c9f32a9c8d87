//! Edits of the lists by keys of `top` in the event log: who made them.

use std::time::Duration;

use serde_json::{Value, json};
use synguard_tests::program::Synguard;

use super::{OFFENDERS, attached, flood, session::Session};

fn list_changes(synguard: &Synguard) -> Vec<Value> {
    let log = synguard.run_json(&["events", "--json"]).unwrap();
    let events = log["events"].as_array().unwrap();
    events.iter().filter(|event| event["event"] == "list_changed").cloned().collect()
}

/// Asserts that the screen that runs as `pid` at a terminal made the change.
fn assert_made_by(event: &Value, pid: u32) {
    let actor = ["uid", "user", "pid", "process"].map(|key| event[key].clone());
    assert_eq!(actor, [json!(0), json!("root"), json!(pid), json!("synguard")], "{event}");
    assert!(event["tty"].as_str().is_some_and(|tty| tty.starts_with("pts/")), "{event}");
    let message = event["message"].as_str().unwrap();
    assert!(message.contains(" by root on pts/"), "{message}");
}

#[test]
fn each_edit_is_an_event_with_its_actor() {
    let (lab, synguard, _running) = attached();
    let _flood = flood(&lab, Duration::from_secs(60));
    let top = Session::start(&synguard, 80, 24);
    let target = OFFENDERS[2].to_string();
    top.wait("its row", |screen| screen.rows().iter().any(|row| row[0] == target));
    top.press(&["/", &target]);
    top.wait("only its row", |screen| screen.rows().len() == 1 && screen.rows()[0][0] == target);
    top.press(&["Enter"]);
    let pid = top.terminal.program_pid().unwrap();
    // Block it, undo that, allow it, and take it off the allowlist.
    for (key, question, done) in [
        ("b", format!("Block {target}: "), format!("blocked {target} for 1h")),
        ("z", format!("Take {target} off the blocklist?"), format!("{target} removed from the blocklist")),
        ("a", format!("Allow {target}"), format!("allowed {target} for 1h")),
        ("u", "off the allowlist?".to_owned(), format!("{target} removed from the allowlist")),
    ] {
        let before = list_changes(&synguard);
        top.press_and_wait(key, &question);
        assert_eq!(list_changes(&synguard), before, "nothing is done before it is confirmed");
        top.press_and_wait("Enter", &done);
        if key == "a" {
            // `u` goes by what the screen shows.
            top.wait("an allowed row", |screen| screen.rows().iter().any(|row| row[4] == "allowed"));
        }
    }
    let changes = list_changes(&synguard);
    for event in &changes {
        assert_made_by(event, pid);
    }
    let parts = |event: &Value| {
        let keys = ["list", "verb", "targets", "ttl_seconds", "scope"].map(|key| event[key].clone());
        // The controller may block others meanwhile.
        (keys, event["to"].as_i64().unwrap() - event["from"].as_i64().unwrap())
    };
    let targets = json!([target]);
    let expected = [
        ("block", "add", json!(3600), json!("syn"), 1),
        ("block", "del", Value::Null, Value::Null, -1),
        ("allow", "add", json!(3600), json!("all"), 1),
        ("allow", "del", Value::Null, Value::Null, -1),
    ]
    .map(|(list, verb, ttl, scope, more)| ([json!(list), json!(verb), targets.clone(), ttl, scope], more));
    assert_eq!(changes.iter().map(parts).collect::<Vec<_>>(), expected);
    top.press(&["q"]);
    assert_eq!(top.ended(), 0);
}

//! Changes while the state directory is full, read-only or gone: they take effect in the filter, and are saved as soon as they
//! can be.

use std::{fs, path::PathBuf, time::Duration};

use synguard_tests::{mounted::Mounted, program::Synguard, steps::until};

use super::{attach, attached, entries, restart, run, run_with, stored, targets};

/// Time within which a controller tries again.
const RETRY: Duration = Duration::from_secs(13);

fn state(synguard: &Synguard) -> PathBuf {
    let path = synguard.dirs().state_dir().join("default");
    fs::create_dir_all(&path).unwrap();
    path
}

/// Runs a command whose change must be in force but not saved.
#[track_caller]
fn run_unsaved(synguard: &Synguard, args: &[&str], input: &str, words: &[&str]) {
    let output = run_with(synguard, args, input);
    for words in [&["warning: in force, but not saved: "], words].concat() {
        assert!(output.stderr.contains(words), "{args:?}: `{words}` missing in: {}", output.stderr);
    }
}

/// Asserts which of the blocklist and the allowlist `status` calls saved, in JSON and, with what comes next, in text.
#[track_caller]
fn assert_saved(synguard: &Synguard, saved: [bool; 2], next: &str) {
    let (json, text) = (synguard.status_json().unwrap(), run(synguard, &["status"]));
    for (name, saved) in ["blocklist", "allowlist"].into_iter().zip(saved) {
        assert_eq!(json[name]["saved"], saved, "{json}");
        let line = format!("the {name} is in force, but not saved; {next}\n");
        assert_eq!(text.contains(&line), !saved, "{text}");
    }
    assert_eq!(text.contains("not saved"), saved != [true; 2], "{text}");
}

fn has_event(synguard: &Synguard, name: &str) -> bool {
    let json = synguard.run_json(&["events", "--json"]).unwrap();
    assert_eq!(json["damaged"], 0);
    json["events"].as_array().unwrap().iter().any(|event| event["event"] == name)
}

#[test]
fn every_change_takes_effect_on_a_full_disk() {
    let (_lab, synguard) = attached();
    let state = state(&synguard);
    let small = Mounted::small(&state).unwrap();
    // A log that exists has room for a few more lines in its last block, a new one has none.
    let import = ["block", "import", "-", "--replace", "--reason", "before"];
    run_with(&synguard, &import, "192.0.2.1\n192.0.2.2\n");
    small.fill().unwrap();
    let next = "tried again by the next command about a list, or by a controller";
    let words = &["cannot write", "No space left", "make room", next];
    assert_saved(&synguard, [true, true], next);
    run_unsaved(&synguard, &["block", "add", "192.0.2.3", "--ttl", "1h"], "", words);
    assert_saved(&synguard, [false, true], next);
    run_unsaved(&synguard, &["block", "del", "192.0.2.1"], "", words);
    run_unsaved(&synguard, &["block", "import", "-"], "198.51.100.0/24\n", words);
    run_unsaved(&synguard, &["allow", "add", "203.0.113.1"], "", words);
    let now = ["192.0.2.2", "192.0.2.3", "198.51.100.0/24"];
    assert_eq!(targets(&synguard, "block"), now);
    assert_eq!(entries(&synguard, "block")[0]["reason"], "before");
    assert_eq!(stored(&synguard), ["192.0.2.1", "192.0.2.2"], "the files are as they were");
    assert_saved(&synguard, [false, false], next);
    // A takeover takes the tables for the truth, not the files.
    let message = attach(&synguard);
    assert!(message.contains("the blocklist stays as it is in force"), "{message}");
    assert_eq!(
        (targets(&synguard, "block"), targets(&synguard, "allow")),
        (own(&now), own(&["203.0.113.1"]))
    );
    run_unsaved(&synguard, &["block", "import", "-", "--replace"], "192.0.2.9\n", words);
    run_unsaved(&synguard, &["allow", "flush"], "", words);
    assert_eq!((targets(&synguard, "block"), targets(&synguard, "allow")), (own(&["192.0.2.9"]), own(&[])));
    // With room, the next command saves it all, even one that only reads.
    small.make_room().unwrap();
    assert_eq!(run_with(&synguard, &["block", "check", "192.0.2.9"], "").stderr, "");
    assert_eq!(stored(&synguard), ["192.0.2.9"]);
    assert_saved(&synguard, [true, true], next);
    restart(&synguard);
    assert_eq!((targets(&synguard, "block"), targets(&synguard, "allow")), (own(&["192.0.2.9"]), own(&[])));
}

fn own(targets: &[&str]) -> Vec<String> {
    targets.iter().map(|target| (*target).to_owned()).collect()
}

#[test]
fn killed_controller_loses_no_change_that_is_not_saved() {
    let (_lab, synguard) = attached();
    let state = state(&synguard);
    let controller = synguard.attach(&[]).unwrap();
    run(&synguard, &["block", "add", "192.0.2.1", "--reason", "before"]);
    let read_only = Mounted::read_only(&state).unwrap();
    let next = "tried again every 10s";
    let words = &["cannot write", "Read-only file system", next];
    run_unsaved(&synguard, &["block", "add", "192.0.2.2"], "", words);
    assert_saved(&synguard, [false, true], next);
    run_unsaved(&synguard, &["block", "del", "192.0.2.1"], "", words);
    controller.kill().unwrap();
    let controller = synguard.attach(&[]).unwrap();
    assert_eq!(targets(&synguard, "block"), ["192.0.2.2"]);
    until("a word about it", RETRY, || {
        controller.stderr().contains("the blocklist is in force, but not saved")
    });
    drop(read_only);
    until("a word about it", RETRY, || has_event(&synguard, "list_saved"));
    assert_eq!(stored(&synguard), ["192.0.2.2"]);
    assert!(has_event(&synguard, "list_not_saved"), "what could not be written then is written now");
    controller.terminate().unwrap();
    attach(&synguard);
    assert_eq!(targets(&synguard, "block"), ["192.0.2.2"]);
}

#[test]
fn removed_state_directory_is_made_again_with_every_entry() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1"]);
    fs::remove_dir_all(state(&synguard)).unwrap();
    run(&synguard, &["block", "add", "192.0.2.2"]);
    assert_eq!(stored(&synguard), ["192.0.2.1", "192.0.2.2"]);
    fs::remove_dir_all(state(&synguard)).unwrap();
    attach(&synguard);
    assert_eq!(targets(&synguard, "block"), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(stored(&synguard), ["192.0.2.1", "192.0.2.2"]);
}

#[test]
fn state_that_can_be_neither_read_nor_written_hinders_no_change() {
    let (_lab, synguard) = attached();
    let path = synguard.dirs().state_dir().join("default");
    // The event log of the attach is in it.
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "in the way").unwrap();
    let word = path.to_str().unwrap();
    run_unsaved(&synguard, &["block", "add", "192.0.2.1"], "", &[word]);
    run_unsaved(&synguard, &["block", "import", "-", "--replace"], "192.0.2.2\n", &[word]);
    assert_eq!(targets(&synguard, "block"), ["192.0.2.2"]);
    fs::remove_file(&path).unwrap();
    run(&synguard, &["block", "list"]);
    assert_eq!(stored(&synguard), ["192.0.2.2"]);
}

#[test]
fn full_run_directory_hinders_no_change() {
    let (_lab, synguard) = attached();
    let path = synguard.dirs().run_dir().join("default");
    run(&synguard, &["detach"]);
    fs::create_dir_all(&path).unwrap();
    let small = Mounted::small(&path).unwrap();
    attach(&synguard);
    small.fill().unwrap();
    let output = run_with(&synguard, &["block", "add", "192.0.2.1"], "");
    assert_eq!((targets(&synguard, "block"), output.stderr.as_str()), (own(&["192.0.2.1"]), ""));
    assert_eq!(stored(&synguard), ["192.0.2.1"]);
}

#[test]
fn changes_that_could_never_be_saved_are_lost_with_the_filter_but_not_silently() {
    let (_lab, synguard) = attached();
    let state = state(&synguard);
    let small = Mounted::small(&state).unwrap();
    small.fill().unwrap();
    run_unsaved(&synguard, &["block", "add", "192.0.2.1"], "", &[]);
    let output = run_with(&synguard, &["detach"], "");
    assert!(output.stderr.contains("the last changes of the blocklist are lost"), "{}", output.stderr);
    attach(&synguard);
    assert_eq!(targets(&synguard, "block"), Vec::<String>::new());
    run_unsaved(&synguard, &["block", "add", "192.0.2.1"], "", &[]);
    small.make_room().unwrap();
    assert_eq!(restart(&synguard).matches("lost").count(), 0);
    assert_eq!(targets(&synguard, "block"), ["192.0.2.1"]);
}

//! The end of the terminal that the controller was started in.

use std::{fs, process::Command, time::Duration};

use serde_json::Value;
use synguard_tests::{lab::DEVICE, program::Synguard, terminal::Terminal};

use super::{assert_nothing_left, eventually, lab};

const PATIENCE: Duration = Duration::from_secs(15);

fn named(synguard: &Synguard, name: &str) -> Vec<Value> {
    let events = synguard.run_json(&["events", "--json"]).unwrap();
    events["events"].as_array().unwrap().iter().filter(|event| event["event"] == name).cloned().collect()
}

fn rate(synguard: &Synguard) -> Value {
    synguard.status_json().unwrap()["settings"]["syn-rate"].clone()
}

fn is_controlled(synguard: &Synguard) -> bool {
    synguard.status_json().is_ok_and(|status| status["controller"]["running"] == true)
}

/// The words of a command line for a shell.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// Closes the terminal of a controller whose rate was set to 500 but is 60 in the file.
fn close(synguard: &Synguard, terminal: Terminal) {
    assert_eq!(synguard.run(&["set", "syn-rate=500"]).unwrap().code, Some(0));
    drop(terminal);
    eventually("the event", || !named(synguard, "terminal_closed").is_empty());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((rate(synguard), is_controlled(synguard)), (500.into(), true));
    assert_eq!(named(synguard, "terminal_closed").len(), 1);
    assert_eq!(named(synguard, "reloaded"), [Value::Null; 0]);
    // A reload is still one.
    let reload = synguard.run(&["reload"]).unwrap();
    assert!(reload.stdout.contains("syn-rate 500 → 60 (was set by `set`)"), "{reload:?}");
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
}

#[test]
fn closed_terminal_changes_nothing() {
    let (lab, synguard) = lab();
    let path = synguard.dirs().root().join("synguard.toml");
    fs::write(&path, "syn-rate = 60\n").unwrap();
    let attach = synguard.command(["attach", DEVICE, "--config", path.to_str().unwrap()]);
    let terminal = Terminal::start(&attach, 100, 30).unwrap();
    eventually("a controller", || is_controlled(&synguard));
    close(&synguard, terminal);
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn shell_can_ask_for_a_reload_and_passes_a_hangup_on() {
    let (lab, synguard) = lab();
    let path = synguard.dirs().root().join("synguard.toml");
    fs::write(&path, "syn-rate = 70\n").unwrap();
    let attach = line(&synguard.command(["attach", DEVICE, "--config", path.to_str().unwrap()]));
    let script = synguard.dirs().root().join("rc");
    fs::write(&script, format!("{attach} &\n")).unwrap();
    let mut bash = Command::new("bash");
    bash.args(["--rcfile", script.to_str().unwrap(), "-i"]);
    let terminal = Terminal::start(&bash, 100, 30).unwrap();
    eventually("a controller", || is_controlled(&synguard));
    fs::write(&path, "syn-rate = 60\n").unwrap();
    terminal.press(&["kill -HUP %1", "Enter"]).unwrap();
    eventually("the reload", || rate(&synguard) == 60);
    let reloaded = named(&synguard, "reloaded");
    assert_eq!((reloaded.len(), &reloaded[0]["process"]), (1, &"bash".into()), "{reloaded:?}");
    fs::remove_file(synguard.dirs().state_dir().join("default/events.jsonl")).unwrap();
    terminal.press(&["fg", "Enter"]).unwrap();
    terminal.wait_for(PATIENCE, |screen| screen.contains("fg")).unwrap();
    close(&synguard, terminal);
    assert_nothing_left(&lab, &synguard);
}

//! Output of the reading commands.

use std::iter;

use serde_json::Value;
use synguard_tests::lab::DEVICE;

use super::lab;

/// Test of the value of a key.
type Right = fn(&Value) -> bool;

/// The keys of the contract, and the test of each value.
const CONTRACT: &[(&str, Right)] = &[
    ("/schema", |v| *v == 1),
    ("/instance", Value::is_string),
    ("/attached", Value::is_boolean),
    ("/interfaces/0/name", Value::is_string),
    ("/interfaces/0/ifindex", Value::is_u64),
    ("/interfaces/0/mode", |v| *v == "native" || *v == "generic"),
    ("/interfaces/0/prog_id", Value::is_u64),
    ("/controller/running", Value::is_boolean),
    ("/controller/pid", |v| v.is_u64() || v.is_null()),
    ("/visitors/accepted_rate", |v| v.is_f64() || v.is_null()),
    ("/visitors/calm_rate", |v| v.is_f64() || v.is_null()),
    ("/visitors/lost_rate", |v| v.is_f64() || v.is_null()),
    ("/response/measures", Value::is_array),
    ("/response/text", Value::is_string),
    ("/next", Value::is_string),
    ("/top_sources", Value::is_array),
    ("/phase", |v| ["calm", "attack", "recovering"].iter().any(|phase| v == phase)),
    ("/attack_kind", |v| v.is_null() || *v == "concentrated" || *v == "distributed"),
    ("/monitor", Value::is_boolean),
    ("/allowed_families", Value::is_array),
    ("/settings/syn-rate", Value::is_u64),
    ("/settings/syn-burst", Value::is_u64),
    ("/settings/hold", Value::is_string),
    ("/settings/ports", Value::is_string),
    ("/settings/monitor", Value::is_boolean),
    ("/counters/packets", Value::is_u64),
    ("/counters/bytes", Value::is_u64),
    ("/counters/passed", Value::is_u64),
    ("/counters/dropped", Value::is_u64),
    ("/counters/answered", Value::is_u64),
    ("/counters/reasons", |v| v.as_object().is_some_and(|map| map.values().all(Value::is_u64))),
    ("/syn/total", Value::is_u64),
    ("/syn/rate", Value::is_f64),
    ("/syn/distinct_sources", Value::is_u64),
    ("/syn/distinct_limit", Value::is_u64),
    ("/cookies/mode", |v| ["off", "kernel", "xdp"].iter().any(|mode| v == mode)),
    ("/cookies/sysctl", Value::is_u64),
    ("/cookies/original", Value::is_u64),
    ("/timestamps/sysctl", Value::is_u64),
    ("/timestamps/original", Value::is_u64),
    ("/answering", |v| v.is_null() || v["options"].is_boolean() && v["first_syn"].is_boolean()),
    ("/sources/tracked", Value::is_u64),
    ("/sources/capacity", |v| *v == 262_144),
    ("/sources/inserts", Value::is_u64),
    ("/sources/insert_skips", Value::is_u64),
    ("/blocklist/entries", Value::is_u64),
    ("/blocklist/capacity", Value::is_u64),
    ("/allowlist/entries", Value::is_u64),
    ("/allowlist/capacity", Value::is_u64),
];

#[test]
fn status_json_keeps_the_contract() {
    let (_lab, synguard) = lab();
    for extra in [&["--no-control"][..], &["--no-control", "--mode", "generic", "--monitor"]] {
        let attached = synguard.run(&[&["attach", DEVICE], extra].concat()).unwrap();
        assert_eq!(attached.code, Some(0), "{}", attached.stderr);
        let status = synguard.status_json().unwrap();
        for (pointer, right) in CONTRACT {
            let value = status.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing in {status}"));
            assert!(right(value), "{pointer} is {value}");
        }
        assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
    }
}

#[test]
fn status_and_show_are_readable() {
    let (_lab, synguard) = lab();
    let running = synguard.attach(&["--syn-rate", "77"]).unwrap();
    let status = synguard.run(&["status"]).unwrap();
    for words in [DEVICE, "native", "syn-rate=77", "running", "calm", "262 144"] {
        assert!(status.stdout.contains(words), "`{words}` missing in:\n{}", status.stdout);
    }
    assert!(!status.stdout.contains('\u{1b}'), "colour where there is no terminal");
    let show = synguard.run(&["show"]).unwrap();
    let line = |start: &str| show.stdout.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    let rate = line("syn-rate = 77 ");
    assert!(rate.ends_with("# command line of attach"), "{rate}");
    assert!(line("hold = \"10s\" ").ends_with("# default"), "{}", show.stdout);
    let json = synguard.run_json(&["show", "--json"]).unwrap();
    assert_eq!((&json["schema"], &json["settings"]["syn-rate"]), (&1.into(), &77.into()));
    assert_eq!(
        (&json["origin"]["syn-rate"], &json["origin"]["hold"]),
        (&"command_line".into(), &"default".into())
    );
    // `set` accepts the output of `show`.
    let args: Vec<&str> = iter::once("set").chain(show.stdout.lines()).collect();
    let set = synguard.run(&args).unwrap();
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    assert_eq!(set.stdout, "nothing has changed: these are the settings already\n");
    running.terminate().unwrap();
}

#[test]
fn help_version_completions_and_manual() {
    let (_lab, synguard) = lab();
    let commands =
        ["attach", "detach", "status", "set", "show", "block", "allow", "confirm", "completions", "man"];
    for command in commands {
        let help = synguard.run(&[command, "--help"]).unwrap();
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{command}");
        assert!(help.stdout.contains("Usage: synguard"), "{}", help.stdout);
    }
    let help = synguard.run(&["--help"]).unwrap();
    assert!(
        help.stdout.contains("Exit codes:") && help.stdout.contains("synguard attach eth0"),
        "{}",
        help.stdout
    );
    for args in [&["help"][..], &["help", "block", "add"], &["block", "help"]] {
        let help = synguard.run(args).unwrap();
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(help.stdout.contains("Usage: synguard"), "{}", help.stdout);
    }
    // The runner names the directories, so the program is run by itself.
    let runner = synguard.command(["status"]);
    let mut words = iter::once(runner.get_program()).chain(runner.get_args());
    let program = words.find(|word| word.to_string_lossy().ends_with("/synguard")).unwrap();
    let bare = std::process::Command::new(program).output().unwrap();
    let usage = String::from_utf8_lossy(&bare.stderr);
    assert_eq!((bare.status.code(), bare.stdout.as_slice()), (Some(2), &b""[..]));
    assert!(usage.contains("Usage: synguard") && usage.contains("Examples:"), "{usage}");
    for args in [["--version"], ["version"]] {
        let version = synguard.run(&args).unwrap();
        assert_eq!(version.stdout, format!("synguard {}\n", env!("CARGO_PKG_VERSION")));
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = synguard.run(&["completions", shell]).unwrap();
        assert_eq!(script.code, Some(0));
        assert!(script.stdout.contains("syn-rate"), "{shell}");
    }
    let man = synguard.run(&["man"]).unwrap();
    assert!(man.stdout.starts_with(".ie") || man.stdout.contains(".TH synguard 8"), "{}", man.stdout);
}

#[test]
fn words_of_other_tools_work() {
    let (_lab, synguard) = lab();
    assert_eq!(synguard.run(&["attach", DEVICE, "--no-control"]).unwrap().code, Some(0));
    assert_eq!(synguard.run(&["ban", "192.0.2.1"]).unwrap().stdout, "blocked 192.0.2.1\n");
    assert!(synguard.run(&["list"]).unwrap().stdout.contains("192.0.2.1"));
    assert_eq!(
        synguard.run(&["unban", "192.0.2.1"]).unwrap().stdout,
        "192.0.2.1 removed from the blocklist\n"
    );
    let stopped = synguard.run(&["stop"]).unwrap();
    assert!(stopped.stdout.starts_with(&format!("detached from {DEVICE}")), "{stopped:?}");
}

#[test]
fn closed_standard_output_is_no_failure() {
    let (lab, synguard) = lab();
    assert_eq!(synguard.run(&["attach", DEVICE, "--no-control"]).unwrap().code, Some(0));
    for args in ["status", "status --json", "man", "completions bash", "block list --json", "block export"] {
        let command = synguard.command(args.split(' '));
        let words: Vec<String> = iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let script = format!("set -o pipefail; {} | true", words.join(" "));
        let output = lab.server.command("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
}

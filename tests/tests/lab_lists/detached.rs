//! The lists while nothing is attached: a packager or a script fills them before the first start.

use std::fs;

use synguard_tests::steps::lab;

use super::{assert_fails, attach, entries, run, run_with, stored, targets};

const NOTE: &str = "note: not attached: takes effect at the next attach\n";

#[test]
fn lists_are_filled_before_the_first_attach() {
    let (_lab, synguard) = lab();
    for list in ["block", "allow"] {
        let empty = run_with(&synguard, &[list, "list"], "");
        assert!(empty.stdout.contains("is empty"), "{}", empty.stdout);
        assert_eq!(entries(&synguard, list).len(), 0);
        let add = [list, "add", "192.0.2.1", "2001:db8::/32", "--reason", "first", "--ttl", "1h"];
        let added = run_with(&synguard, &add, "");
        assert_eq!(added.stderr, NOTE);
        assert!(added.stdout.contains("2 targets for 1h"), "{}", added.stdout);
        assert_eq!(run_with(&synguard, &[list, "import", "-"], "198.51.100.0/24\n").stderr, NOTE);
        assert_eq!(run_with(&synguard, &[list, "del", "2001:db8::/32"], "").stderr, NOTE);
        let check = run(&synguard, &[list, "check", "198.51.100.7"]);
        assert!(check.contains("198.51.100.0/24 is in the"), "{check}");
        assert_eq!(run(&synguard, &[list, "export"]).lines().count(), 2);
        assert_eq!(targets(&synguard, list), ["192.0.2.1", "198.51.100.0/24"]);
    }
    assert!(!synguard.dirs().run_dir().join("default").exists(), "no lock is left behind");
    let message = attach(&synguard);
    assert!(message.contains("blocklist: 2 entries restored"), "{message}");
    for list in ["block", "allow"] {
        assert_eq!(targets(&synguard, list), ["192.0.2.1", "198.51.100.0/24"]);
        let first = &entries(&synguard, list)[0];
        assert_eq!((&first["reason"], &first["origin"]), (&"first".into(), &"operator".into()));
        assert!(first["ttl_seconds_left"].as_u64().unwrap() > 3_500, "{first}");
    }
    run(&synguard, &["detach"]);
    run(&synguard, &["block", "flush"]);
    assert_eq!(stored(&synguard), Vec::<String>::new());
    attach(&synguard);
    assert_eq!(targets(&synguard, "block"), Vec::<String>::new());
}

#[test]
fn files_that_cannot_be_written_are_an_error_without_a_filter() {
    let (_lab, synguard) = lab();
    let state = synguard.dirs().state_dir().join("default");
    fs::write(&state, "in the way").unwrap();
    let output = synguard.run(&["block", "add", "192.0.2.1"]).unwrap();
    assert_fails(&output, 1, &[state.to_str().unwrap()]);
    fs::remove_file(&state).unwrap();
    assert_eq!(targets(&synguard, "block"), Vec::<String>::new());
    assert!(!synguard.dirs().run_dir().join("default").exists());
}

#[test]
fn attached_filter_is_not_taken_for_none_where_its_pins_are_invisible() {
    let (_lab, synguard) = lab();
    attach(&synguard);
    let elsewhere = synguard.dirs().root().join("nothing");
    fs::create_dir(&elsewhere).unwrap();
    let mut command = synguard.command(["block", "add", "192.0.2.1"]);
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let program = command.get_program().to_owned();
    command = std::process::Command::new(program);
    let place = args.iter().position(|arg| arg == "--bpffs").unwrap() + 1;
    for (index, arg) in args.iter().enumerate() {
        command.arg(if index == place { elsewhere.as_os_str() } else { arg.as_os_str() });
    }
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("a filter may be attached") && message.contains("no BPF file system"),
        "{message}"
    );
    assert_eq!(stored(&synguard), Vec::<String>::new());
}

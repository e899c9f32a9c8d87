//! Whoever was there first is left alone.

use synguard_tests::{lab::DEVICE, program::Output};

use super::{assert_nothing_left, eventually, lab, link, runs_xdp};

fn refused(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.code, Some(code), "{}", output.stderr);
    for word in words {
        assert!(output.stderr.contains(word), "`{word}` missing in: {}", output.stderr);
    }
}

#[test]
fn a_second_controller_is_refused_and_changes_nothing() {
    let (lab, synguard) = lab();
    let running = synguard.attach(&["--syn-rate", "50"]).unwrap();
    let before = synguard.status_json().unwrap();
    let pid = running.pid().to_string();
    for extra in [&[][..], &["--no-control"]] {
        let args = [&["attach", DEVICE, "--syn-rate", "9"], extra].concat();
        refused(&synguard.run(&args).unwrap(), 5, &["already attached", &pid]);
    }
    let after = synguard.status_json().unwrap();
    for key in ["settings", "interfaces"] {
        assert_eq!(before[key], after[key]);
    }
    assert_eq!(before["controller"]["pid"], after["controller"]["pid"]);
    assert_eq!(after["controller"]["responding"], true);
    running.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn a_foreign_program_is_left_untouched() {
    let (lab, synguard) = lab();
    let foreign = lab.attach_pass().unwrap();
    let before = link(&lab, DEVICE);
    for mode in ["auto", "native", "generic"] {
        let output = synguard.run(&["attach", DEVICE, "--mode", mode]).unwrap();
        refused(&output, 5, &[DEVICE, "another XDP program", "`pass`", "xdp off"]);
    }
    assert_eq!(link(&lab, DEVICE), before);
    drop(foreign);
    // The last step of that may be left to a worker of the kernel.
    eventually("the end of the foreign program", || !runs_xdp(&lab, DEVICE));
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn a_failure_on_the_second_interface_undoes_the_first() {
    let (lab, synguard) = lab();
    refused(&synguard.run(&["attach", DEVICE, "missing"]).unwrap(), 1, &["missing"]);
    assert_nothing_left(&lab, &synguard);
    // The loopback device has no native XDP: found out only when attaching.
    refused(&synguard.run(&["attach", DEVICE, "lo", "--mode", "native"]).unwrap(), 1, &["lo", "native"]);
    assert_nothing_left(&lab, &synguard);
    // In auto mode it falls back, and reports why.
    let output = synguard.run(&["attach", "lo", "--no-control"]).unwrap();
    refused(&output, 0, &["generic mode", "lo"]);
    // A failure leaves the attached program alone.
    refused(&synguard.run(&["attach", "missing", "--no-control"]).unwrap(), 1, &["missing"]);
    assert!(link(&lab, "lo").contains("xdp"), "{}", link(&lab, "lo"));
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn a_failed_takeover_leaves_the_settings_as_they_were() {
    let (lab, synguard) = lab();
    assert_eq!(synguard.run(&["attach", DEVICE, "--no-control", "--syn-rate", "50"]).unwrap().code, Some(0));
    let before = synguard.status_json().unwrap();
    let more = synguard.run(&["attach", DEVICE, "lo", "--mode", "native", "--syn-rate", "70"]).unwrap();
    refused(&more, 1, &["lo", "native"]);
    let after = synguard.status_json().unwrap();
    for key in ["settings", "interfaces"] {
        assert_eq!(before[key], after[key]);
    }
    assert!(!link(&lab, "lo").contains("xdp"));
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn two_instances_do_not_meet() {
    let (lab, synguard) = lab();
    lab.server.ip("link add second type veth peer name other").unwrap();
    assert_eq!(synguard.run(&["attach", DEVICE, "--no-control"]).unwrap().code, Some(0));
    // One interface takes one of them.
    let clash = synguard.run(&["--name", "edge", "attach", DEVICE, "--no-control"]).unwrap();
    refused(&clash, 5, &["`synguard`"]);
    assert_eq!(synguard.run(&["--name", "edge", "attach", "second", "--no-control"]).unwrap().code, Some(0));
    assert_eq!(synguard.run(&["--name", "edge", "set", "syn-rate=7"]).unwrap().code, Some(0));
    assert_eq!(synguard.status_json().unwrap()["settings"]["syn-rate"], 100);
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
    assert!(!runs_xdp(&lab, DEVICE) && runs_xdp(&lab, "second"));
    assert_eq!(synguard.run(&["--name", "edge", "detach"]).unwrap().code, Some(0));
    assert_nothing_left(&lab, &synguard);
    assert!(!runs_xdp(&lab, "second"));
}

//! A filter without a controller goes on, and the next controller takes it over as it is.

use std::{thread, time::Duration};

use synguard_tests::lab::DEVICE;

use super::{assert_nothing_left, dropped, eventually, flood, lab, link, reason, runs_xdp};

#[test]
fn killed_controller_leaves_the_filter_working() {
    let (lab, synguard) = lab();
    let running = synguard.attach(&["--syn-rate", "50", "--hold", "1h"]).unwrap();
    let flood = flood(&lab);
    thread::sleep(Duration::from_millis(300));
    running.kill().unwrap();
    let before = dropped(&synguard);
    thread::sleep(Duration::from_millis(500));
    let after = dropped(&synguard);
    assert!(after - before > 1_000, "{before} dropped, then {after}");
    let status = synguard.status_json().unwrap();
    assert_eq!((&status["attached"], &status["controller"]["running"]), (&true.into(), &false.into()));
    flood.stop().unwrap();
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn new_controller_takes_over_without_a_gap() {
    let (lab, synguard) = lab();
    let running = synguard.attach(&["--syn-rate", "50", "--hold", "1h"]).unwrap();
    let flood = flood(&lab);
    thread::sleep(Duration::from_millis(500));
    running.kill().unwrap();
    let before = synguard.status_json().unwrap();
    assert_eq!(before["sources"]["in_hold"], 1);
    let again = synguard.attach(&["--syn-rate", "50", "--hold", "1h"]).unwrap();
    // The pins were attached all the time: only the log shows when the new controller has taken them over.
    eventually("the takeover", || again.stderr().contains("took over"));
    let totals = flood.stop().unwrap();
    thread::sleep(Duration::from_millis(100));
    let after = synguard.status_json().unwrap();
    // Its program is another, and the held source is still held: not one SYN of it passed in between, and none
    // arrived while there was no program, or the sum would be short.
    assert_ne!(before["interfaces"][0]["prog_id"], after["interfaces"][0]["prog_id"]);
    assert_eq!(reason(&before, "syn_passed"), reason(&after, "syn_passed"), "{before}\n{after}");
    let lost = lab.ring_losses().unwrap();
    assert!(
        after["syn"]["total"].as_u64().unwrap() + lost >= totals.offered,
        "{after}, {totals:?}, {lost} lost"
    );
    assert_eq!(after["sources"]["in_hold"], 1);
    again.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn no_control_attaches_and_can_be_taken_over() {
    let (lab, synguard) = lab();
    let output = synguard.run(&["attach", DEVICE, "--no-control"]).unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(synguard.status_json().unwrap()["controller"]["running"], false);
    // Again, with other settings: idempotent.
    assert_eq!(synguard.run(&["attach", DEVICE, "--no-control", "--syn-rate", "7"]).unwrap().code, Some(0));
    assert_eq!(synguard.status_json().unwrap()["settings"]["syn-rate"], 7);
    let running = synguard.attach(&["--syn-rate", "8"]).unwrap();
    eventually("the takeover", || synguard.status_json().unwrap()["settings"]["syn-rate"] == 8);
    running.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn adopting_with_another_interface_attaches_both() {
    let (lab, synguard) = lab();
    lab.server.ip("link add second type veth peer name other").unwrap();
    assert_eq!(synguard.run(&["attach", DEVICE, "--no-control"]).unwrap().code, Some(0));
    assert_eq!(synguard.run(&["attach", "second", "--no-control"]).unwrap().code, Some(0));
    assert!(runs_xdp(&lab, DEVICE) && runs_xdp(&lab, "second"), "{}", link(&lab, "second"));
    let status = synguard.status_json().unwrap();
    let ids: Vec<_> = status["interfaces"].as_array().unwrap().iter().map(|link| &link["prog_id"]).collect();
    assert_eq!(ids[0], ids[1], "one program, one set of maps");
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
    assert_nothing_left(&lab, &synguard);
}

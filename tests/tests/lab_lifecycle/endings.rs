//! Ends of a controller, and the state that each leaves behind.

use std::time::Duration;

use synguard_tests::lab::DEVICE;

use super::{assert_nothing_left, eventually, lab, runs_xdp};

#[test]
fn sigterm_and_sigint_leave_nothing() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let (lab, synguard) = lab();
        let mut running = synguard.attach(&[]).unwrap();
        assert!(runs_xdp(&lab, DEVICE));
        running.signal(signal).unwrap();
        assert_eq!(running.wait(Duration::from_secs(5)).unwrap().code(), Some(0), "{}", running.stderr());
        assert_nothing_left(&lab, &synguard);
    }
}

#[test]
fn keep_on_exit_leaves_the_filter_working() {
    let (lab, synguard) = lab();
    let running = synguard.attach(&["--keep-on-exit", "--syn-rate", "50"]).unwrap();
    assert_eq!(running.terminate().unwrap().code, Some(0));
    let status = synguard.status_json().unwrap();
    assert_eq!(status["attached"], true);
    assert_eq!(status["controller"]["running"], false);
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn detach_ends_the_controller() {
    let (lab, synguard) = lab();
    let mut running = synguard.attach(&[]).unwrap();
    let detached = synguard.run(&["detach"]).unwrap();
    assert_eq!(detached.code, Some(0), "{}", detached.stderr);
    let text = format!("detached from {DEVICE}; net.ipv4.tcp_syncookies is ");
    assert!(detached.stdout.starts_with(&text), "{}", detached.stdout);
    assert_eq!(running.wait(Duration::from_secs(5)).unwrap().code(), Some(0), "{}", running.stderr());
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn single_interface_of_two_can_be_detached() {
    let (lab, synguard) = lab();
    lab.server.ip("link add v.100 type veth peer name other").unwrap();
    let running = synguard.attach(&["v.100"]).unwrap();
    let names = || -> Vec<String> {
        let status = synguard.status_json().unwrap();
        let list = status["interfaces"].as_array().unwrap();
        list.iter().map(|link| link["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(), [DEVICE, "v.100"]);
    let detached = synguard.run(&["detach", DEVICE]).unwrap();
    assert_eq!((detached.code, detached.stdout), (Some(0), format!("detached from {DEVICE}\n")));
    assert_eq!(names(), ["v.100"]);
    assert!(!runs_xdp(&lab, DEVICE));
    let stranger = synguard.run(&["detach", DEVICE]).unwrap();
    assert_eq!((stranger.code, names().len()), (Some(3), 1), "{}", stranger.stderr);
    running.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
    assert!(!runs_xdp(&lab, "v.100"));
}

#[test]
fn an_interface_that_comes_back_is_attached_again() {
    let (lab, synguard) = lab();
    let add = "link add back type veth peer name other";
    lab.server.ip(add).unwrap();
    let running = synguard.attach(&["back"]).unwrap();
    lab.server.ip("link del back").unwrap();
    eventually("the log about it", || running.stderr().contains("back is gone"));
    let status = synguard.run(&["status"]).unwrap();
    assert!(status.stdout.contains("back: gone"), "{}", status.stdout);
    lab.server.ip(add).unwrap();
    eventually("attaching again", || runs_xdp(&lab, "back"));
    running.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
    assert!(!runs_xdp(&lab, "back"));
}

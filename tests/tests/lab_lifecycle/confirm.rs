//! `--confirm`: a filter that locks its operator out does not last.

use std::{thread, time::Duration};

use super::{assert_nothing_left, eventually, flood, lab, reason};

#[test]
fn an_unconfirmed_filter_undoes_itself() {
    let (lab, synguard) = lab();
    let mut running = synguard.attach(&["--confirm", "2s"]).unwrap();
    assert_eq!(running.wait(Duration::from_secs(10)).unwrap().code(), Some(1));
    let stderr = running.stderr();
    assert_eq!(stderr.matches("not confirmed in time").count(), 1, "{stderr}");
    assert!(stderr.contains("attach again, and run `synguard confirm` within the time"), "{stderr}");
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn a_confirmed_filter_stays() {
    let (lab, synguard) = lab();
    let running = synguard.attach(&["--confirm", "5s"]).unwrap();
    let left = synguard.status_json().unwrap()["confirm_seconds_left"].as_f64().unwrap();
    assert!(left > 0.0 && left <= 5.0, "{left}");
    let confirmed = synguard.run(&["confirm"]).unwrap();
    assert_eq!(confirmed.code, Some(0), "{}", confirmed.stderr);
    assert!(synguard.status_json().unwrap()["confirm_seconds_left"].is_null());
    eventually("the log about it", || running.stderr().contains("confirmed: the filter stays"));
    // Confirming twice does no harm.
    assert_eq!(synguard.run(&["confirm"]).unwrap().code, Some(0));
    running.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn unconfirmed_filter_disarms_without_a_controller() {
    let (lab, synguard) = lab();
    let running = synguard.attach(&["--confirm", "3s", "--syn-rate", "50"]).unwrap();
    running.kill().unwrap();
    let flood = flood(&lab);
    eventually("the end of the time", || synguard.status_json().unwrap()["confirm_seconds_left"] == 0.0);
    thread::sleep(Duration::from_millis(100));
    let before = synguard.status_json().unwrap();
    eventually("SYNs in monitor mode", || {
        reason(&synguard.status_json().unwrap(), "would_hold") > reason(&before, "would_hold") + 100
    });
    let after = synguard.status_json().unwrap();
    assert_eq!(before["counters"]["dropped"], after["counters"]["dropped"]);
    let text = synguard.run(&["status"]).unwrap().stdout;
    assert!(text.contains("not confirmed in time: nothing is dropped"), "{text}");
    let late = synguard.run(&["confirm"]).unwrap();
    assert_eq!(late.code, Some(3), "{}", late.stderr);
    flood.stop().unwrap();
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
    assert_nothing_left(&lab, &synguard);
}

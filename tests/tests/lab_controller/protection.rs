//! Loss of protection: within moments it is said, and mended where it can be. The filter is taken off in every way that
//! somebody else has.

use std::{fs, thread, time::Duration};

use synguard_tests::{command, lab::DEVICE, program::Synguard, steps::run};

use super::{concentrated, event, event_names, lab, runs_xdp, start, status, syncookies, until};

/// Time limit for what takes two ticks of 250 ms, on a busy machine.
const SOON: Duration = Duration::from_secs(3);

fn has_event(synguard: &Synguard, name: &str) -> bool {
    event_names(synguard).iter().any(|event| event == name)
}

fn link_pin(synguard: &Synguard) -> std::path::PathBuf {
    synguard.dirs().bpffs().join("synguard/default").join(format!("link_{DEVICE}"))
}

#[test]
fn removed_pins_are_made_again_and_nothing_gets_through() {
    let (lab, synguard) = lab(1);
    let running = synguard.attach(&["--hold", "1s"]).unwrap();
    run(&synguard, &["block", "add", "11.1.1.1"]);
    let flood = start(&lab, concentrated());
    until("drops", SOON, || status(&synguard)["syn"]["blocked"].as_u64().unwrap() > 1_000);
    let passed = status(&synguard)["syn"]["passed"].clone();
    let pins = synguard.dirs().pins();
    fs::remove_file(link_pin(&synguard)).unwrap();
    until("the pin", SOON, || link_pin(&synguard).exists());
    until("a word about it", SOON, || has_event(&synguard, "pins_restored"));
    assert_eq!(event(&synguard, "pins_restored")["pins"], serde_json::json!([format!("link_{DEVICE}")]));
    // Now all of them.
    fs::remove_dir_all(synguard.dirs().bpffs().join("synguard/default")).unwrap();
    until("the pins", SOON, || synguard.dirs().pins().len() == pins.len());
    assert!(runs_xdp(&lab, DEVICE));
    assert_eq!(status(&synguard)["syn"]["passed"], passed, "nothing got through");
    assert_eq!(synguard.run(&["status", "--check"]).unwrap().code, Some(0));
    flood.stop().unwrap();
    // The pins hold the filter as before.
    running.kill().unwrap();
    assert!(runs_xdp(&lab, DEVICE));
    run(&synguard, &["detach"]);
    assert!(!runs_xdp(&lab, DEVICE) && synguard.dirs().pins().is_empty());
}

#[test]
fn filter_outlives_its_file_system() {
    let (lab, synguard) = lab(1);
    let mut running = synguard.attach(&[]).unwrap();
    let unmount = |path| command::run(lab.server.command("umount").arg("-l").arg(path)).unwrap();
    unmount(synguard.dirs().bpffs());
    until("a word about it", SOON, || running.stderr().contains("removed pins cannot be made again"));
    thread::sleep(Duration::from_secs(1));
    assert!(runs_xdp(&lab, DEVICE), "{}", running.stderr());
    assert_eq!(running.stderr().matches("cannot be made again").count(), 1, "{}", running.stderr());
    running.signal(libc::SIGTERM).unwrap();
    running.wait(SOON).unwrap();
}

#[test]
fn link_detached_by_somebody_is_attached_again() {
    let (lab, synguard) = lab(1);
    let _running = synguard.attach(&[]).unwrap();
    let pin = link_pin(&synguard);
    command::run(lab.server.command("bpftool").args(["link", "detach", "pinned"]).arg(&pin)).unwrap();
    until("a word about it", SOON, || has_event(&synguard, "filter_removed"));
    until("the filter", SOON, || runs_xdp(&lab, DEVICE));
    until("a word about it", SOON, || has_event(&synguard, "interface_back"));
    until("protection", SOON, || status(&synguard)["attached"] == true);
    assert!(!has_event(&synguard, "interface_gone"), "{:?}", event_names(&synguard));
}

#[test]
fn server_without_a_filtered_interface_is_called_unprotected() {
    let (lab, synguard) = lab(1);
    let add = "link add only type veth peer name other";
    lab.server.ip(add).unwrap();
    let _running = synguard.attach(&["only"]).unwrap();
    run(&synguard, &["detach", DEVICE]);
    assert_eq!(synguard.run(&["status", "--check"]).unwrap().code, Some(0));
    lab.server.ip("link del only").unwrap();
    until("a word about it", SOON, || has_event(&synguard, "unprotected"));
    let check = synguard.run(&["status", "--check"]).unwrap();
    assert_eq!((check.code, check.stdout.as_str()), (Some(3), ""), "{}", check.stderr);
    assert!(check.stderr.contains("NOT PROTECTED: the filter is not on only"), "{}", check.stderr);
    let text = synguard.run(&["status"]).unwrap();
    assert!(text.stdout.starts_with("NOT PROTECTED") && text.code == Some(0), "{}", text.stdout);
    assert_eq!(status(&synguard)["attached"], false);
    lab.server.ip(add).unwrap();
    until("protection", SOON, || synguard.run(&["status", "--check"]).unwrap().code == Some(0));
    assert_eq!(status(&synguard)["attached"], true);
}

#[test]
fn stopped_controller_does_not_pass_for_a_running_one() {
    let (_lab, synguard) = lab(1);
    let running = synguard.attach(&[]).unwrap();
    assert_eq!(status(&synguard)["controller"]["responding"], true);
    running.signal(libc::SIGSTOP).unwrap();
    until("silence", Duration::from_secs(5), || status(&synguard)["controller"]["responding"] == false);
    let check = synguard.run(&["status", "--check"]).unwrap();
    assert_eq!(check.code, Some(1), "{}", check.stderr);
    assert!(check.stderr.contains("NOT RESPONDING"), "{}", check.stderr);
    assert!(synguard.run(&["status"]).unwrap().stdout.contains("NOT RESPONDING"));
    assert_eq!(status(&synguard)["controller"]["running"], true);
    running.signal(libc::SIGCONT).unwrap();
    until("a sign of life", SOON, || status(&synguard)["controller"]["responding"] == true);
}

#[test]
fn removed_run_directory_is_made_again_and_what_was_raised_is_restored() {
    let (lab, synguard) = lab(1);
    let running =
        synguard.attach(&["--hold", "1s", "--cookies", "kernel", "--distinct-limit", "300"]).unwrap();
    let flood = start(&lab, super::forged());
    until("cookies", Duration::from_secs(5), || syncookies(&lab) == 2);
    fs::remove_dir_all(synguard.dirs().run_dir().join("default")).unwrap();
    until("a word about it", SOON, || has_event(&synguard, "run_dir_restored"));
    until("its status", SOON, || status(&synguard)["controller"]["running"] == true);
    assert_eq!(status(&synguard)["cookies"]["original"], 1);
    let second = synguard.run(&["attach", DEVICE]).unwrap();
    assert_eq!(second.code, Some(5), "{}", second.stderr);
    // Even a controller that is killed now leaves behind how it was.
    until("the saved value", SOON, || synguard.dirs().run_dir().join("default/syncookies.json").exists());
    running.kill().unwrap();
    flood.stop().unwrap();
    run(&synguard, &["detach"]);
    assert_eq!(syncookies(&lab), 1);
}

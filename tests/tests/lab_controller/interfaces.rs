//! Interfaces that go, come back, and are renamed while the controller runs.

use std::{thread, time::Duration};

use synguard_tests::program::Synguard;

use super::{event, event_names, lab, runs_xdp, status, until};

/// Time limit that needs events about interfaces: without them, the controller checks every ten seconds.
const SOON: Duration = Duration::from_secs(5);

fn count(synguard: &Synguard, name: &str) -> usize {
    event_names(synguard).iter().filter(|event| *event == name).count()
}

#[test]
fn returning_interface_is_attached_again_each_time() {
    let (lab, synguard) = lab(1);
    let add = "link add vanishing type veth peer name other";
    lab.server.ip(add).unwrap();
    let running = synguard.attach(&["vanishing"]).unwrap();
    for round in 1..=3 {
        lab.server.ip("link del vanishing").unwrap();
        until("a word about its end", SOON, || count(&synguard, "interface_gone") == round);
        lab.server.ip(add).unwrap();
        until("a word about its return", SOON, || count(&synguard, "interface_back") == round);
        assert!(runs_xdp(&lab, "vanishing"));
    }
    running.terminate().unwrap();
    assert!(!runs_xdp(&lab, "vanishing"));
    assert_eq!(synguard.dirs().pins(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn renamed_interface_keeps_the_filter() {
    let (lab, synguard) = lab(1);
    lab.server.ip("link add before.1 type veth peer name other").unwrap();
    let running = synguard.attach(&["before.1"]).unwrap();
    lab.server.ip("link set dev before.1 name after.2").unwrap();
    until("a word about it", SOON, || count(&synguard, "interface_renamed") == 1);
    let renamed = event(&synguard, "interface_renamed");
    assert_eq!((&renamed["interface"], &renamed["now"]), (&"before.1".into(), &"after.2".into()));
    assert!(runs_xdp(&lab, "after.2"));
    let interfaces = status(&synguard)["interfaces"].clone();
    let names: Vec<_> = interfaces.as_array().unwrap().iter().map(|link| link["name"].clone()).collect();
    assert_eq!(names, ["after.2", "eth0"]);
    // And whoever takes it off does so by that name.
    assert_eq!(synguard.run(&["detach", "after.2"]).unwrap().code, Some(0));
    assert!(!runs_xdp(&lab, "after.2"));
    running.terminate().unwrap();
}

#[test]
fn interface_with_a_foreign_program_is_left_alone() {
    let (lab, synguard) = lab(1);
    let add = "link add taken type veth peer name other";
    lab.server.ip(add).unwrap();
    let running = synguard.attach(&["taken"]).unwrap();
    lab.server.ip("link del taken").unwrap();
    until("a word about its end", SOON, || count(&synguard, "interface_gone") == 1);
    // A second instance is as foreign as anybody.
    lab.server.ip("link add foreign type veth peer name another").unwrap();
    let foreign = synguard.run(&["--name", "foreign", "attach", "foreign", "--no-control"]).unwrap();
    assert_eq!(foreign.code, Some(0), "{}", foreign.stderr);
    lab.server.ip("link set dev foreign name taken").unwrap();
    until("a word about it", SOON, || count(&synguard, "interface_not_attached") == 1);
    let refused = event(&synguard, "interface_not_attached");
    assert!(refused["why"].as_str().unwrap().contains("already runs another XDP program"), "{refused}");
    assert_eq!(synguard.run(&["--name", "foreign", "detach"]).unwrap().code, Some(0));
    // The controller attaches to the interface as soon as it is free, without help.
    until("a word about its return", Duration::from_secs(15), || count(&synguard, "interface_back") == 1);
    running.terminate().unwrap();
}

#[test]
fn interface_that_is_being_detached_is_not_attached_again() {
    let (lab, synguard) = lab(1);
    lab.server.ip("link add leaving type veth peer name other").unwrap();
    let running = synguard.attach(&["leaving"]).unwrap();
    // The controller has three ticks between the end of the link and that of its pin.
    let delay = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "inject=unlink,unlinkat:delay_enter=800000:when=1..2",
    ];
    let mut detach = synguard.start_through(&delay, &["detach", "leaving"]).unwrap();
    assert!(detach.wait(Duration::from_secs(10)).unwrap().success(), "{}", detach.stderr());
    thread::sleep(Duration::from_secs(1));
    assert!(!runs_xdp(&lab, "leaving"), "{:?}", event_names(&synguard));
    assert_eq!(count(&synguard, "filter_removed") + count(&synguard, "interface_back"), 0);
    // The same when the last interface goes: the command does not wait for the controller in vain.
    let mut detach = synguard.start_through(&delay, &["detach"]).unwrap();
    assert!(detach.wait(Duration::from_secs(60)).unwrap().success(), "{}", detach.stderr());
    assert!(synguard.dirs().pins().is_empty() && !runs_xdp(&lab, "eth0"));
    assert_eq!(running.terminate().unwrap().code, Some(0));
}

//! Unusual conditions: other programs that change the setting, a read-only /proc/sys, unreachable namespaces, damaged
//! files.

use std::{
    fs,
    net::TcpListener,
    os::{fd::AsRawFd as _, unix::net::UnixDatagram},
    time::Duration,
};

use synguard_tests::lab::{DEVICE, Lab};

use super::{SYNCOOKIES, event, event_names, forged, lab, start, status, syncookies, until};

const SOON: Duration = Duration::from_secs(3);

#[test]
fn value_changed_by_another_program_is_left_alone() {
    let (lab, synguard) = lab(0);
    let running = synguard.attach(&["--hold", "1s"]).unwrap();
    let flood = start(&lab, forged());
    until("cookies", SOON, || syncookies(&lab) == 2);
    lab.set_syncookies(1).unwrap();
    until("the event", SOON, || event_names(&synguard).iter().any(|name| name == "cookies_left_alone"));
    flood.stop().unwrap();
    until("calm", Duration::from_secs(12), || status(&synguard)["phase"] == "calm");
    running.terminate().unwrap();
    assert_eq!(syncookies(&lab), 1);
    let left = event(&synguard, "cookies_left_alone");
    assert_eq!((&left["found"], &left["written"], &left["original"]), (&1.into(), &2.into(), &0.into()));
    assert!(!event_names(&synguard).iter().any(|name| name == "cookies_restored"));
}

#[test]
fn changed_value_is_left_alone_after_a_crash() {
    let (lab, synguard) = lab(0);
    let running = synguard.attach(&["--cookies", "kernel"]).unwrap();
    let flood = start(&lab, forged());
    until("cookies", SOON, || syncookies(&lab) == 2);
    running.kill().unwrap();
    flood.stop().unwrap();
    // Without a controller the status knows it from the journal.
    let cookies = &status(&synguard)["cookies"];
    assert_eq!(*cookies, serde_json::json!({ "mode": "kernel", "sysctl": 2, "original": 0 }));
    lab.set_syncookies(1).unwrap();
    let again = synguard.run(&["attach", DEVICE, "--no-control"]).unwrap();
    assert!(again.stderr.contains("another program changed it"), "{}", again.stderr);
    assert_eq!(syncookies(&lab), 1);
    let third = synguard.run(&["attach", DEVICE, "--no-control"]).unwrap();
    assert!(!third.stderr.contains("tcp_syncookies"), "reported once: {}", third.stderr);
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
}

/// Returns the journal that a controller leaves behind if it is killed while it has raised the setting from 1 to 2.
fn journal(lab: &Lab) -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let netns = lab.server.run(|| {
        let socket = UnixDatagram::unbound().unwrap();
        let (mut cookie, mut length) = (0u64, size_of::<u64>() as libc::socklen_t);
        let (pointer, fd) = ((&raw mut cookie).cast(), socket.as_raw_fd());
        // SAFETY: the descriptor is open, and the pointers are to memory of ours of the size given.
        let result = unsafe {
            libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, pointer, &raw mut length)
        };
        assert_eq!(result, 0);
        cookie
    });
    format!(r#"{{"boot":"{}","netns":{},"original":1,"written":2}}"#, boot.trim(), netns.unwrap())
}

#[test]
fn value_restored_by_another_instance_is_raised_again() {
    let (lab, synguard) = lab(2);
    let other = synguard.dirs().run_dir().join("other");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("syncookies.json"), journal(&lab)).unwrap();
    let running = synguard.attach(&["--hold", "1s"]).unwrap();
    let flood = start(&lab, forged());
    until("attack", SOON, || event_names(&synguard).iter().any(|name| name == "cookies_already_up"));
    assert_eq!(synguard.run(&["--name", "other", "detach"]).unwrap().code, Some(0));
    until("cookies again", SOON, || event_names(&synguard).iter().any(|name| name == "cookies_raised"));
    assert_eq!(syncookies(&lab), 2);
    flood.stop().unwrap();
    running.terminate().unwrap();
    assert_eq!(syncookies(&lab), 1);
}

#[test]
fn a_read_only_proc_is_a_warning() {
    let (lab, synguard) = lab(0);
    let script = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec \"$@\"";
    let through = ["unshare", "--mount", "sh", "-c", script, "sh"];
    let mut running = synguard.start_through(&through, &["attach", DEVICE, "--hold", "1s"]).unwrap();
    until("the controller", Duration::from_secs(15), || {
        synguard.status_json().is_ok_and(|status| status["controller"]["running"] == true)
    });
    let flood = start(&lab, forged());
    until("the warning", SOON, || running.stderr().contains("cannot be raised"));
    flood.stop().unwrap();
    until("calm", Duration::from_secs(12), || status(&synguard)["phase"] == "calm");
    assert_eq!(syncookies(&lab), 0);
    let why = event(&synguard, "cookies_not_raised")["why"].as_str().unwrap().to_owned();
    assert!(why.contains("read-only"), "{why}");
    // A second attack is not complained of again, and everything else goes on.
    let flood = start(&lab, forged());
    until("a second attack", SOON, || {
        event_names(&synguard).iter().filter(|n| *n == "attack_began").count() == 2
    });
    flood.stop().unwrap();
    event(&synguard, "cookies_not_raised");
    running.signal(libc::SIGTERM).unwrap();
    assert_eq!(running.wait(Duration::from_secs(5)).unwrap().code(), Some(0), "{}", running.stderr());
}

#[test]
fn unwritable_journal_prevents_raising() {
    let (lab, synguard) = lab(0);
    // A full directory in the place of the journal's temporary file: it cannot be written, nor removed by accident.
    let in_the_way = synguard.dirs().run_dir().join("default/syncookies.json.new");
    fs::create_dir_all(in_the_way.join("full")).unwrap();
    let running = synguard.attach(&["--hold", "1s"]).unwrap();
    let flood = start(&lab, forged());
    until("the warning", SOON, || event_names(&synguard).iter().any(|name| name == "cookies_not_raised"));
    let why = event(&synguard, "cookies_not_raised")["why"].as_str().unwrap().to_owned();
    assert!(why.contains("syncookies.json"), "{why}");
    assert_eq!((syncookies(&lab), &status(&synguard)["phase"]), (0, &"attack".into()));
    flood.stop().unwrap();
    running.terminate().unwrap();
    fs::remove_dir_all(in_the_way).unwrap();
}

#[test]
fn listeners_out_of_reach_are_named() {
    let (lab, synguard) = lab(1);
    let _listener = lab.client.run(|| TcpListener::bind("0.0.0.0:8081")).unwrap().unwrap();
    let mut process = lab.client.command("sleep").arg("60").spawn().unwrap();
    let _running = synguard.attach(&["--hold", "1s"]).unwrap();
    let flood = start(&lab, forged());
    until("the event", SOON, || event_names(&synguard).iter().any(|name| name == "listeners_elsewhere"));
    flood.stop().unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    let elsewhere = event(&synguard, "listeners_elsewhere");
    let ports = |namespace: &serde_json::Value| namespace["ports"].as_array().unwrap().contains(&8081.into());
    assert!(elsewhere["namespaces"].as_array().unwrap().iter().any(ports), "{elsewhere}");
}

#[test]
fn damaged_files_are_no_failure() {
    let (lab, synguard) = lab(1);
    let state = synguard.dirs().state_dir().join("default");
    let run = synguard.dirs().run_dir().join("default");
    fs::create_dir_all(&state).unwrap();
    fs::create_dir_all(&run).unwrap();
    fs::write(state.join("events.jsonl"), b"\xff{\n{\"time\":\"cut").unwrap();
    fs::write(run.join("syncookies.json"), b"{").unwrap();
    let running = synguard.attach(&[]).unwrap();
    assert!(running.stderr().contains("syncookies.json is damaged"), "{}", running.stderr());
    let events = synguard.run(&["events"]).unwrap();
    assert_eq!(events.code, Some(0));
    assert!(events.stderr.contains("2 damaged lines were skipped"), "{}", events.stderr);
    assert!(events.stdout.contains("filtering on eth0"), "{}", events.stdout);
    running.terminate().unwrap();
    assert_eq!(syncookies(&lab), 1, "{SYNCOOKIES}");
}

#[test]
fn events_can_be_followed() {
    let (_lab, synguard) = lab(1);
    let nothing = synguard.run(&["events"]).unwrap();
    assert_eq!((nothing.code, nothing.stdout.as_str(), nothing.stderr.as_str()), (Some(0), "", ""));
    let running = synguard.attach(&[]).unwrap();
    let path = synguard.dirs().root().join("followed");
    let mut command = synguard.command(["events", "--follow", "--json"]);
    let mut follower = command.stdout(fs::File::create(&path).unwrap()).spawn().unwrap();
    let followed = |word: &str| fs::read_to_string(&path).unwrap().contains(word);
    until("the first", SOON, || followed("\"started\""));
    running.terminate().unwrap();
    until("the last", SOON, || followed("\"stopped\""));
    follower.kill().unwrap();
    follower.wait().unwrap();
    for line in fs::read_to_string(&path).unwrap().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["message"].is_string(), "{line}");
        synguard_tests::json_schema::validate("event", &event).unwrap();
    }
    // After the filter is gone they are still there.
    assert_eq!(event_names(&synguard), ["started", "stopped"]);
}

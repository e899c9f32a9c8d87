//! What systemd is told.

use std::{os::unix::net::UnixDatagram, time::Duration};

use synguard_tests::lab::DEVICE;

use super::{concentrated, lab, start};

/// What comes next, each message being one or more lines.
fn next(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect()
}

#[test]
fn systemd_is_told_when_it_is_ready_what_it_does_and_that_it_lives() {
    let (lab, synguard) = lab(1);
    let path = synguard.dirs().root().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let variable = format!("NOTIFY_SOCKET={}", path.display());
    let mut running =
        synguard.start_through(&["env", &variable], &["attach", DEVICE, "--hold", "1s"]).unwrap();
    assert_eq!(next(&socket), ["READY=1"]);
    // What is said to be ready is ready.
    assert_eq!(synguard.status_json().unwrap()["controller"]["running"], true);
    let wait_for = |line: &str| {
        let mut alive = 0;
        for _ in 0..200 {
            let lines = next(&socket);
            alive += lines.iter().filter(|line| *line == "WATCHDOG=1").count();
            if lines.iter().any(|told| told == line) {
                return alive;
            }
        }
        panic!("{line} was not told");
    };
    wait_for("STATUS=calm");
    let flood = start(&lab, concentrated());
    wait_for("STATUS=attack (concentrated)");
    flood.stop().unwrap();
    wait_for("STATUS=recovering (concentrated)");
    assert!(wait_for("STATUS=calm") > 0, "it lives, but does not say so");
    running.signal(libc::SIGHUP).unwrap();
    running.signal(libc::SIGTERM).unwrap();
    wait_for("STOPPING=1");
    assert_eq!(running.wait(Duration::from_secs(5)).unwrap().code(), Some(0), "{}", running.stderr());
}

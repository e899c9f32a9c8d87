//! Notifications to systemd, and the rights that its unit leaves the controller.

use std::{os::unix::net::UnixDatagram, time::Duration};

use synguard_tests::{
    flood::{FloodSpec, Offenders},
    lab::DEVICE,
};

use super::{concentrated, event_names, forged, lab, start, status, sysctls, until};

/// Receives the next notification, which has one or more lines.
fn next(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect()
}

#[test]
fn systemd_gets_readiness_status_and_watchdog() {
    let (lab, synguard) = lab(1);
    let path = synguard.dirs().root().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let variable = format!("NOTIFY_SOCKET={}", path.display());
    let mut running =
        synguard.start_through(&["env", &variable], &["attach", DEVICE, "--hold", "1s"]).unwrap();
    assert_eq!(next(&socket), ["READY=1"]);
    // The controller runs once it has reported that it is ready.
    assert_eq!(synguard.status_json().unwrap()["controller"]["running"], true);
    let wait_for = |line: &str| {
        let mut alive = 0;
        for _ in 0..200 {
            let lines = next(&socket);
            alive += lines.iter().filter(|line| *line == "WATCHDOG=1").count();
            if lines.iter().any(|sent| sent == line) {
                return alive;
            }
        }
        panic!("{line} was not sent");
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

const UNIT: &str = include_str!("../../../packaging/synguard@.service");

/// The values of a key of the unit, all in one line.
fn unit(key: &str) -> String {
    let values = UNIT.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.collect::<Vec<_>>().join(" ")
}

/// Starts the controller as systemd does, except for the filter of system calls: with its capabilities, and all of
/// /proc/sys and /sys read-only but for the paths that the unit names.
#[test]
fn controller_runs_with_the_rights_of_its_unit() {
    let (lab, synguard) = lab(0);
    let capabilities: String = unit("CapabilityBoundingSet")
        .to_lowercase()
        .split(' ')
        .map(|name| format!(",+{}", &name[4..]))
        .collect();
    let writable = unit("ReadWritePaths").replace('-', "").replace("/sys/fs/bpf/synguard", "");
    let script = format!(
        "for path in /proc/sys /sys; do mount --bind $path $path && mount -o remount,bind,ro $path || exit 1; done
         for path in {writable}; do mount --bind $path $path && mount -o remount,bind,rw $path || exit 1; done
         shift 3
         exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all{capabilities} -- \"$@\""
    );
    let namespace = format!("--net={}", lab.server.path().display());
    let through = ["nsenter", &namespace, "unshare", "--mount", "sh", "-c", &script, "sh"];
    let mut running = synguard
        .start_through(
            &through,
            &["attach", DEVICE, "--hold", "1s", "--distinct-limit", "50", "--cookies", "xdp"],
        )
        .unwrap();
    until("the controller", Duration::from_secs(15), || {
        synguard.status_json().is_ok_and(|status| status["controller"]["running"] == true)
    });
    let offenders = Offenders { first: "11.1.1.1".parse().unwrap(), count: 1, share: 0.3 };
    let flood = start(&lab, FloodSpec { offenders: Some(offenders), ..forged() });
    until("cookies and timestamps", Duration::from_secs(5), || sysctls(&lab) == (2, 2));
    until("a block", Duration::from_secs(10), || event_names(&synguard).iter().any(|name| name == "blocked"));
    flood.stop().unwrap();
    until("calm", Duration::from_secs(15), || sysctls(&lab) == (0, 1));
    running.signal(libc::SIGTERM).unwrap();
    assert_eq!(running.wait(Duration::from_secs(5)).unwrap().code(), Some(0), "{}", running.stderr());
    let message = running.stderr();
    assert!(
        !message.contains("cannot") && !message.contains("could not") && !message.contains("ERROR"),
        "{message}"
    );
}

#[test]
fn the_unit_starts_what_there_is() {
    let (_lab, synguard) = lab(1);
    let start = unit("ExecStart");
    let arguments = start.strip_prefix("/usr/sbin/synguard ").unwrap().replace("%i", "default");
    let arguments = arguments.replace("$SYNGUARD_ARGS", &format!("{DEVICE} --no-control"));
    let output = synguard.run(&arguments.split(' ').collect::<Vec<_>>()).unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(status(&synguard)["instance"], "default");
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
}

#[test]
fn only_the_journal_gets_priorities() {
    let (_lab, synguard) = lab(1);
    // Standard error is a file here, whose device and inode numbers only the shell knows.
    for (variable, begins_with) in [("$(stat -L -c %d:%i /dev/stderr)", "<4>"), ("1:1", "[")] {
        let script = format!("JOURNAL_STREAM={variable} exec \"$@\"");
        let mut running = synguard
            .start_through(&["sh", "-c", &script, "sh"], &["attach", DEVICE, "--monitor", "--no-control"])
            .unwrap();
        assert_eq!(running.wait(Duration::from_secs(15)).unwrap().code(), Some(0));
        let message = running.stderr();
        let line = message.lines().find(|line| line.contains("monitor mode")).unwrap();
        assert!(line.starts_with(begins_with), "{line}");
        assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
    }
}

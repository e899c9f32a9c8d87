//! A takeover of the former build's filter that is cut short is completed by the next `attach`.

use std::{fs, path::Path, process::ExitStatus, thread, time::Duration};

use synguard_common::map_names::{self, FORMER_NAMES};
use synguard_tests::{lab::DEVICE, program::Synguard};

use super::{
    super::{assert_nothing_left, dropped, eventually, flood, lab, reason},
    assert_former_names, assert_new_names, pins, restore_former_names, run, upgrade,
};

const ATTACH: [&str; 7] = ["attach", DEVICE, "--no-control", "--syn-rate", "50", "--hold", "1h"];
/// The system calls by which the takeover changes the pins and the programs of the interfaces.
const TRACED: &str = "/^rename|^bpf$";

/// Runs `attach` under strace, which writes the takeover's system calls to `log` and injects the fault `inject`.
fn attach_traced(synguard: &Synguard, log: &Path, inject: Option<&str>) -> ExitStatus {
    let log = log.to_str().unwrap();
    let mut strace = vec!["strace", "-f", "-qq", "-o", log, "-e", TRACED];
    strace.extend(inject.iter().flat_map(|inject| ["-e", inject]));
    synguard.start_through(&strace, &ATTACH).unwrap().wait(Duration::from_secs(30)).unwrap()
}

/// A system call, and how many of its kind came before it.
#[derive(Clone, Debug)]
struct Call {
    name: String,
    number: usize,
    line: String,
}

/// The calls of a log that are the takeover itself: it pins the program, renames the maps, writes the version into
/// CONFIG and swaps the program.
fn steps(log: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for line in log.lines() {
        // "PID name(arguments) = result".
        let call = line.split_once(' ').and_then(|(_, call)| call.trim_start().split_once('('));
        let Some((name, _)) = call else { continue };
        let number = calls.iter().filter(|call| call.name == name).count() + 1;
        calls.push(Call { name: name.to_owned(), number, line: line.to_owned() });
    }
    let version =
        calls.iter().rfind(|call| call.line.contains("BPF_MAP_UPDATE_ELEM")).map(|call| call.number);
    let is_step = |call: &Call| {
        let is_rename = call.name.starts_with("rename");
        let is_map = FORMER_NAMES.iter().any(|(former, _)| call.line.contains(&format!("/{former}\"")));
        let is_program = ["/synguard_new", "BPF_LINK_UPDATE"].iter().any(|part| call.line.contains(part));
        (is_rename && is_map) || is_program || (call.name == "bpf" && Some(call.number) == version)
    };
    calls.into_iter().filter(is_step).collect()
}

#[test]
fn killed_takeover_is_completed_by_the_next_attach() {
    let (lab, new, old) = upgrade();
    run(&old, &ATTACH);
    let flood = flood(&lab);
    eventually("the hold", || new.status_json().unwrap()["sources"]["in_hold"] == 1);
    let passed = reason(&new.status_json().unwrap(), "syn_passed");
    let log = new.dirs().root().join("strace");
    assert!(attach_traced(&new, &log, None).success());
    assert_new_names(&new);
    let steps = steps(&fs::read_to_string(&log).unwrap());
    assert_eq!(steps.len(), FORMER_NAMES.len() + 4, "{steps:#?}");
    for call in steps {
        restore_former_names(&new);
        let inject = format!("inject={}:error=EPERM:signal=KILL:when={}", call.name, call.number);
        let status = attach_traced(&new, &log, Some(&inject));
        assert!(!status.success(), "{call:?}");
        // The filter can be used as it was left, and goes on.
        let left = new.status_json().unwrap();
        assert_eq!(
            (&left["sources"]["in_hold"], reason(&left, "syn_passed")),
            (&1.into(), passed),
            "{call:?}"
        );
        run(&new, &ATTACH);
        assert_new_names(&new);
        let repaired = new.status_json().unwrap();
        assert_eq!(repaired["sources"]["in_hold"], 1, "{call:?}");
        assert_eq!(reason(&repaired, "syn_passed"), passed, "{call:?}");
    }
    let totals = flood.stop().unwrap();
    thread::sleep(Duration::from_millis(200));
    // Every frame was counted, by whatever program: at no moment was there none.
    let packets = new.status_json().unwrap()["counters"]["packets"].as_u64().unwrap();
    assert_eq!(packets, lab.ring_arrivals().unwrap());
    assert_eq!(packets + lab.ring_losses().unwrap(), totals.offered);
    run(&new, &["detach"]);
    assert_nothing_left(&lab, &new);
}

#[test]
fn config_decides_which_of_two_map_names_is_used() {
    let (lab, new) = lab();
    run(&new, &ATTACH);
    let flood = flood(&lab);
    eventually("the hold", || new.status_json().unwrap()["sources"]["in_hold"] == 1);
    let passed = reason(&new.status_json().unwrap(), "syn_passed");
    // Another map under a name that is not in use: each of the two names once.
    restore_former_names(&new);
    for (_, name) in FORMER_NAMES {
        fs::hard_link(pins(&new).join(map_names::PORTS), pins(&new).join(name)).unwrap();
    }
    assert_eq!(new.status_json().unwrap()["sources"]["in_hold"], 1);
    run(&new, &ATTACH);
    assert_new_names(&new);
    for (former, _) in FORMER_NAMES {
        fs::hard_link(pins(&new).join(map_names::PORTS), pins(&new).join(former)).unwrap();
    }
    let before = dropped(&new);
    eventually("more drops", || dropped(&new) > before);
    run(&new, &ATTACH);
    assert_new_names(&new);
    let status = new.status_json().unwrap();
    assert_eq!((&status["sources"]["in_hold"], reason(&status, "syn_passed")), (&1.into(), passed));
    flood.stop().unwrap();
    run(&new, &["detach"]);
    assert_nothing_left(&lab, &new);
}

#[test]
fn half_renamed_filter_is_read_and_completed() {
    let (lab, new) = lab();
    run(&new, &ATTACH);
    for renamed in 0..=FORMER_NAMES.len() {
        restore_former_names(&new);
        for (former, name) in FORMER_NAMES.into_iter().take(renamed) {
            fs::rename(pins(&new).join(former), pins(&new).join(name)).unwrap();
        }
        assert_eq!(new.status_json().unwrap()["settings"]["syn-rate"], 50);
        run(&new, &["why", "10.0.0.1"]);
        run(&new, &ATTACH);
        assert_new_names(&new);
    }
    restore_former_names(&new);
    assert_former_names(&new);
    run(&new, &["detach"]);
    assert_nothing_left(&lab, &new);
}

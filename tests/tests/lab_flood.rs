//! A real flood against a real server behind the filter: the flood is dropped in the driver, every visitor is
//! served, and the counters account for every packet. Counts only; latency is the demo's business.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "the helpers of tests are tests too")]

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use synguard_tests::{
    client::{self, ClientSpec},
    flood::{Flood, FloodSpec},
    lab::{Family, Lab},
    program::Synguard,
    web::Web,
};

const FLOOD: Duration = Duration::from_secs(3);

fn count(status: &Value, reason: &str) -> u64 {
    status["counters"]["reasons"][reason].as_u64().unwrap_or_else(|| panic!("no reason {reason}"))
}

/// Asserts promise P-3 on a status: reasons sum to the packets, and so do passed and dropped.
fn accounted(status: &Value) {
    let counters = &status["counters"];
    let packets = counters["packets"].as_u64().unwrap();
    let sum: u64 = counters["reasons"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(sum, packets, "{counters}");
    let [passed, dropped] = ["passed", "dropped"].map(|key| counters[key].as_u64().unwrap());
    assert_eq!(passed + dropped, packets, "{counters}");
}

/// The status once it has counted `SYNs` to guarded ports, or at the latest after a while.
fn settled(synguard: &Synguard, syns: u64) -> Value {
    let begun = Instant::now();
    loop {
        let status = synguard.status_json().unwrap();
        if status["syn"]["total"].as_u64().unwrap() >= syns || begun.elapsed() > Duration::from_secs(2) {
            accounted(&status);
            return status;
        }
    }
}

/// Floods while visitors come; returns how many frames of the flood reached the program, and the status after it.
fn flooded(lab: &Lab, synguard: &Synguard, family: Family, spec: FloodSpec) -> (u64, Value) {
    let before = lab.ring_losses().unwrap();
    let flood = Flood::start(lab, spec).unwrap();
    let visits = client::run(&lab.client, &ClientSpec::new(family, FLOOD)).unwrap();
    let totals = flood.wait().unwrap();
    // Of a visitor's SYN that found the ring full, another was sent.
    let arrived = totals.offered - (lab.ring_losses().unwrap() - before);
    let status = settled(synguard, arrived + visits.served as u64);
    assert!(visits.served > 100, "{visits:?}");
    assert_eq!(visits.failed, 0, "visitors were turned away: {visits:?}; {status}");
    println!("{totals:?}, {arrived} arrived");
    (arrived, status)
}

fn lab() -> (Lab, Web, Synguard) {
    let lab = Lab::new().unwrap();
    lab.set_syncookies(0).unwrap();
    let web = Web::start(&lab).unwrap();
    let synguard = Synguard::new(&lab).unwrap();
    (lab, web, synguard)
}

fn assert_flood_dropped(arrived: u64, status: &Value) {
    let dropped = status["counters"]["dropped"].as_u64().unwrap();
    let share = dropped as f64 / arrived as f64;
    assert!(share >= 0.999, "{:.3} % of {arrived} dropped: {status}", share * 100.0);
}

fn spec(family: Family) -> FloodSpec {
    FloodSpec { max_duration: FLOOD, ..FloodSpec::new(family) }
}

#[test]
fn single_source_is_dropped_and_visitors_are_served() {
    for family in [Family::V4, Family::V6] {
        let (lab, _web, synguard) = lab();
        let running = synguard.attach(&["--syn-rate", "50"]).unwrap();
        let (arrived, status) = flooded(&lab, &synguard, family, spec(family));
        assert_flood_dropped(arrived, &status);
        assert_eq!(status["interfaces"][0]["mode"], "native");
        assert_eq!(status["cookies"]["sysctl"], 0, "somebody touched tcp_syncookies");
        assert_eq!(lab.server.sysctl("net.ipv4.tcp_syncookies").unwrap(), "0");
        // The log reports it, in few lines.
        let log = running.stderr();
        assert!(log.contains("attack"), "{log}");
        assert!(log.lines().count() < 20, "{log}");
        running.terminate().unwrap();
    }
}

#[test]
fn a_tag_does_not_hide_the_flood() {
    let (lab, _web, synguard) = lab();
    let _running = synguard.attach(&["--syn-rate", "50"]).unwrap();
    let tagged = FloodSpec { vlan: Some(7), ..spec(Family::V4) };
    let (arrived, status) = flooded(&lab, &synguard, Family::V4, tagged);
    assert_flood_dropped(arrived, &status);
}

#[test]
fn generic_mode_drops_the_flood_too() {
    let (lab, _web, synguard) = lab();
    let _running = synguard.attach(&["--syn-rate", "50", "--mode", "generic"]).unwrap();
    // Without a native program on the device, frames sent by XDP do not arrive; the visitors' SYNs do.
    let status = synguard.status_json().unwrap();
    assert_eq!(status["interfaces"][0]["mode"], "generic");
    // All visitors are one source here, and many more than its rate.
    let one_visitor =
        ClientSpec { visitors: 1, timeout: Duration::from_secs(1), ..ClientSpec::new(Family::V4, FLOOD) };
    let visits = client::run(&lab.client, &one_visitor).unwrap();
    let status = synguard.status_json().unwrap();
    accounted(&status);
    assert!(visits.failed > 0, "{visits:?}");
    assert!(status["counters"]["dropped"].as_u64().unwrap() > 0, "{status}");
}

#[test]
fn monitor_mode_reports_drops_and_drops_nothing() {
    let (lab, _web, synguard) = lab();
    lab.set_syncookies(2).unwrap();
    let _running = synguard.attach(&["--syn-rate", "50", "--monitor"]).unwrap();
    let slow = FloodSpec { rate_pps: Some(5_000), ..spec(Family::V4) };
    let (arrived, status) = flooded(&lab, &synguard, Family::V4, slow);
    assert_eq!(status["counters"]["dropped"], 0);
    assert_eq!(status["monitor"], true);
    let would = count(&status, "would_hold") + count(&status, "would_rate_exceeded");
    assert!(would as f64 >= 0.95 * arrived as f64, "{status}");
}

#[test]
fn other_ports_are_left_alone() {
    let (lab, _web, synguard) = lab();
    lab.set_syncookies(2).unwrap();
    let _running = synguard.attach(&["--syn-rate", "50", "--ports", "443,8000-8010"]).unwrap();
    let slow = FloodSpec { rate_pps: Some(5_000), ..spec(Family::V4) };
    let flood = Flood::start(&lab, slow).unwrap();
    let totals = flood.wait().unwrap();
    thread::sleep(Duration::from_millis(100));
    let status = synguard.status_json().unwrap();
    accounted(&status);
    assert_eq!(status["counters"]["dropped"], 0);
    assert!(count(&status, "unguarded_port") >= totals.offered * 99 / 100, "{status}");
}

#[test]
fn offender_that_stops_is_served_after_its_hold() {
    let (lab, _web, synguard) = lab();
    let _running = synguard.attach(&["--syn-rate", "20", "--hold", "2s"]).unwrap();
    let one = |rate, millis| ClientSpec {
        visitors: 1,
        rate,
        timeout: Duration::from_millis(900),
        ..ClientSpec::new(Family::V4, Duration::from_millis(millis))
    };
    let greedy = client::run(&lab.client, &one(200, 1_000)).unwrap();
    assert!(greedy.failed > 0, "{greedy:?}");
    let begun = Instant::now();
    loop {
        let modest = client::run(&lab.client, &one(5, 1_000)).unwrap();
        if modest.failed == 0 && modest.served > 0 {
            break;
        }
        // A SYN that is sent again within the hold does not prolong it.
        assert!(begun.elapsed() < Duration::from_secs(15), "{modest:?}");
    }
}

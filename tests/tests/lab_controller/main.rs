//! The controller against real floods: its decisions, the sysctls that it changes, and that it always restores them.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]
#![expect(clippy::print_stdout, reason = "what was measured is for people to read")]

mod answers;
mod attackers;
mod blocks;
mod campaign;
mod connected;
mod cookie_acks_lost;
mod cookies;
mod crash;
mod disk;
mod idle;
mod interfaces;
mod kernel_only;
mod protection;
mod systemd;
mod truth;
mod unusual;
mod xdp_cookies;

use std::{net::IpAddr, time::Duration};

use serde_json::Value;
use synguard_tests::{
    client::{self, ClientSpec, Summary},
    flood::{Flood, FloodSpec},
    lab::{Family, Lab},
    program::Synguard,
    steps::until,
};

const SYNCOOKIES: &str = "net.ipv4.tcp_syncookies";
const TIMESTAMPS: &str = "net.ipv4.tcp_timestamps";

fn lab(syncookies: u8) -> (Lab, Synguard) {
    let lab = Lab::new().unwrap();
    lab.set_syncookies(syncookies).unwrap();
    let synguard = Synguard::new(&lab).unwrap();
    (lab, synguard)
}

/// Reports whether a device in the server's namespace exists and runs an XDP program.
fn runs_xdp(lab: &Lab, device: &str) -> bool {
    lab.server.ip(&format!("link show dev {device}")).is_ok_and(|text| text.contains("prog/xdp"))
}

/// Returns the server's `tcp_syncookies`.
fn syncookies(lab: &Lab) -> u8 {
    lab.server.sysctl(SYNCOOKIES).unwrap().parse().unwrap()
}

/// Returns the server's `tcp_timestamps`.
fn timestamps(lab: &Lab) -> u8 {
    lab.server.sysctl(TIMESTAMPS).unwrap().parse().unwrap()
}

/// Returns both.
fn sysctls(lab: &Lab) -> (u8, u8) {
    (syncookies(lab), timestamps(lab))
}

/// Forged SYNs, 60 000 a second from 16 million sources, for as long as the test takes.
fn forged() -> FloodSpec {
    FloodSpec {
        rate_pps: Some(60_000),
        sources: 1 << 24,
        max_duration: Duration::from_secs(60),
        ..FloodSpec::new(Family::V4)
    }
}

/// SYNs from one source, 20 000 a second, for as long as the test takes.
fn concentrated() -> FloodSpec {
    FloodSpec {
        rate_pps: Some(20_000),
        first_source: IpAddr::from([11, 1, 1, 1]),
        max_duration: Duration::from_secs(60),
        ..FloodSpec::new(Family::V4)
    }
}

fn start(lab: &Lab, spec: FloodSpec) -> Flood {
    Flood::start(lab, spec).unwrap()
}

fn status(synguard: &Synguard) -> Value {
    synguard.status_json().unwrap()
}

/// The names of the events so far, the oldest first.
fn event_names(synguard: &Synguard) -> Vec<String> {
    events(synguard).iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

fn events(synguard: &Synguard) -> Vec<Value> {
    let json = synguard.run_json(&["events", "--json"]).unwrap();
    assert_eq!((&json["schema"], &json["damaged"]), (&1.into(), &0.into()));
    json["events"].as_array().unwrap().clone()
}

/// Returns the one event of that name.
fn event(synguard: &Synguard, name: &str) -> Value {
    let mut found: Vec<_> = events(synguard).into_iter().filter(|event| event["event"] == name).collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found.remove(0)
}

fn visit(lab: &Lab, spec: &ClientSpec) -> Summary {
    client::run(&lab.client, spec).unwrap()
}

/// Makes visits for this time.
fn visits(lab: &Lab, seconds: u64) -> Summary {
    visit(lab, &ClientSpec::new(Family::V4, Duration::from_secs(seconds)))
}

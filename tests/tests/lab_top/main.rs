//! `synguard top` and `why`: offenders lead the list, however many other sources there are, and each verdict is
//! explained.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod edits;
mod live;
mod once;
mod picture;
mod screen;
mod session;
mod why;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use synguard_tests::{
    flood::{Flood, FloodSpec, Offenders},
    lab::{Family, GATEWAY_MAC, Lab},
    program::{Running, Synguard},
};

/// The offenders' addresses.
const OFFENDERS: [Ipv4Addr; 5] = [
    Ipv4Addr::new(172, 16, 0, 1),
    Ipv4Addr::new(172, 16, 0, 2),
    Ipv4Addr::new(172, 16, 0, 3),
    Ipv4Addr::new(172, 16, 0, 4),
    Ipv4Addr::new(172, 16, 0, 5),
];

/// 200 000 SYNs a second from a million sources, one in a hundred of them from the five offenders: 400 a second
/// each, where another source sends one in five seconds.
fn flood(lab: &Lab, duration: Duration) -> Flood {
    let spec = FloodSpec {
        rate_pps: Some(200_000),
        max_duration: duration,
        sources: 1_000_000,
        offenders: Some(Offenders { first: IpAddr::V4(OFFENDERS[0]), count: 5, share: 0.01 }),
        destination_mac: GATEWAY_MAC,
        ..FloodSpec::new(Family::V4)
    };
    Flood::start(lab, spec).unwrap()
}

/// A lab with the filter attached; one at a time, because two floods on one CPU would starve each other.
fn attached() -> (Lab, Synguard, (Running, MutexGuard<'static, ()>)) {
    attached_with(&[])
}

/// The same, with more settings.
fn attached_with(settings: &[&str]) -> (Lab, Synguard, (Running, MutexGuard<'static, ()>)) {
    static FLOODING: Mutex<()> = Mutex::new(());
    let alone = FLOODING.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::new().unwrap();
    let synguard = Synguard::new(&lab).unwrap();
    let running = synguard.attach(&[&["--syn-rate", "50"], settings].concat()).unwrap();
    (lab, synguard, (running, alone))
}

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]
use std::{
    net::{IpAddr, Ipv4Addr},
    thread,
    time::Duration,
};
use synguard_tests::{
    flood::{Flood, FloodSpec, Offenders},
    lab::{Family, GATEWAY_MAC, Lab},
    program::Synguard,
    terminal::Terminal,
};
fn main() {
    let lab = Lab::new().unwrap();
    let synguard = Synguard::new(&lab).unwrap();
    let _r = synguard.attach(&["--syn-rate", "50"]).unwrap();
    let flood = |rate| FloodSpec {
        rate_pps: Some(rate),
        max_duration: Duration::from_secs(60),
        sources: 1_000_000,
        offenders: Some(Offenders { first: IpAddr::V4(Ipv4Addr::new(172, 16, 0, 1)), count: 5, share: 0.05 }),
        destination_mac: GATEWAY_MAC,
        ..FloodSpec::new(Family::V4)
    };
    let _f = Flood::start(&lab, flood(100_000)).unwrap();
    let t = Terminal::start(&synguard.command(["top"]), 60, 15).unwrap();
    thread::sleep(Duration::from_secs(4));
    println!("{}", t.screen().unwrap());
    for k in ["2", "3", "4", "5", "6"] {
        t.press(&[k]).unwrap();
        thread::sleep(Duration::from_millis(300));
        println!("{}", t.screen().unwrap());
    }
    t.press(&["1", "Enter"]).unwrap();
    thread::sleep(Duration::from_millis(300));
    println!("{}", t.screen().unwrap());
    t.press(&["b"]).unwrap();
    thread::sleep(Duration::from_millis(300));
    println!("{}", t.screen().unwrap());
    t.press(&["Escape"]).unwrap();
    t.resize(80, 24).unwrap();
    thread::sleep(Duration::from_millis(2500));
    println!("{}", t.screen().unwrap());
    t.resize(130, 32).unwrap();
    thread::sleep(Duration::from_millis(2500));
    println!("{}", t.screen().unwrap());
    t.press(&["q"]).unwrap();
    thread::sleep(Duration::from_millis(500));
    println!("{}", t.screen().unwrap());
}

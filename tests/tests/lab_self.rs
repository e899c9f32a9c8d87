//! The lab itself: the frames that it claims to send arrive, and nothing of it stays behind.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "the helpers of tests are tests too")]

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use synguard_tests::{
    client::{self, ClientSpec},
    flood::{Flood, FloodSpec, Generator, Totals},
    lab::{Family, Lab},
    web::Web,
    xdp::Program,
};

/// Time that frames under way may take to be received.
const ARRIVAL_MAX: Duration = Duration::from_secs(2);

/// Floods share one CPU: they take turns, or they would slow each other.
static TURN: Mutex<()> = Mutex::new(());

/// Sends a flood into a counting program, asserts that every frame is accounted for, and returns the frames sent.
fn account(spec: FloodSpec) -> Totals {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::new().unwrap();
    let receiver = lab.attach(Program::Drop).unwrap();
    let losses = lab.ring_losses().unwrap();
    let totals = Flood::start(&lab, spec).unwrap().wait().unwrap();
    let ended = Instant::now();
    loop {
        let lost = lab.ring_losses().unwrap() - losses;
        let received = receiver.dropped().unwrap();
        if received + lost == totals.offered {
            println!("{totals:?}, {:.0}/s, {lost} lost in the ring", totals.rate());
            return totals;
        }
        assert!(ended.elapsed() < ARRIVAL_MAX, "{received} received and {lost} lost of {totals:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn paced_flood_keeps_its_rate() {
    for family in [Family::V4, Family::V6] {
        let spec = FloodSpec { max_duration: Duration::from_secs(1), ..FloodSpec::new(family) };
        // A busy machine may take the CPU away for longer than can be caught up; not three times in a row.
        let rates: Vec<f64> = (0..3).map(|_| account(spec.clone()).rate()).collect();
        assert!(rates.iter().any(|rate| (98_000.0..=102_000.0).contains(rate)), "{family:?}: {rates:.0?}");
    }
}

#[test]
fn a_flood_at_full_rate_stops_at_its_bound() {
    let spec = FloodSpec { rate_pps: None, max_frames: 1_000_000, ..FloodSpec::new(Family::V4) };
    assert_eq!(account(spec).offered, 1_000_000);
}

/// Frames that two floods sent at once, and how many of them the driver has counted.
#[derive(Debug)]
struct Overrun {
    offered: u64,
    arrived: u64,
    lost: u64,
}

/// Floods a receive ring from two CPUs: while one is busy with the ring and the network stack behind it, the other fills
/// it. Returns when every frame is accounted for, or no more frames can be under way.
fn overrun() -> Overrun {
    let lab = Lab::new().unwrap();
    let _pass = lab.attach_pass().unwrap();
    let spec = |cpu| FloodSpec { rate_pps: None, max_frames: 500_000, cpu, ..FloodSpec::new(Family::V4) };
    // A fast machine sends one flood in less time than the other's generator takes to load.
    let generators = [0, 1].map(|cpu| Arc::new(Generator::new(&lab, &spec(cpu)).unwrap()));
    let floods = [0, 1].map(|cpu| Flood::start_with(&lab, Arc::clone(&generators[cpu]), spec(cpu)).unwrap());
    let offered = floods.map(|flood| flood.wait().unwrap().offered).iter().sum();
    let ended = Instant::now();
    loop {
        let overrun =
            Overrun { offered, arrived: lab.ring_arrivals().unwrap(), lost: lab.ring_losses().unwrap() };
        let counted = overrun.arrived + overrun.lost;
        assert!(counted <= offered, "more counted than sent: {overrun:?}");
        if counted == offered || ended.elapsed() > ARRIVAL_MAX {
            assert!(overrun.lost > 0, "the ring was never full: {overrun:?}");
            return overrun;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The driver may lose one of two increments of the loss counter that happen at once. `veth_xdp_xmit` takes the queue
/// whose number is the CPU's, modulo the queues, so that both CPUs share the only queue of the lab's device. It adds to
/// `peer_tq_xdp_xmit_err` after it has released the lock of the ring's producers, and `u64_stats_update_begin` locks
/// nothing on 64-bit machines. Each lost increment hides a bulk of at most 16 frames (`DEV_MAP_BULK_SIZE`). Arrivals are
/// exact: only the queue's NAPI instance counts them. A single generator is the only writer, and all its runs are exact.
#[test]
fn frames_at_a_full_ring_are_counted_as_lost() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..3 {
        let overrun = overrun();
        println!("{overrun:?}");
        if overrun.arrived + overrun.lost == overrun.offered {
            return;
        }
    }
    panic!("no run of three was exact");
}

#[test]
fn a_quiet_lab_is_silent() {
    let lab = Lab::new().unwrap();
    let receiver = lab.attach(Program::Drop).unwrap();
    thread::sleep(Duration::from_secs(1));
    assert_eq!(receiver.dropped().unwrap(), 0);
}

#[test]
fn stopped_flood_reports_its_frames() {
    let lab = Lab::new().unwrap();
    let receiver = lab.attach(Program::Drop).unwrap();
    let flood = Flood::start(&lab, FloodSpec::new(Family::V4)).unwrap();
    thread::sleep(Duration::from_millis(100));
    let totals = flood.stop().unwrap();
    assert!(totals.offered > 0);
    drop(Flood::start(&lab, FloodSpec::new(Family::V4)).unwrap());
    drop(receiver);
    drop(lab);
}

#[test]
fn visitors_are_served_and_timeouts_count_as_failed() {
    let lab = Lab::new().unwrap();
    let web = Web::start(&lab).unwrap();
    for family in [Family::V4, Family::V6] {
        let spec = ClientSpec::new(family, Duration::from_secs(1));
        let summary = client::run(&lab.client, &spec).unwrap();
        println!("{family:?}: p50 {:?} p99 {:?} max {:?}", summary.p50(), summary.p99(), summary.max());
        assert_eq!((summary.served, summary.failed), (200, 0), "{family:?}");

        let receiver = lab.attach(Program::Drop).unwrap();
        let timeout = Duration::from_millis(200);
        let summary = client::run(&lab.client, &ClientSpec { timeout, rate: 10, ..spec }).unwrap();
        assert_eq!((summary.served, summary.failed), (0, 10), "{family:?}");
        drop(receiver);
    }
    let pid = web.pid();
    drop(web);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

/// The Internet checksum over everything it covers is zero when the field is right.
fn checksum(parts: &[&[u8]]) -> u16 {
    let bytes: Vec<u8> = parts.concat();
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let once = (sum & 0xffff) + (sum >> 16);
    !(((once & 0xffff) + (once >> 16)) as u16)
}

#[test]
fn frames_have_right_checksums_and_different_sources() {
    let lab = Lab::new().unwrap();
    for family in [Family::V4, Family::V6] {
        for vlan in [None, Some(7)] {
            for one_prefix in [false, true] {
                let spec = FloodSpec { vlan, one_prefix, sources: 1 << 24, ..FloodSpec::new(family) };
                let generator = Generator::new(&lab, &spec).unwrap();
                let mut sources = std::collections::HashSet::new();
                for _ in 0..100 {
                    let frame = generator.sample().unwrap();
                    let ip = &frame[if vlan.is_some() { 18 } else { 14 }..];
                    let (addresses, tcp) = match family {
                        Family::V4 => (&ip[12..20], &ip[20..]),
                        Family::V6 => (&ip[8..40], &ip[40..]),
                    };
                    if family == Family::V4 {
                        assert_eq!(checksum(&[&ip[..20]]), 0, "IPv4 header of {frame:02x?}");
                    }
                    assert_eq!(tcp.len(), 40);
                    assert_eq!(tcp[13], 2, "flags");
                    assert!(u16::from_be_bytes([tcp[0], tcp[1]]) >= 1024, "source port");
                    assert_eq!(u16::from_be_bytes([tcp[2], tcp[3]]), 80, "destination port");
                    assert_eq!(checksum(&[addresses, &[0, 6, 0, 40], tcp]), 0, "TCP of {frame:02x?}");
                    sources.insert(addresses[..addresses.len() / 2].to_vec());
                }
                assert!(sources.len() > 95, "{family:?} {one_prefix}: {} sources in 100", sources.len());
            }
        }
    }
}

#[test]
fn nothing_of_a_lab_stays_behind() {
    let lab = Lab::new().unwrap();
    let names = [&lab.server, &lab.internet, &lab.client].map(|netns| netns.name().to_owned());
    let exists = |name: &String| std::path::Path::new("/run/netns").join(name).exists();
    assert!(names.iter().all(exists));
    let panicked = thread::spawn(move || {
        let _lab = lab;
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    assert!(!names.iter().any(exists), "{names:?}");
}

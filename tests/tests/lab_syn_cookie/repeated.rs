//! The program's SYN-ACK beside the kernel's own, for listeners, routes and packet filters with options: to the same SYN both
//! send the same frame, but for the sequence number and the timestamp.

use std::{net::TcpListener, os::fd::AsRawFd as _};

use libc::c_int;
use synguard_common::reason::Reason;
use synguard_tests::{
    command::run,
    lab::{DEVICE, Family, UPLINK},
    syn_cookie::{Segment, TcpOption},
    wire::Wire,
};

use crate::testbed::{FAMILIES, PATIENCE, PORT, Testbed, to_server};

/// MSS 1460, SACK permitted, a timestamp, no-op, window scale 9.
const LINUX: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 1, 3, 3, 9];
/// The same without a timestamp: MSS, no-op, window scale, SACK permitted, two no-ops.
const NO_TIMESTAMP: [u8; 12] = [2, 4, 5, 0xb4, 1, 3, 3, 9, 4, 2, 1, 1];
const FROM: u16 = 40_000;
/// From `linux/in.h` and `linux/in6.h`.
const IPV6_UNICAST_HOPS: c_int = 16;

/// The setup of the server for one row.
enum Setup {
    /// Nothing.
    Plain,
    /// An option of the listener: level, name, value.
    Listener(c_int, c_int, c_int),
    /// Metrics of the route to the stranger.
    Route(&'static str),
    /// Rules of the packet filter.
    Rules(&'static str),
    /// A sysctl of the server.
    Sysctl(&'static str, &'static str),
}

/// A row: its name, the setup, the tags of the SYN, if the SYN asks for ECN, and the field that shows the setup's effect.
type Row = (&'static str, Setup, &'static [u16], bool, fn(&Segment) -> u32);

fn mss(segment: &Segment) -> u32 {
    let options = TcpOption::read_all(&segment.options).unwrap();
    options
        .iter()
        .find_map(|option| if let TcpOption::Mss(mss) = option { Some(u32::from(*mss)) } else { None })
        .unwrap()
}

fn scale(segment: &Segment) -> u32 {
    let options = TcpOption::read_all(&segment.options).unwrap();
    let scale = |option: &TcpOption| {
        if let TcpOption::WindowScale(scale) = option { Some(u32::from(*scale)) } else { None }
    };
    options.iter().find_map(scale).unwrap_or(99)
}

fn hops(segment: &Segment) -> u32 {
    segment.hop_limit.into()
}

fn window(segment: &Segment) -> u32 {
    segment.window.into()
}

fn flags(segment: &Segment) -> u32 {
    segment.flags.into()
}

fn traffic_class(segment: &Segment) -> u32 {
    segment.traffic_class().into()
}

/// The rows of one family.
fn rows(family: Family) -> Vec<Row> {
    use Setup::{Listener, Plain, Route, Rules, Sysctl};
    let v4 = family == Family::V4;
    let (ip, hop_option, class_option) = if v4 {
        (libc::IPPROTO_IP, libc::IP_TTL, libc::IP_TOS)
    } else {
        (libc::IPPROTO_IPV6, IPV6_UNICAST_HOPS, libc::IPV6_TCLASS)
    };
    vec![
        ("plain", Plain, &[], false, mss),
        ("TCP_MAXSEG", Listener(libc::IPPROTO_TCP, libc::TCP_MAXSEG, 1200), &[], false, mss),
        ("advmss", Route("advmss 1200"), &[], false, mss),
        ("locked MTU", Route("mtu lock 1300"), &[], false, mss),
        (
            "nft maxseg of SYN-ACKs",
            Rules(
                "table inet m { chain o { type filter hook output priority 0; tcp flags & syn == syn tcp option maxseg size set 1200; }; }",
            ),
            &[],
            false,
            mss,
        ),
        (
            "nft maxseg of SYNs",
            Rules(
                "table inet m { chain i { type filter hook prerouting priority 0; tcp flags & syn == syn tcp option maxseg size set 1000; }; }",
            ),
            &[],
            false,
            mss,
        ),
        ("IP_TTL 255", Listener(ip, hop_option, 255), &[], false, hops),
        ("hoplimit", Route("hoplimit 10"), &[], false, hops),
        ("SO_RCVBUF", Listener(libc::SOL_SOCKET, libc::SO_RCVBUF, 32 << 10), &[], false, scale),
        ("TCP_WINDOW_CLAMP", Listener(libc::IPPROTO_TCP, libc::TCP_WINDOW_CLAMP, 20_000), &[], false, window),
        ("DSCP", Listener(ip, class_option, 0xb8), &[], false, traffic_class),
        ("priority tag", Plain, &[0x6000], false, mss),
        ("ECN", Sysctl("net.ipv4.tcp_ecn", "1"), &[], true, flags),
        ("no ECN", Sysctl("net.ipv4.tcp_ecn", "0"), &[], true, flags),
        ("no SACK", Sysctl("net.ipv4.tcp_sack", "0"), &[], false, |segment| segment.options[4].into()),
    ]
}

fn apply(testbed: &Testbed, listener: &TcpListener, family: Family, setup: &Setup) {
    let server = &testbed.lab.server;
    match setup {
        Setup::Plain => {}
        Setup::Listener(level, name, value) => {
            // SAFETY: pointer and length describe the value.
            let result = unsafe {
                libc::setsockopt(
                    listener.as_raw_fd(),
                    *level,
                    *name,
                    (&raw const *value).cast(),
                    size_of::<c_int>() as u32,
                )
            };
            assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        }
        Setup::Route(metrics) => {
            let (option, prefix) = match family {
                Family::V4 => ("-4", "198.18.0.48/29"),
                Family::V6 => ("-6", "fd00:5e::50/125"),
            };
            server.ip(&format!("{option} route add {prefix} dev {DEVICE} {metrics}")).unwrap();
        }
        Setup::Rules(rules) => testbed.lab.add_rules(rules).unwrap(),
        Setup::Sysctl(key, value) => server.set_sysctl(key, value).unwrap(),
    }
}

/// Returns the frame without what differs from one SYN-ACK to the next.
fn comparable(frame: &[u8]) -> Vec<u8> {
    let segment = Segment::read(frame).unwrap_or_else(|fault| panic!("{fault}: {frame:02x?}"));
    assert!(segment.faults().is_empty(), "{:?}: {frame:02x?}", segment.faults());
    let mut frame = frame.to_vec();
    let ip = 14 + 4 * segment.tags.len();
    let tcp = if segment.source.is_ipv4() {
        let numbered = frame[ip + 6] & 0x40 == 0;
        // The identification if it is used, and the checksum that covers it.
        for at in (10..12).chain(if numbered { 4..6 } else { 0..0 }) {
            frame[ip + at] = 0;
        }
        ip + 20
    } else {
        // The flow label.
        frame[ip + 1] &= 0xf0;
        frame[ip + 2..ip + 4].fill(0);
        ip + 40
    };
    // Sequence number and checksum.
    frame[tcp + 4..tcp + 8].fill(0);
    frame[tcp + 16..tcp + 18].fill(0);
    let end = tcp + 20 + segment.options.len();
    if let Some(at) = (tcp + 20..end.saturating_sub(9)).find(|&at| frame[at..at + 2] == [8, 10]) {
        frame[at + 2..at + 6].fill(0);
    }
    frame.truncate(end);
    frame
}

/// Sends a SYN twice: the kernel replies to the first, the program to the second. Returns both frames.
fn both(testbed: &Testbed, family: Family, tags: &[u16], ecn: bool, options: &[u8]) -> [Vec<u8>; 2] {
    testbed.add_stranger(family);
    let wire = Wire::open(&testbed.lab.client, DEVICE).unwrap();
    let packet = to_server(family, tags).tcp(FROM, PORT).syn();
    let packet = if ecn { packet.ecn() } else { packet };
    let mut syn = packet.tcp_options(options).build();
    // Room for the SYN-ACK to be longer.
    syn.extend([0; 24]);
    let reply = || {
        wire.send(&syn).unwrap();
        let wanted =
            |frame: &[u8]| Segment::read(frame).is_ok_and(|segment| segment.destination_port == FROM);
        wire.receive(PATIENCE, wanted).unwrap().unwrap_or_else(|| panic!("no SYN-ACK: {}", testbed.counted()))
    };
    let kernel = reply();
    assert_eq!((testbed.count(Reason::UnverifiedPath), testbed.count(Reason::SynCookieSent)), (1, 0));
    testbed.filter.keep_evidence();
    let program = reply();
    assert_eq!(testbed.count(Reason::SynCookieSent), 1, "{}", testbed.counted());
    [kernel, program]
}

/// Keeps tags in the frame, where the program looks for them.
fn keep_tags(testbed: &Testbed) {
    let lab = &testbed.lab;
    for (netns, device) in
        [(&lab.internet, UPLINK), (&lab.internet, "to-client"), (&lab.client, DEVICE), (&lab.server, DEVICE)]
    {
        let args = ["-K", device, "txvlan", "off", "tx-vlan-stag-hw-insert", "off"];
        run(netns.command("ethtool").args(args)).unwrap();
    }
}

#[test]
fn syn_ack_is_the_kernels_own() {
    for family in FAMILIES {
        let mut plain = None;
        for (name, setup, tags, ecn, effect) in rows(family) {
            let testbed = Testbed::new();
            keep_tags(&testbed);
            let listener = testbed.listen();
            apply(&testbed, &listener, family, &setup);
            let [kernel, program] = both(&testbed, family, tags, ecn, &LINUX);
            let segment = Segment::read(&kernel).unwrap();
            println!(
                "{family:?}, {name}: {:?}, window {}",
                TcpOption::read_all(&segment.options),
                segment.window
            );
            // The kernel answers a priority tag without one.
            let strip = |frame: &[u8]| {
                if tags.is_empty() { frame.to_vec() } else { [&frame[..12], &frame[16..]].concat() }
            };
            let program =
                if Segment::read(&program).unwrap().tags.is_empty() { program } else { strip(&program) };
            assert_eq!(comparable(&kernel), comparable(&program), "{family:?}, {name}");
            let before = plain.get_or_insert_with(|| segment.clone());
            let shows = matches!(setup, Setup::Plain) || name == "no ECN" || name == "nft maxseg of SYNs";
            assert!(shows || effect(before) != effect(&segment), "{family:?}, {name} changes nothing");
        }
    }
}

#[test]
fn syn_ack_without_a_timestamp_is_the_kernels_own() {
    for family in FAMILIES {
        for options in [&[][..], &NO_TIMESTAMP] {
            let testbed = Testbed::new();
            let _listener = testbed.listen();
            let [kernel, program] = both(&testbed, family, &[], false, options);
            assert_eq!(comparable(&kernel), comparable(&program), "{family:?}, {} bytes", options.len());
        }
    }
}

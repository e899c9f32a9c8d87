//! Shapes of SYNs that get a cookie: every header layout, with all the options there are.

use synguard_common::{
    reason::Reason,
    syn_cookie::config::{SYN_COOKIE_ON, SynCookieConfig},
};
use synguard_tests::{
    packet::Packet,
    syn_cookie::{KernelSynAck, TcpOption},
};

use crate::testbed::{CLOSED, FAMILIES, FROM, Family, LINUX, PORT, Testbed};

/// Tags, outermost first, as deep as they are followed.
const TAGS: [(u16, u16); 4] = [(0x88a8, 0x6064), (0x8100, 7), (0x9100, 5), (0x8100, 0x0fff)];

#[test]
fn plain_and_tagged_syns_get_cookies() {
    Testbed::check("tags", |testbed| {
        for family in FAMILIES {
            for depth in 0..=TAGS.len() {
                let tagged = TAGS[..depth]
                    .iter()
                    .fold(Packet::eth(), |packet, &(tpid, tci)| packet.vlan_tpid(tpid, tci));
                for options in [&[][..], &LINUX] {
                    let name = format!("{family:?} in {depth} tags, {} bytes of options", options.len());
                    let client = testbed.client_under(tagged.clone(), family);
                    let syn = client.clone().tcp(FROM, PORT).syn().tcp_options(options);
                    testbed.cookie_row(&name, &syn);
                    let other = client.tcp(FROM, CLOSED).syn().tcp_options(options);
                    testbed.row(&format!("{name}, nobody listens"), &other, Reason::NoListener);
                }
            }
            let deep =
                TAGS.iter().fold(Packet::eth().vlan(1), |packet, &(tpid, tci)| packet.vlan_tpid(tpid, tci));
            let deep = testbed.client_under(deep, family).tcp(FROM, PORT).syn();
            testbed.row(&format!("{family:?} in 5 tags"), &deep, Reason::Malformed);
        }
    });
}

#[test]
fn every_set_of_syn_options_gets_its_syn_ack() {
    let cases: [(&str, &[u8]); 24] = [
        ("none", &[]),
        ("Linux", &LINUX),
        ("Windows", &[2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2]),
        ("macOS", &[2, 4, 5, 0xb4, 1, 3, 3, 6, 1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 4, 2, 0, 0]),
        ("MSS", &[2, 4, 5, 0xb4]),
        ("no MSS", &LINUX[4..]),
        ("MSS zero", &[2, 4, 0, 0]),
        ("timestamp alone", &[8, 10, 9, 8, 7, 6, 0, 0, 0, 0]),
        ("timestamp zero", &[8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2]),
        ("timestamp and window scale", &[8, 10, 9, 8, 7, 6, 0, 0, 0, 0, 3, 3, 0]),
        ("timestamp and SACK", &[4, 2, 8, 10, 9, 8, 7, 6, 0, 0, 0, 0]),
        ("SACK and window scale alone", &[4, 2, 3, 3, 7]),
        ("window scale 14", &[3, 3, 14, 8, 10, 9, 8, 7, 6, 0, 0, 0, 0]),
        ("window scale 15", &[3, 3, 15, 8, 10, 9, 8, 7, 6, 0, 0, 0, 0]),
        ("window scale 255", &[3, 3, 255, 8, 10, 9, 8, 7, 6, 0, 0, 0, 0]),
        ("20 no-operations", &[1; 20]),
        ("19 no-operations and the end", &[[1; 19].as_slice(), &[0]].concat()),
        ("nothing but the end", &[0, 0, 0, 0]),
        ("the end in the middle", &[2, 4, 5, 0xb4, 0, 3, 3, 7, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0]),
        ("two of each", &[3, 3, 1, 3, 3, 2, 8, 10, 1, 1, 1, 1, 0, 0, 0, 0, 8, 10, 2, 2, 2, 2, 0, 0, 0, 0]),
        ("a request for a TFO cookie", &[LINUX.as_slice(), &[34, 2]].concat()),
        ("a TFO cookie", &[LINUX.as_slice(), &[34, 10, 1, 2, 3, 4, 5, 6, 7, 8]].concat()),
        ("experimental options", &[LINUX.as_slice(), &[254, 4, 0xf9, 0x89, 253, 6, 1, 2, 3, 4]].concat()),
        ("MPTCP", &[LINUX.as_slice(), &[30, 4, 0, 1]].concat()),
    ];
    Testbed::check("SYN options", |testbed| {
        for family in FAMILIES {
            for (name, options) in cases {
                let syn = testbed.syn(family, options);
                testbed.cookie_row(&format!("{name}, {family:?}"), &syn);
            }
        }
        // The reader knows every allowed value; some are named here, in case it allows too much.
        let syn = testbed.syn(Family::V4, &LINUX);
        let syn_ack = testbed.cookie_row("Linux", &syn).expect("a SYN-ACK");
        assert!(syn_ack.options.contains(&TcpOption::WindowScale(7)), "{syn_ack:?}");
        assert!(syn_ack.options.contains(&TcpOption::SackPermitted), "{syn_ack:?}");
        assert_eq!(syn_ack.timestamp().expect("a timestamp") & 0x3f, 0x19, "{syn_ack:?}");
    });
}

#[test]
fn without_options_flag_only_the_mss_is_sent() {
    Testbed::check("no options", |testbed| {
        testbed.set(SynCookieConfig { flags: SYN_COOKIE_ON, ..testbed.cookies });
        for family in FAMILIES {
            for options in [&[][..], &LINUX] {
                let syn = testbed.syn(family, options).ecn();
                let syn_ack = testbed.cookie_row(&format!("{} bytes, {family:?}", options.len()), &syn);
                let mss = testbed.kernel.mss(family == Family::V4);
                assert_eq!(syn_ack.expect("a SYN-ACK").options, [TcpOption::Mss(mss)]);
            }
        }
    });
}

#[test]
fn syn_acks_of_the_kernel_are_repeated() {
    Testbed::check("templates", |testbed| {
        for (window_scale, mss, hop_limit) in [(0, 536, 1), (14, 9000, 255), (3, 1200, 128)] {
            testbed.repeat(KernelSynAck { window_scale, mss_v4: mss, mss_v6: mss - 20, hop_limit });
            for family in FAMILIES {
                let syn = testbed.syn(family, &LINUX);
                testbed.cookie_row(&format!("scale {window_scale}, {family:?}"), &syn);
            }
        }
    });
}

#[test]
fn ecn_follows_the_kernels_rules() {
    Testbed::check("ECN", |testbed| {
        for family in FAMILIES {
            let syn = testbed.syn(family, &LINUX).ecn();
            let syn_ack = testbed.cookie_row(&format!("{family:?}"), &syn).expect("a SYN-ACK");
            assert_eq!(syn_ack.segment.flags, 0x52, "SYN, ACK and ECE: {syn_ack:?}");
            let no_timestamp = testbed.syn(family, &[4, 2, 3, 3, 7]).ecn();
            testbed.cookie_row(&format!("{family:?} without a timestamp"), &no_timestamp);
            // ECE, CWR.
            for flag in [0x40, 0x80] {
                let one = testbed.syn(family, &LINUX).flags(2 | flag);
                testbed.cookie_row(&format!("{family:?} with flag {flag:#x} alone"), &one);
            }
        }
        // A SYN marked by a router, or one that claims to be ECN-capable. The IPv6 traffic class has no checksum.
        for ecn in [1, 2, 3] {
            let marked = testbed.syn(Family::V6, &LINUX).ecn().patch(15, &[ecn << 4]);
            testbed.cookie_row(&format!("ECN field {ecn}"), &marked);
        }
    });
}

#[test]
fn data_and_other_flags_do_not_matter() {
    Testbed::check("data and flags", |testbed| {
        for family in FAMILIES {
            for options in [&[][..], &LINUX] {
                for length in [1, 2, 3, 4, 5, 100, 1400] {
                    let syn = testbed.syn(family, options).payload(&vec![0x5a; length]);
                    testbed.cookie_row(&format!("{length} bytes of data, {family:?}"), &syn);
                }
                let pushed = testbed.syn(family, options).psh();
                testbed.cookie_row(&format!("PSH, {family:?}"), &pushed);
                let urgent = testbed.syn(family, options).urg();
                testbed.cookie_row(&format!("URG, {family:?}"), &urgent);
            }
            // Ethernet padding, which does not belong to the packet.
            let mut padded = testbed.syn(family, &[]).build();
            padded.extend([0xee; 6]);
            testbed.cookie_row_frame(&format!("padded, {family:?}"), &padded);
        }
    });
}

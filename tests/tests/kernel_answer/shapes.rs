//! Shapes of SYNs that get a cookie: every header layout, with all the options there are.

use synguard_common::{
    reason::Reason,
    syn_cookie::config::{SYN_COOKIE_ON, SynCookieConfig},
};
use synguard_tests::{answer::TcpOption, packet::Packet};

use crate::stand::{CLOSED, FAMILIES, FROM, Family, LINUX, PORT, Stand};

/// Tags, outermost first, as deep as they are followed.
const TAGS: [(u16, u16); 4] = [(0x88a8, 0x6064), (0x8100, 7), (0x9100, 5), (0x8100, 0x0fff)];

#[test]
fn plain_and_tagged_syns_are_answered_over_ipv4_and_ipv6() {
    Stand::check("tags", |stand| {
        for family in FAMILIES {
            for depth in 0..=TAGS.len() {
                let tagged = TAGS[..depth]
                    .iter()
                    .fold(Packet::eth(), |packet, &(tpid, tci)| packet.vlan_tpid(tpid, tci));
                for options in [&[][..], &LINUX] {
                    let name = format!("{family:?} in {depth} tags, {} bytes of options", options.len());
                    let client = stand.client_under(tagged.clone(), family);
                    let syn = client.clone().tcp(FROM, PORT).syn().tcp_options(options);
                    stand.answered(&name, &syn);
                    let other = client.tcp(FROM, CLOSED).syn().tcp_options(options);
                    stand.row(&format!("{name}, nobody listens"), &other, Reason::NoListener);
                }
            }
            let deep =
                TAGS.iter().fold(Packet::eth().vlan(1), |packet, &(tpid, tci)| packet.vlan_tpid(tpid, tci));
            let deep = stand.client_under(deep, family).tcp(FROM, PORT).syn();
            stand.row(&format!("{family:?} in 5 tags"), &deep, Reason::Malformed);
        }
    });
}

#[test]
fn every_offer_gets_its_answer() {
    let offers: [(&str, &[u8]); 24] = [
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
    Stand::check("offers", |stand| {
        for family in FAMILIES {
            for (name, options) in offers {
                let syn = stand.syn(family, options);
                stand.answered(&format!("{name}, {family:?}"), &syn);
            }
        }
        // The reader of answers knows what each may be; some are named here, lest it allow too much.
        let syn = stand.syn(Family::V4, &LINUX);
        let answer = stand.answered("Linux", &syn).expect("an answer");
        assert!(answer.options.contains(&TcpOption::WindowScale(7)), "{answer:?}");
        assert!(answer.options.contains(&TcpOption::SackPermitted), "{answer:?}");
        assert_eq!(answer.timestamp().expect("a timestamp") & 0x3f, 0x19, "{answer:?}");
    });
}

#[test]
fn without_timestamps_of_ours_nothing_is_offered_but_a_size() {
    Stand::check("no options", |stand| {
        stand.set(SynCookieConfig { flags: SYN_COOKIE_ON, ..stand.answering });
        for family in FAMILIES {
            for options in [&[][..], &LINUX] {
                let syn = stand.syn(family, options).ecn();
                let answer = stand.answered(&format!("{} bytes, {family:?}", options.len()), &syn);
                let mss = if family == Family::V4 { stand.answering.mss_v4 } else { stand.answering.mss_v6 };
                assert_eq!(answer.expect("an answer").options, [TcpOption::Mss(mss as u16)]);
            }
        }
    });
}

#[test]
fn settings_of_answers_are_followed() {
    Stand::check("settings", |stand| {
        for (window_scale, mss, hop_limit) in [(0, 536, 1), (14, 9000, 255), (3, 1200, 128)] {
            stand.set(SynCookieConfig {
                window_scale,
                mss_v4: mss,
                mss_v6: mss - 20,
                hop_limit,
                ..stand.answering
            });
            for family in FAMILIES {
                let syn = stand.syn(family, &LINUX);
                stand.answered(&format!("scale {window_scale}, {family:?}"), &syn);
            }
        }
    });
}

#[test]
fn congestion_notification_is_agreed_to_by_the_kernels_rules() {
    Stand::check("ECN", |stand| {
        for family in FAMILIES {
            let syn = stand.syn(family, &LINUX).ecn();
            let answer = stand.answered(&format!("{family:?}"), &syn).expect("an answer");
            assert_eq!(answer.segment.flags, 0x52, "SYN, ACK and ECE: {answer:?}");
            let no_timestamp = stand.syn(family, &[4, 2, 3, 3, 7]).ecn();
            stand.answered(&format!("{family:?} without a timestamp"), &no_timestamp);
            // ECE, CWR.
            for flag in [0x40, 0x80] {
                let one = stand.syn(family, &LINUX).flags(2 | flag);
                stand.answered(&format!("{family:?} with flag {flag:#x} alone"), &one);
            }
        }
        // A SYN that a router has marked, or that dares to say it can be: its IPv6 class has no checksum.
        for ecn in [1, 2, 3] {
            let marked = stand.syn(Family::V6, &LINUX).ecn().patch(15, &[ecn << 4]);
            stand.answered(&format!("ECN field {ecn}"), &marked);
        }
    });
}

#[test]
fn data_and_other_flags_of_a_syn_do_not_matter() {
    Stand::check("data and flags", |stand| {
        for family in FAMILIES {
            for options in [&[][..], &LINUX] {
                for length in [1, 2, 3, 4, 5, 100, 1400] {
                    let syn = stand.syn(family, options).payload(&vec![0x5a; length]);
                    stand.answered(&format!("{length} bytes of data, {family:?}"), &syn);
                }
                let pushed = stand.syn(family, options).psh();
                stand.answered(&format!("PSH, {family:?}"), &pushed);
                let urgent = stand.syn(family, options).urg();
                stand.answered(&format!("URG, {family:?}"), &urgent);
            }
            // Ethernet's padding, which is not the packet's.
            let mut padded = stand.syn(family, &[]).build();
            padded.extend([0xee; 6]);
            stand.answered_frame(&format!("padded, {family:?}"), &padded);
        }
    });
}

//! Frames that carry no IP, and bytes that are nothing.

use synguard_common::reason::Reason;
use synguard_tests::{
    packet::Packet,
    testrun::{Filter, PACKET_MIN, action},
};

use crate::table::{PORT, Table, V4, V4_TO, strict};

#[test]
fn frames_without_ip_pass() {
    Table::check("frames without IP", |table| {
        table.harmless("ARP", &Packet::eth().arp(), Reason::NotIp);
        for (name, ethertype) in [
            ("RARP", 0x8035),
            ("LLDP", 0x88cc),
            ("EAPOL", 0x888e),
            ("PPPoE", 0x8864),
            ("MPLS", 0x8847),
            ("MACsec", 0x88e5),
            ("PTP", 0x88f7),
            ("zero", 0),
            ("all ones", 0xffff),
        ] {
            let packet = Packet::eth().ethertype(ethertype).payload(&[0x45; 46]);
            table.harmless(name, &packet, Reason::NotIp);
            let header = Packet::eth().ethertype(ethertype);
            table.harmless(&format!("{name}, the header alone"), &header, Reason::NotIp);
        }
        for (name, length, llc) in [
            ("spanning tree", 38, &[0x42, 0x42, 0x03][..]),
            ("SNAP", 46, &[0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00, 0x45]),
            ("IS-IS", 1492, &[0xfe, 0xfe, 0x03]),
        ] {
            let packet = Packet::eth().ethertype(length).payload(llc).payload(&[0; 40]);
            table.harmless(&format!("LLC: {name}"), &packet, Reason::NotIp);
        }
        for ethertype in [0x0800, 0x86dd, 0x8100, 0x88a8, 0x9100] {
            let packet = Packet::eth().ethertype(ethertype);
            table.harmless(&format!("{ethertype:04x}, the header alone"), &packet, Reason::Malformed);
        }
        // Both byte orders of the type read as IP in a program that forgets one.
        let swapped = Packet::eth().ipv4(V4, V4_TO).tcp(1, PORT).syn().patch(12, &[0x00, 0x08]);
        table.harmless("IPv4 with its type's bytes swapped", &swapped, Reason::NotIp);
    });
}

/// Numbers that look random (xorshift64*), the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

#[test]
fn random_bytes_count_once_and_only_syns_are_dropped() {
    const FRAMES: usize = 3_000;
    let filter = Filter::with_config(strict());
    let mut random = Random(0x5eed);
    for number in 0..FRAMES {
        let length = PACKET_MIN + (random.next() % 120) as usize;
        let mut frame: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        // Most random types are no IP: have each of those that matter come up often enough.
        let types = [0x0800_u16, 0x86dd, 0x8100, 0x88a8, 0x9100];
        if let Some(ethertype) = types.get(number % 6) {
            frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        }
        let outcome = filter.run(&frame);
        let reason = outcome.reason().unwrap_or_else(|| panic!("{}: {frame:02x?}", outcome.describe()));
        let counted = outcome.delta[reason.index() as usize].bytes;
        assert_eq!(counted, frame.len() as u64, "{reason:?}: {frame:02x?}");
        assert_eq!(outcome.action == action::DROP, reason.is_drop(), "{reason:?}: {frame:02x?}");
    }
    let total: u64 = filter.counters().iter().map(|counter| counter.packets).sum();
    assert_eq!(total, FRAMES as u64);
}

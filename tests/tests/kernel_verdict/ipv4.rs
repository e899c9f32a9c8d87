//! IPv4: options, fragments, other protocols, and headers that are none.

use synguard_common::reason::Reason;
use synguard_tests::packet::Packet;

use crate::table::{PORT, Table, V4, V4_TO, key};

/// Offset of the IPv4 header; those of its fragment field and of the TCP header follow.
const IP: usize = 14;
const FRAGMENT_FIELD: usize = IP + 6;
const TCP: usize = IP + 20;

fn ip() -> Packet {
    Packet::eth().ipv4(V4, V4_TO)
}

fn syn() -> Packet {
    ip().tcp(40_000, PORT).syn()
}

#[test]
fn a_syn_behind_any_options_is_limited() {
    Table::check("SYNs behind IPv4 options", |table| {
        for length in (4..=40).step_by(4) {
            let no_operation = ip().ip_options(&vec![1; length]).tcp(40_000, PORT).syn();
            table.syn(&format!("{length} bytes of no-operation"), &no_operation, key(V4));
            // Options that look like a TCP header with ACK set to a parser that assumes an IP header of 20 bytes.
            let decoy = ip().ip_options(&vec![0x50; length]).tcp(40_000, PORT).syn();
            table.syn(&format!("{length} bytes that look like ACK"), &decoy, key(V4));
        }
    });
}

#[test]
fn a_syn_in_any_header_is_limited() {
    Table::check("IPv4 SYNs", |table| {
        for (name, field) in [("DF", 0x4000_u16), ("the reserved bit", 0x8000), ("DF and MF", 0x6000)] {
            table.syn(name, &syn().patch(FRAGMENT_FIELD, &field.to_be_bytes()), key(V4));
        }
        table.syn("first fragment", &ip().fragment(0, true).tcp(40_000, PORT).syn(), key(V4));
        for length in [0, 1, 8, 13, 14, 19] {
            let tiny = ip().fragment(0, true).tcp(40_000, PORT).syn().truncate(TCP + length);
            table.syn(&format!("first fragment with {length} bytes of TCP"), &tiny, key(V4));
            let tiny = ip().ip_options(&[1; 40]).fragment(0, true).tcp(40_000, PORT).syn();
            let tiny = tiny.truncate(TCP + 40 + length);
            table.syn(&format!("first fragment with options and {length} bytes of TCP"), &tiny, key(V4));
        }
        table.syn("total length of nothing", &syn().patch(IP + 2, &[0, 0]), key(V4));
        table.syn("total length of everything", &syn().patch(IP + 2, &[0xff; 2]), key(V4));
        table.syn("wrong checksum", &syn().patch(IP + 10, &[0xde, 0xad]), key(V4));
        table.syn("padded to the shortest frame", &syn().payload(&[0; 6]), key(V4));
        table.syn("1400 bytes", &syn().payload(&[0xaa; 1346]), key(V4));
        for source in ["0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", V4_TO] {
            let packet = Packet::eth().ipv4(source, V4_TO).tcp(40_000, PORT).syn();
            table.syn(&format!("from {source}"), &packet, key(source));
        }
    });
}

#[test]
fn other_protocols_pass() {
    Table::check("IPv4 without TCP", |table| {
        table.harmless("ICMP", &ip().icmp(), Reason::NotTcp);
        table.harmless("UDP", &ip().udp(53, PORT), Reason::NotTcp);
        for (name, protocol) in [
            ("IGMP", 2),
            ("IPv4", 4),
            ("IPv6", 41),
            ("GRE", 47),
            ("ESP", 50),
            ("AH", 51),
            ("SCTP", 132),
            ("255", 255),
        ] {
            // The bytes are those of a SYN: only the protocol number differs.
            let packet = syn().patch(IP + 9, &[protocol]);
            table.harmless(&format!("protocol {name}"), &packet, Reason::NotTcp);
        }
        table.harmless("no more than the header", &ip().protocol(17), Reason::NotTcp);
        table.harmless(
            "UDP with 40 bytes of options",
            &ip().ip_options(&[1; 40]).udp(53, 53),
            Reason::NotTcp,
        );
        table.harmless("first fragment of UDP", &ip().fragment(0, true).udp(53, 53), Reason::NotTcp);
    });
}

#[test]
fn fragments_without_ports_pass() {
    Table::check("IPv4 fragments", |table| {
        for (offset, more) in [(1, true), (1, false), (2, true), (185, true), (185, false), (0x1fff, false)] {
            let name = |what| format!("{what} at {offset}, more: {more}");
            let tcp = ip().fragment(offset, more).tcp(40_000, PORT).syn();
            table.harmless(&name("TCP"), &tcp, Reason::Fragment);
            table.harmless(&name("UDP"), &ip().fragment(offset, more).udp(53, 53), Reason::Fragment);
            let options = ip().ip_options(&[1; 8]).fragment(offset, more).tcp(40_000, PORT).syn();
            table.harmless(&name("TCP with options"), &options, Reason::Fragment);
            let short = ip().fragment(offset, more).protocol(6).payload(&[0; 4]);
            table.harmless(&name("four bytes"), &short, Reason::Fragment);
        }
    });
}

#[test]
fn invalid_headers_pass() {
    Table::check("malformed IPv4", |table| {
        for words in 0..5 {
            let packet = ip().ihl(words).tcp(40_000, PORT).syn();
            table.harmless(&format!("header of {words} words"), &packet, Reason::Malformed);
        }
        for words in [11, 15] {
            let packet = ip().ihl(words).tcp(40_000, PORT).syn();
            table.harmless(
                &format!("header of {words} words in a frame of 40 bytes"),
                &packet,
                Reason::Malformed,
            );
        }
        for version in [0, 1, 5, 6, 15_u8] {
            let packet = syn().patch(IP, &[version << 4 | 5]);
            table.harmless(&format!("version {version}"), &packet, Reason::Malformed);
        }
        for length in 14..TCP + 20 {
            let packet = syn().truncate(length);
            table.harmless(&format!("cut at {length}"), &packet, Reason::Malformed);
        }
        for length in [TCP, TCP + 39, TCP + 40, TCP + 59] {
            let packet = ip().ip_options(&[1; 40]).tcp(40_000, PORT).syn().truncate(length);
            table.harmless(&format!("with options, cut at {length}"), &packet, Reason::Malformed);
        }
    });
}

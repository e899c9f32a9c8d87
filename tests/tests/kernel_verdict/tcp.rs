//! TCP: the flags that make a SYN, and other bits that do not keep it from being one.

use synguard_common::{abi::FLAG_DROP_BAD_FLAGS, reason::Reason};
use synguard_tests::packet::{Packet, flags};

use crate::table::{PORT, Setup, Table, V4, V4_TO, V6, V6_TO, key, strict};

/// Offset of the TCP header in a frame with plain IPv4.
const TCP: usize = 14 + 20;

/// A name, and a function that makes a segment of a TCP header without flags.
type Shape = (&'static str, fn(Packet) -> Packet);

fn tcp() -> Packet {
    Packet::eth().ipv4(V4, V4_TO).tcp(40_000, PORT)
}

fn tcp6() -> Packet {
    Packet::eth().ipv6(V6, V6_TO).tcp(40_000, PORT)
}

#[test]
fn every_shape_of_syn_is_limited() {
    let shapes: [Shape; 17] = [
        ("SYN", |tcp| tcp.syn()),
        ("SYN that asks for ECN", |tcp| tcp.syn().ecn()),
        ("SYN+ECE", |tcp| tcp.flags(flags::SYN | flags::ECE)),
        ("SYN+CWR", |tcp| tcp.flags(flags::SYN | flags::CWR)),
        ("SYN+PSH", |tcp| tcp.syn().psh()),
        ("SYN+URG", |tcp| tcp.syn().urg()),
        ("SYN+FIN", |tcp| tcp.syn().fin()),
        ("SYN with all that may be with it", |tcp| tcp.syn().fin().psh().urg().ecn()),
        ("SYN with data", |tcp| tcp.syn().payload(b"GET / HTTP/1.1\r\n\r\n")),
        ("SYN+PSH with data", |tcp| tcp.syn().psh().payload(&[7; 1200])),
        ("SYN of Linux", |tcp| {
            tcp.syn().tcp_options(&[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7])
        }),
        ("SYN with fast open", |tcp| tcp.syn().tcp_options(&[34, 10, 1, 2, 3, 4, 5, 6, 7, 8]).payload(b"x")),
        ("SYN with 40 bytes of options", |tcp| tcp.syn().tcp_options(&[1; 40])),
        ("SYN that claims options it has not", |tcp| tcp.syn().data_offset(15)),
        ("SYN that claims data as options", |tcp| tcp.syn().data_offset(15).payload(&[0; 40])),
        ("SYN with a wrong checksum", |tcp| tcp.syn().payload(&[0; 2])),
        ("SYN+ECE+URG with data", |tcp| tcp.flags(flags::SYN | flags::ECE | flags::URG).payload(&[1])),
    ];
    Table::check("shapes of SYN", |table| {
        for (name, shape) in shapes {
            table.syn(&format!("IPv4 {name}"), &shape(tcp()), key(V4));
            table.syn(&format!("IPv6 {name}"), &shape(tcp6()), key(V6));
        }
        for bits in [1, 0xf] {
            let packet = tcp().syn().patch(TCP + 12, &[5 << 4 | bits]);
            table.syn(&format!("SYN with reserved bits {bits:x}"), &packet, key(V4));
        }
        table.syn("SYN with an acknowledgement number", &tcp().syn().patch(TCP + 8, &[0xff; 4]), key(V4));
        table.syn("SYN with a wrong checksum", &tcp().syn().patch(TCP + 16, &[0xde, 0xad]), key(V4));
        for (from, to) in [(0, 0), (0, 1), (1, 65_535), (65_535, 22), (443, 443)] {
            let packet = Packet::eth().ipv4(V4, V4_TO).tcp(from, to).syn();
            table.syn(&format!("SYN from port {from} to {to}"), &packet, key(V4));
        }
    });
}

#[test]
fn no_other_segment_is_a_syn() {
    let shapes: [Shape; 14] = [
        ("SYN-ACK", |tcp| tcp.syn().ack()),
        ("SYN-ACK that grants ECN", |tcp| tcp.flags(flags::SYN | flags::ACK | flags::ECE)),
        ("ACK", |tcp| tcp.ack()),
        ("ACK with data", |tcp| tcp.ack().payload(&[0x02; 500])),
        ("PSH-ACK", |tcp| tcp.psh().ack().payload(b"hello")),
        ("URG-ACK", |tcp| tcp.urg().ack()),
        ("ACK with ECE", |tcp| tcp.flags(flags::ACK | flags::ECE)),
        ("FIN-ACK", |tcp| tcp.fin().ack()),
        ("RST", |tcp| tcp.rst()),
        ("RST-ACK", |tcp| tcp.rst().ack()),
        ("SYN+RST", |tcp| tcp.syn().rst()),
        ("FIN", |tcp| tcp.fin()),
        ("FIN+PSH+URG", |tcp| tcp.fin().psh().urg()),
        ("no flags", |tcp| tcp),
    ];
    Table::check("segments that are no SYN", |table| {
        for (name, shape) in shapes {
            table.harmless(&format!("IPv4 {name}"), &shape(tcp()), Reason::NotSyn);
            table.harmless(&format!("IPv6 {name}"), &shape(tcp6()), Reason::NotSyn);
        }
        for words in 0..5 {
            let name = format!("header of {words} words");
            table.harmless(&format!("IPv4 {name}"), &tcp().syn().data_offset(words), Reason::Malformed);
            table.harmless(&format!("IPv6 {name}"), &tcp6().syn().data_offset(words), Reason::Malformed);
        }
    });
}

/// Reports whether hosts send such flags (RFC 9293 section 3.10): a handshake, a reset, or anything with ACK, but no
/// two of SYN, FIN and RST at a time.
fn is_sent_by_hosts(bits: u8) -> bool {
    match bits & (flags::SYN | flags::FIN | flags::RST) {
        0 | flags::FIN => bits & flags::ACK != 0,
        flags::SYN | flags::RST => true,
        _ => false,
    }
}

#[test]
fn every_combination_of_flags() {
    Table::check("combinations of TCP flags", |table| {
        let lenient = Setup::new(strict());
        let dropping = lenient.clone().flags(FLAG_DROP_BAD_FLAGS);
        for bits in 0..=255 {
            let plain = match bits & (flags::SYN | flags::ACK | flags::RST) {
                flags::SYN => Reason::SynPassed,
                _ => Reason::NotSyn,
            };
            let strict = if is_sent_by_hosts(bits) { plain } else { Reason::BadFlags };
            let packet = tcp().flags(bits);
            table.row(&format!("flags {bits:#04x}"), &lenient, &packet, key(V4), plain);
            table.row(&format!("flags {bits:#04x}, bad ones dropped"), &dropping, &packet, key(V4), strict);
        }
    });
}

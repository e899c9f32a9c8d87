//! IPv6: extension headers in any order, fragments, other protocols, and headers that are none.

use synguard_common::reason::Reason;
use synguard_tests::packet::{Packet, protocol};

use crate::table::{PORT, Table, V6, V6_TO, key};

/// Offset of the IPv6 header; that of the header behind it follows.
const IP: usize = 14;
const NEXT: usize = IP + 40;

/// Extension headers whose length field counts units of eight bytes, and the authentication header, which counts
/// units of four.
const KINDS: [u8; 7] = [
    protocol::HOP_BY_HOP,
    protocol::ROUTING,
    protocol::DESTINATION,
    protocol::MOBILITY,
    protocol::HIP,
    protocol::SHIM6,
    protocol::AUTHENTICATION,
];

fn ip() -> Packet {
    Packet::eth().ipv6(V6, V6_TO)
}

fn syn(packet: Packet) -> Packet {
    packet.tcp(40_000, PORT).syn()
}

fn chain(length: usize) -> Packet {
    (0..length).fold(ip(), |packet, _| packet.dest_opts())
}

#[test]
fn a_syn_behind_any_extension_headers_is_limited() {
    Table::check("SYNs behind IPv6 extension headers", |table| {
        table.syn("none", &syn(ip()), key(V6));
        for kind in KINDS {
            for units in [1, 2, 4, 63] {
                table.syn(&format!("header {kind} of {units} units"), &syn(ip().ext(kind, units)), key(V6));
            }
        }
        table.syn("2048 bytes of options", &syn(ip().ext(protocol::DESTINATION, 255)), key(V6));
        table.syn("hop-by-hop", &syn(ip().hop_by_hop()), key(V6));
        table.syn("routing", &syn(ip().routing()), key(V6));
        table.syn("authentication", &syn(ip().auth_header()), key(V6));
        table.syn("atomic fragment", &syn(ip().ipv6_fragment(0, false)), key(V6));
        for length in 2..=8 {
            table.syn(&format!("{length} headers"), &syn(chain(length)), key(V6));
        }
        let mixed = ip().hop_by_hop().dest_opts().routing().ipv6_fragment(0, false).auth_header().dest_opts();
        table.syn("one of each, as RFC 8200 orders them", &syn(mixed.clone()), key(V6));
        let eight = mixed.ext(protocol::MOBILITY, 1).ext(protocol::HIP, 2);
        table.syn("eight different ones", &syn(eight), key(V6));
        let unusual =
            ip().auth_header().ipv6_fragment(0, false).hop_by_hop().ext(protocol::AUTHENTICATION, 1);
        table.syn("an unusual order", &syn(unusual), key(V6));
    });
}

#[test]
fn possible_syns_are_limited() {
    Table::check("hidden IPv6 SYNs", |table| {
        for length in [9, 10, 20] {
            table.syn(&format!("{length} headers before TCP"), &syn(chain(length)), key(V6));
            let cut = syn(chain(length)).truncate(NEXT + 8 * 8);
            table.syn(&format!("{length} headers, cut after the eighth"), &cut, key(V6));
        }
        let twice = syn(ip().ipv6_fragment(0, true).ipv6_fragment(0, false));
        table.syn("cut first fragment that names itself whole", &twice.truncate(NEXT + 16 + 13), key(V6));
        table.syn("first fragment", &syn(ip().ipv6_fragment(0, true)), key(V6));
        table.syn("first fragment behind options", &syn(ip().hop_by_hop().ipv6_fragment(0, true)), key(V6));
        table.syn("first fragment before options", &syn(ip().ipv6_fragment(0, true).dest_opts()), key(V6));
        for length in [0, 1, 8, 13, 14, 19] {
            let tiny = syn(ip().ipv6_fragment(0, true)).truncate(NEXT + 8 + length);
            table.syn(&format!("first fragment with {length} bytes of TCP"), &tiny, key(V6));
        }
        for length in [0, 1, 7, 8] {
            let tiny = syn(ip().ipv6_fragment(0, true).dest_opts()).truncate(NEXT + 8 + length);
            table.syn(&format!("first fragment with {length} bytes of options"), &tiny, key(V6));
        }
        let reserved = syn(ip().ipv6_fragment(0, false)).patch(NEXT + 1, &[0xff, 0, 0x06]);
        table.syn("atomic fragment with its reserved bits set", &reserved, key(V6));
    });
}

#[test]
fn a_syn_in_any_header_is_limited() {
    Table::check("IPv6 SYNs", |table| {
        table.syn("traffic class and flow label", &syn(ip()).patch(IP, &[0x6f, 0xff, 0xff, 0xff]), key(V6));
        table.syn("payload length of nothing", &syn(ip()).patch(IP + 4, &[0, 0]), key(V6));
        table.syn("hop limit of nothing", &syn(ip()).patch(IP + 7, &[0]), key(V6));
        table.syn("1400 bytes", &syn(ip()).payload(&[0xaa; 1326]), key(V6));
        for source in ["::", "::1", "fe80::1", "ff02::1", "2002:c000:201::1", V6_TO] {
            let packet = syn(Packet::eth().ipv6(source, V6_TO));
            table.syn(&format!("from {source}"), &packet, key(source));
        }
    });
}

#[test]
fn other_protocols_pass() {
    Table::check("IPv6 without TCP", |table| {
        table.harmless("ICMPv6", &ip().icmpv6(), Reason::NotTcp);
        for (name, kind) in [("router solicitation", 133), ("router advertisement", 134), ("redirect", 137)] {
            table.harmless(name, &ip().icmpv6().patch(NEXT, &[kind]), Reason::NotTcp);
        }
        for (name, kind) in [("neighbour solicitation", 135), ("neighbour advertisement", 136)] {
            table.harmless(name, &ip().icmpv6().payload(&[0; 16]).patch(NEXT, &[kind]), Reason::NotTcp);
        }
        table.harmless("multicast listener report", &ip().hop_by_hop().icmpv6(), Reason::NotTcp);
        table.harmless("UDP", &ip().udp(53, PORT), Reason::NotTcp);
        table.harmless("UDP behind eight headers", &chain(8).udp(53, PORT), Reason::NotTcp);
        table.harmless("first fragment of UDP", &ip().ipv6_fragment(0, true).udp(53, 53), Reason::NotTcp);
        for (name, protocol) in [
            ("IPv4", 4),
            ("IPv6", 41),
            ("GRE", 47),
            ("ESP", 50),
            ("no next header", 59),
            ("SCTP", 132),
            ("255", 255),
        ] {
            // The bytes are those of a SYN: only the protocol number differs.
            let packet = syn(ip()).patch(IP + 6, &[protocol]);
            table.harmless(&format!("protocol {name}"), &packet, Reason::NotTcp);
            let packet = syn(ip().dest_opts()).patch(NEXT, &[protocol]);
            table.harmless(&format!("protocol {name} behind options"), &packet, Reason::NotTcp);
        }
    });
}

#[test]
fn fragments_without_ports_pass() {
    Table::check("IPv6 fragments", |table| {
        for (offset, more) in [(1, true), (1, false), (185, true), (185, false), (0x1fff, false)] {
            let name = |what| format!("{what} at {offset}, more: {more}");
            let fragment = || ip().ipv6_fragment(offset, more);
            table.harmless(&name("TCP"), &syn(fragment()), Reason::Fragment);
            table.harmless(&name("UDP"), &fragment().udp(53, 53), Reason::Fragment);
            table.harmless(&name("no bytes"), &fragment().protocol(protocol::TCP), Reason::Fragment);
            let behind = ip().hop_by_hop().routing().ipv6_fragment(offset, more);
            table.harmless(&name("TCP behind headers"), &syn(behind), Reason::Fragment);
        }
    });
}

#[test]
fn invalid_headers_pass() {
    Table::check("malformed IPv6", |table| {
        for version in [0, 4, 5, 7, 15_u8] {
            table.harmless(
                &format!("version {version}"),
                &syn(ip()).patch(IP, &[version << 4]),
                Reason::Malformed,
            );
        }
        for length in (14..NEXT).step_by(3).chain(NEXT..NEXT + 20) {
            let packet = syn(ip()).truncate(length);
            table.harmless(&format!("cut at {length}"), &packet, Reason::Malformed);
        }
        for kind in KINDS {
            for length in [0, 7, 8] {
                let packet = syn(ip().ext(kind, 1)).truncate(NEXT + length);
                table.harmless(&format!("header {kind} cut at {length}"), &packet, Reason::Malformed);
            }
            let beyond = syn(ip().ext(kind, 1)).patch(NEXT + 1, &[200]);
            table.harmless(&format!("header {kind} longer than the frame"), &beyond, Reason::Malformed);
        }
        for length in [0, 7, 8, 27] {
            let packet = syn(ip().ipv6_fragment(0, false)).truncate(NEXT + length);
            table.harmless(&format!("atomic fragment cut at {length}"), &packet, Reason::Malformed);
        }
    });
}

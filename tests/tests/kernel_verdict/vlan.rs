//! VLAN tags: a SYN behind up to four of them, of any kind, is a SYN.

use synguard_common::reason::Reason;
use synguard_tests::packet::Packet;

use crate::table::{PORT, Table, V4, V4_TO, V6, V6_TO, key};

const TPIDS: [u16; 3] = [0x8100, 0x88a8, 0x9100];

fn tagged(tpids: &[u16]) -> Packet {
    tpids.iter().zip(10..).fold(Packet::eth(), |packet, (&tpid, id)| packet.vlan_tpid(tpid, id))
}

fn v4(tpids: &[u16]) -> Packet {
    tagged(tpids).ipv4(V4, V4_TO).tcp(40_000, PORT)
}

fn v6(tpids: &[u16]) -> Packet {
    tagged(tpids).ipv6(V6, V6_TO).tcp(40_000, PORT)
}

#[test]
fn a_syn_behind_any_tags_is_limited() {
    Table::check("SYNs behind VLAN tags", |table| {
        let mut stacks: Vec<Vec<u16>> = vec![Vec::new()];
        stacks.extend(TPIDS.iter().flat_map(|&tpid| (1..=4).map(move |depth| vec![tpid; depth])));
        stacks.extend([
            vec![0x88a8, 0x8100],
            vec![0x9100, 0x8100],
            vec![0x8100, 0x88a8],
            vec![0x8100, 0x9100, 0x88a8],
            vec![0x88a8, 0x88a8, 0x8100],
            vec![0x9100, 0x88a8, 0x8100, 0x8100],
        ]);
        for stack in stacks {
            table.syn(&format!("IPv4 behind {stack:x?}"), &v4(&stack).syn(), key(V4));
            table.syn(&format!("IPv6 behind {stack:x?}"), &v6(&stack).syn(), key(V6));
        }
        for id in [0, 0x0fff, 0xe001, 0x1fff] {
            let packet = Packet::eth().vlan(id).ipv4(V4, V4_TO).tcp(40_000, PORT).syn();
            table.syn(&format!("tag control {id:#06x}"), &packet, key(V4));
        }
    });
}

#[test]
fn other_packets_behind_tags_pass() {
    Table::check("no SYNs behind VLAN tags", |table| {
        for tpid in TPIDS {
            for depth in [1, 4] {
                let stack = vec![tpid; depth];
                let name = |what| format!("{what} behind {stack:x?}");
                table.harmless(&name("ACK"), &v4(&stack).ack(), Reason::NotSyn);
                table.harmless(&name("SYN-ACK"), &v6(&stack).syn().ack(), Reason::NotSyn);
                table.harmless(&name("ARP"), &tagged(&stack).arp(), Reason::NotIp);
                let udp = tagged(&stack).ipv4(V4, V4_TO).udp(53, 53);
                table.harmless(&name("UDP"), &udp, Reason::NotTcp);
                let neighbour = tagged(&stack).ipv6(V6, V6_TO).icmpv6();
                table.harmless(&name("ICMPv6"), &neighbour, Reason::NotTcp);
            }
            table.harmless(&format!("five of {tpid:x}"), &v4(&[tpid; 5]).syn(), Reason::Malformed);
            table.harmless(&format!("eight of {tpid:x}"), &v6(&[tpid; 8]).syn(), Reason::Malformed);
            for length in 14..18 {
                let cut = v4(&[tpid]).syn().truncate(length);
                table.harmless(&format!("a tag {tpid:x} cut at {length}"), &cut, Reason::Malformed);
            }
        }
        table.harmless(
            "five different tags",
            &v4(&[0x88a8, 0x8100, 0x9100, 0x8100, 0x8100]).syn(),
            Reason::Malformed,
        );
        table.harmless("a tag that nobody knows", &v4(&[0x9200]).syn(), Reason::NotIp);
    });
}

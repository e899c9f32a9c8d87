//! Effect of a list entry: the packets that it applies to, its expiry, and the precedence of the lists.

use std::net::IpAddr;

use synguard_common::{
    abi::{Config, FLAG_MONITOR},
    ip_list::{List, ListEntry, ORIGIN_AUTO, SCOPE_SYN},
    reason::Reason,
    source::{SourceKey, SourceState},
};
use synguard_tests::{
    SECOND_NS,
    packet::Packet,
    testrun::{config, now_ns},
};

use crate::setup::{Listed, datagram, ip, item, key, syn, under};
/// An address that is listed, and its neighbour that is not, of each family.
const PAIRS: [(&str, &str); 2] =
    [("192.0.2.1", "192.0.2.2"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:7")];

/// Packets of every class from an address, with the reason each has when the address is in no list.
fn packets(from: &str) -> Vec<(&'static str, Packet, Reason, bool)> {
    let v6 = matches!(from.parse().unwrap(), IpAddr::V6(_));
    let fragment = |offset, more| match v6 {
        true => ip(from).ipv6_fragment(offset, more),
        false => ip(from).fragment(offset, more),
    };
    vec![
        ("SYN", syn(from), Reason::SynPassed, true),
        (
            "SYN in two tags",
            under(Packet::eth().vlan_tpid(0x88a8, 5).vlan(7), from).tcp(1, 443).syn(),
            Reason::SynPassed,
            true,
        ),
        ("ECN SYN", ip(from).tcp(1, 443).syn().ecn(), Reason::SynPassed, true),
        (
            "first fragment that hides a SYN",
            fragment(0, true).protocol(6).payload(&[0; 8]),
            Reason::SynPassed,
            true,
        ),
        ("ACK", ip(from).tcp(1, 443).ack(), Reason::NotSyn, false),
        ("SYN-ACK", ip(from).tcp(443, 40_000).syn().ack(), Reason::NotSyn, false),
        ("RST", ip(from).tcp(1, 443).rst(), Reason::NotSyn, false),
        ("datagram", datagram(from.parse().unwrap()), Reason::NotTcp, false),
        ("later fragment", fragment(8, true).protocol(6).payload(&[0; 8]), Reason::Fragment, false),
        ("cut-off TCP", ip(from).protocol(6).payload(&[0; 8]), Reason::Malformed, false),
    ]
}

#[test]
fn blocked_address_drops_and_its_neighbour_passes() {
    for (blocked, neighbour) in PAIRS {
        let listed = Listed::new();
        listed.add(List::Block, &[item(blocked)]);
        for (name, packet, _, is_syn) in packets(blocked) {
            let expected = if is_syn { Reason::BlockedSyn } else { Reason::Blocked };
            assert_eq!(listed.reason(&packet), expected, "{name} from {blocked}");
        }
        for (name, packet, reason, _) in packets(neighbour) {
            assert_eq!(listed.reason(&packet), reason, "{name} from {neighbour}");
        }
        assert_eq!(listed.hits(List::Block, &key(blocked)), packets(blocked).len() as u64);
        let arp = listed.reason(&Packet::eth().arp());
        assert_eq!(arp, Reason::NotIp, "what is not IP has no address");
    }
}

#[test]
fn a_block_of_syns_leaves_connections_alone() {
    for (blocked, _) in PAIRS {
        let listed = Listed::new();
        let entry = ListEntry { scope: SCOPE_SYN, origin: ORIGIN_AUTO, ..ListEntry::default() };
        listed.add(List::Block, &[(key(blocked), entry)]);
        for (name, packet, reason, is_syn) in packets(blocked) {
            let expected = if is_syn { Reason::BlockedSyn } else { reason };
            assert_eq!(listed.reason(&packet), expected, "{name} from {blocked}");
        }
    }
}

#[test]
fn shorter_prefix_of_wider_scope_decides() {
    let listed = Listed::new();
    let syns = ListEntry { scope: SCOPE_SYN, ..ListEntry::default() };
    listed.add(List::Block, &[(key("192.0.2.1"), syns), item("192.0.0.0/16")]);
    assert_eq!(listed.reason(&ip("192.0.2.1").tcp(1, 443).ack()), Reason::Blocked);
    assert_eq!(listed.hits(List::Block, &key("192.0.0.0/16")), 1);
    assert_eq!(listed.reason(&syn("192.0.2.1")), Reason::BlockedSyn);
}

#[test]
fn the_allowlist_comes_first() {
    for (address, neighbour) in PAIRS {
        let mut listed = Listed::with(Config { hold_ns: 100 * SECOND_NS, ..config(1, 2) });
        let in_hold = SourceState { hold_until_ns: now_ns() + 50 * SECOND_NS, ..SourceState::default() };
        for address in [address, neighbour] {
            let IpAddr::V4(v4) = address.parse().unwrap() else { continue };
            let source = SourceKey { address: v4.into() };
            listed.filter.set_source(source, in_hold);
        }
        let (wide, narrow) = if address.contains(':') {
            ("2001:db8::/32", "2001:db8::/16")
        } else {
            ("192.0.2.0/24", "0.0.0.0/0")
        };
        listed.add(List::Block, &[item(wide), item(narrow), item(address)]);
        listed.add(List::Allow, &[item(address)]);
        for (name, packet, _, is_syn) in packets(address) {
            let expected = if is_syn { Reason::AllowedSyn } else { Reason::Allowed };
            assert_eq!(listed.reason(&packet), expected, "{name} from {address}");
        }
        assert_eq!(listed.reason(&syn(neighbour)), Reason::BlockedSyn);
        listed.change(|lists| lists.remove(List::Block, &[key(wide), key(narrow)])).unwrap();
        let expected = if address.contains(':') { Reason::SynPassed } else { Reason::Hold };
        assert_eq!(listed.reason(&syn(neighbour)), expected, "only who is listed is allowed");
    }
}

#[test]
fn entry_expires_at_its_time() {
    let listed = Listed::new();
    let until = |expires_at_ns| ListEntry { expires_at_ns, ..ListEntry::default() };
    let soon_ns = now_ns() + SECOND_NS / 5;
    // A tick late is on time: the program's clock moves in ticks.
    listed.add(
        List::Block,
        &[
            (key("192.0.2.1"), until(now_ns() - SECOND_NS)),
            (key("192.0.2.2"), until(now_ns() + 100 * SECOND_NS)),
            (key("192.0.2.3"), until(soon_ns)),
            (key("192.0.2.0/28"), until(1)),
        ],
    );
    assert_eq!(listed.reason(&syn("192.0.2.1")), Reason::SynPassed);
    assert_eq!(listed.reason(&syn("192.0.2.2")), Reason::BlockedSyn);
    while listed.reason(&syn("192.0.2.3")) == Reason::BlockedSyn {
        assert!(now_ns() < soon_ns + 10 * SECOND_NS, "it does not end");
    }
    // However long the lines above took: the clock of the program is never ahead of this one.
    assert!(now_ns() >= soon_ns, "it ended before its time");
    // An expired entry does not hide a shorter prefix that holds.
    listed.add(List::Block, &[item("192.0.2.0/24")]);
    assert_eq!(listed.reason(&syn("192.0.2.1")), Reason::BlockedSyn);
}

#[test]
fn blocked_packet_passes_in_monitor_mode() {
    for change in
        [Config { flags: FLAG_MONITOR, ..Config::default() }, Config { disarm_at_ns: 1, ..Config::default() }]
    {
        let base = config(1000, 2000);
        let listed = Listed::with(Config {
            flags: base.flags | change.flags,
            disarm_at_ns: change.disarm_at_ns,
            ..base
        });
        listed.add(List::Block, &[item("192.0.2.1")]);
        assert_eq!(listed.reason(&syn("192.0.2.1")), Reason::WouldBlockedSyn);
        assert_eq!(listed.reason(&ip("192.0.2.1").tcp(1, 443).ack()), Reason::WouldBlocked);
        assert_eq!(listed.reason(&syn("192.0.2.2")), Reason::SynPassed);
    }
}

use std::time::Instant;

use proptest::prelude::*;

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).expect("a network")
}

fn set() -> ProtectedSet {
    ProtectedSet::new([
        ProtectedAddr::prefix(net("127.0.0.0/8"), Role::Loopback, "loopback"),
        ProtectedAddr::prefix(net("::1"), Role::Loopback, "loopback"),
        ProtectedAddr::prefix(net("127.0.0.1"), Role::Own, "an address of this host (lo)"),
        ProtectedAddr::prefix(net("192.0.2.1"), Role::Resolver, "a resolver (/etc/resolv.conf)"),
        ProtectedAddr::prefix(net("192.0.2.1"), Role::Gateway, "a default gateway"),
        ProtectedAddr::prefix(net("192.0.2.1"), Role::Gateway, "a default gateway"),
        ProtectedAddr::prefix(
            net("::ffff:192.0.2.10"),
            Role::SshPeer,
            "the peer of an SSH session (port 22)",
        ),
        ProtectedAddr::prefix(net("2001:db8::5"), Role::Own, "an address of this host (eth0)"),
    ])
}

fn conflict_text(target: &str) -> Option<String> {
    set().conflict(net(target)).map(|conflict| conflict.to_string())
}

#[test]
fn conflict_names_the_protected_address() {
    for (target, expected) in [
        ("192.0.2.10", "192.0.2.10 is the peer of an SSH session (port 22)"),
        ("::ffff:192.0.2.10", "::ffff:192.0.2.10 is the peer of an SSH session (port 22)"),
        ("192.0.2.8/29", "192.0.2.8/29 covers 192.0.2.10, the peer of an SSH session (port 22)"),
        // Host bits do not matter.
        ("192.0.2.9/29", "192.0.2.9/29 covers 192.0.2.10, the peer of an SSH session (port 22)"),
        (
            "192.0.2.0/24",
            "192.0.2.0/24 covers 192.0.2.10, the peer of an SSH session (port 22), and 1 more protected address",
        ),
        ("192.0.2.1", "192.0.2.1 is a default gateway and a resolver (/etc/resolv.conf)"),
        ("127.0.0.53", "127.0.0.53 is inside 127.0.0.0/8, loopback"),
        ("127.0.0.1", "127.0.0.1 is inside 127.0.0.0/8, loopback"),
        ("127.0.0.0/8", "127.0.0.0/8 is loopback"),
        (
            "::ffff:0:0/96",
            "::ffff:0.0.0.0/96 covers 192.0.2.10, the peer of an SSH session (port 22), and 2 more protected addresses",
        ),
        (
            "::/0",
            "::/0 covers 192.0.2.10, the peer of an SSH session (port 22), and 4 more protected addresses",
        ),
        ("2001:db8::/32", "2001:db8::/32 covers 2001:db8::5, an address of this host (eth0)"),
    ] {
        assert_eq!(conflict_text(target).as_deref(), Some(expected));
    }
}

#[test]
fn neighbours_may_be_blocked() {
    for target in [
        "192.0.2.9",
        "192.0.2.11",
        "192.0.2.16/28",
        "126.0.0.0/8",
        "::",
        "::2",
        // Not the mapped form, though it ends in the same bytes.
        "::192.0.2.10",
        "2001:db8::4",
        "2001:db8:1::/48",
    ] {
        assert_eq!(conflict_text(target), None, "{target}");
    }
    assert_eq!(ProtectedSet::default().conflict(net("::/0")), None);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a bound against quadratic time, far above the real one")]
fn million_targets_are_checked_in_seconds() {
    let address = |i: u32| IpAddr::from((i * 7919).to_be_bytes());
    let set = ProtectedSet::new((0..1000).map(|i| ProtectedAddr::address(address(i), Role::SshPeer, "peer")));
    let targets = (0..1_000_000).map(|i: u32| IpNet::from(IpAddr::from((i * 7).to_be_bytes())));
    let begun = Instant::now();
    let found = conflicts(targets, &set).count();
    // 7919 and 7 have no common factor: every seventh of the addresses, up to 7 million, is among the targets.
    assert_eq!(found, (0..1000).filter(|i| i * 7919 % 7 == 0 && i * 7919 < 7_000_000).count());
    // Unoptimised it takes half a second. One by one it would be a billion comparisons.
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

fn any_net() -> impl Strategy<Value = IpNet> {
    // Few distinct bits, so that prefixes overlap.
    let v4 = (any::<u8>(), any::<bool>(), 0_u8..=32).prop_map(|(low, high, length)| {
        let ip = IpAddr::from([if high { 192 } else { 10 }, 0, 0, low & 0x8f]);
        IpNet::new(ip, length).expect("a length")
    });
    let v6 = (any::<u8>(), any::<bool>(), 0_u8..=128).prop_map(|(low, mapped, length)| {
        let ip = if mapped { MAPPED | u128::from(low) | 0x0a00_0000 } else { u128::from(low) << 60 };
        IpNet::new(std::net::Ipv6Addr::from(ip).into(), length).expect("a length")
    });
    prop_oneof![v4, v6]
}

/// Reports whether two prefixes have an address in common, by the bits that both fix.
fn overlap(a: &IpNet, b: &IpNet) -> bool {
    let bits = |net: &IpNet| match net.addr() {
        IpAddr::V4(ip) => (u128::from(ip.to_ipv6_mapped()), u32::from(net.prefix_len()) + 96),
        IpAddr::V6(ip) => (u128::from(ip), u32::from(net.prefix_len())),
    };
    let ((a, a_length), (b, b_length)) = (bits(a), bits(b));
    (a ^ b).leading_zeros() >= a_length.min(b_length)
}

proptest! {
    /// The binary search agrees with a linear one: a target is refused if and only if it overlaps a protected address,
    /// and the conflict names all of these.
    #[test]
    fn conflict_is_an_overlap(
        nets in prop::collection::vec(any_net(), 0..12),
        targets in prop::collection::vec(any_net(), 1..12),
    ) {
        let set = ProtectedSet::new(nets.iter().map(|&net| ProtectedAddr::prefix(net, Role::Own, "own")));
        for target in targets {
            let plain: Vec<_> = set.iter().filter(|addr| overlap(&addr.prefix, &target)).cloned().collect();
            let found = set.conflict(target).map(|conflict| conflict.protected.to_vec()).unwrap_or_default();
            prop_assert_eq!(&found, &plain);
            prop_assert_eq!(found.is_empty(), !nets.iter().any(|net| overlap(net, &target)));
        }
    }

    #[test]
    fn set_has_no_overlaps_in_any_order(
        nets in prop::collection::vec((any_net(), 0..3_usize), 0..12),
    ) {
        let roles = [Role::SshPeer, Role::Gateway, Role::Resolver];
        let all: Vec<_> =
            nets.iter().map(|&(net, i)| ProtectedAddr::prefix(net, roles[i], ["a", "b", "c"][i])).collect();
        let set = ProtectedSet::new(all.clone());
        let nets: Vec<_> = set.iter().map(|addr| addr.prefix).collect();
        for (i, a) in nets.iter().enumerate() {
            prop_assert!(nets.iter().skip(i + 1).all(|b| !overlap(a, b)));
        }
        prop_assert_eq!(set, ProtectedSet::new(all.into_iter().rev()));
    }
}

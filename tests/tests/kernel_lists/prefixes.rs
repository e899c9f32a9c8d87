//! Addresses within a prefix: every length, and random lists against a model that compares bit by bit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use synguard_common::{
    addr::Addr,
    ip_list::{LENGTHS_MAX, List, ListEntry, Prefix},
    reason::Reason,
};
use synguard_datapath::PrefixEntry;

use crate::setup::{Listed, Random, datagram};

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

fn key(address: u128, length: u32) -> Prefix {
    Prefix::new(Addr::from_bytes(address.to_be_bytes()), length)
}

fn address(bits: u128) -> IpAddr {
    let v6 = Ipv6Addr::from(bits);
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
}

/// First and last address of the prefix of `length` that `address` is in, and those just outside, if any.
fn edges(address: u128, length: u32) -> ([u128; 2], Vec<u128>) {
    let below = if length == 0 { u128::MAX } else { (1u128 << (128 - length)) - 1 };
    let (first, last) = (address & !below, address | below);
    ([first, last], [first.checked_sub(1), last.checked_add(1)].into_iter().flatten().collect())
}

#[test]
fn prefixes_hold_their_first_and_last_address() {
    let v4 = mapped("203.0.113.77".parse().unwrap());
    let v6 = mapped("2a07:5a3c:9001:8421:1234:5678:9abc:def1".parse().unwrap());
    let v4s = (0..=32).map(|length| (v4, 96 + length));
    let v6s = (0..=128).map(|length| (v6, length));
    let listed = Listed::new();
    for (inside, length) in v4s.chain(v6s) {
        listed.replace(List::Block, &[(key(inside, length), ListEntry::default())]);
        let (ends, beyond) = edges(inside, length);
        for bits in ends.into_iter().chain([inside]) {
            let reason = listed.reason(&datagram(address(bits)));
            assert_eq!(reason, Reason::Blocked, "{} in /{length}", address(bits));
        }
        for bits in beyond {
            let other = address(bits);
            let expected = if other.is_ipv4() == address(inside).is_ipv4() || length > 96 {
                Reason::NotTcp
            } else {
                continue;
            };
            assert_eq!(listed.reason(&datagram(other)), expected, "{other} beyond /{length}");
        }
    }
}

/// A list of an IPv6 prefix that contains all mapped addresses holds no IPv4 address: the families are apart.
#[test]
fn an_ipv6_prefix_holds_no_ipv4_address() {
    let listed = Listed::new();
    listed.add(List::Block, &[(key(0, 0), ListEntry::default()), (key(0, 64), ListEntry::default())]);
    assert_eq!(listed.reason(&datagram(IpAddr::V4(Ipv4Addr::LOCALHOST))), Reason::NotTcp);
    assert_eq!(listed.reason(&datagram(IpAddr::V6(Ipv6Addr::LOCALHOST))), Reason::Blocked);
    listed.replace(List::Block, &[(key(mapped("0.0.0.0".parse().unwrap()), 96), ListEntry::default())]);
    assert_eq!(listed.reason(&datagram(IpAddr::V4(Ipv4Addr::LOCALHOST))), Reason::Blocked);
    assert_eq!(listed.reason(&datagram(IpAddr::V6(Ipv6Addr::LOCALHOST))), Reason::NotTcp);
}

/// Addresses concentrated in few prefixes, so that list entries overlap and are hit.
fn crowded(random: &mut Random) -> (u128, u32) {
    let (number, choice) = (random.next(), random.next());
    if choice & 1 == 0 {
        let bits = 0xc633_0000 | (number as u32 & 0x0003_07ff);
        (mapped(Ipv4Addr::from(bits).into()), 96 + 12 + (choice >> 8) as u32 % 21)
    } else {
        let bits = (0x2001_0db8u128 << 96) | u128::from(number & 0x3) << 80 | u128::from(number >> 60) << 64;
        (
            bits | u128::from(number >> 32 & 3),
            [28, 32, 40, 48, 49, 56, 64, 96, 127, 128][(choice >> 8) as usize % 10],
        )
    }
}

#[test]
fn random_lists_agree_with_a_model() {
    const ROUNDS: usize = 40;
    let mut random = Random(0x5eed);
    let mut counts = [0; 2];
    let listed = Listed::new();
    for round in 0..ROUNDS {
        let mut items = |count: u64| -> Vec<PrefixEntry> {
            let count = random.next() % count;
            (0..count)
                .map(|_| {
                    let (address, length) = crowded(&mut random);
                    (key(address, length), ListEntry::default())
                })
                .collect()
        };
        let (allow, block) = (items(10), items(60));
        listed.replace(List::Allow, &allow);
        // Alternately as a whole and one by one, over the existing entries.
        listed.replace(List::Block, if round % 2 == 0 { &block } else { &[] });
        if round % 2 == 1 {
            for item in &block {
                listed.add(List::Block, &[*item]);
            }
        }
        let holds = |items: &[PrefixEntry], bits: u128| {
            items.iter().any(|(key, _)| {
                let family = key.is_v4() == address(bits).is_ipv4();
                let length = key.length as u32;
                family && self::key(bits, length).address == key.address
            })
        };
        for _ in 0..300 {
            let (bits, _) = crowded(&mut random);
            let expected = match (holds(&allow, bits), holds(&block, bits)) {
                (true, _) => Reason::Allowed,
                (false, true) => Reason::Blocked,
                (false, false) => Reason::NotTcp,
            };
            let found = listed.reason(&datagram(address(bits)));
            assert_eq!(found, expected, "round {round}: {} with {allow:x?} and {block:x?}", address(bits));
            counts[usize::from(expected == Reason::Blocked)] += 1;
        }
    }
    println!("{} blocked, {} not", counts[1], counts[0]);
    assert!(counts.iter().all(|&count| count > 1000), "{counts:?}: too few of one kind");
}

#[test]
fn too_many_lengths_are_refused_and_change_nothing() {
    let listed = Listed::new();
    let bits = mapped("2a07:5a3c:9001:8421:1234:5678:9abc:def1".parse().unwrap());
    let items: Vec<PrefixEntry> =
        (0..=LENGTHS_MAX as u32).map(|n| (key(bits, 60 + n), ListEntry::default())).collect();
    let error = listed.change(|lists| lists.add(List::Block, items.clone())).unwrap_err();
    assert!(error.to_string().contains("64 different lengths"), "{error}");
    assert_eq!(listed.change(|lists| lists.size(List::Block)).unwrap().entries, 0);
    assert_eq!(listed.reason(&datagram(address(bits))), Reason::NotTcp);
    listed.add(List::Block, &items[1..]);
    assert_eq!(listed.reason(&datagram(address(bits))), Reason::Blocked);
    // Other lengths in the place of all of them.
    let others: Vec<PrefixEntry> = (0..20).map(|n| (key(bits, 30 + n), ListEntry::default())).collect();
    listed.replace(List::Block, &others);
    assert_eq!(listed.reason(&datagram(address(bits))), Reason::Blocked);
    assert_eq!(listed.change(|lists| lists.size(List::Block)).unwrap().entries, 20);
}

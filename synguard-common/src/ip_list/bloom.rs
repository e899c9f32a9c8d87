//! The Bloom filter in front of a list, see [`crate::ip_list`].

use crate::{
    addr::{Addr, HashSeed, Mask},
    hash,
    ip_list::Prefix,
};

/// Words for IPv4: one bit for each /24.
pub const V4_WORDS: usize = 1 << (24 - 6);
/// Bits for IPv6, as a power of two.
const V6_SHIFT: u32 = 22;
/// Words for IPv6.
pub const V6_WORDS: usize = 1 << (V6_SHIFT - 6);
/// Bits for whole prefixes, as a power of two: eight for each of a million prefixes.
const PREFIX_SHIFT: u32 = 23;
/// First word of the part for whole prefixes.
pub const PREFIX_START: usize = V4_WORDS + V6_WORDS;
/// Words of one list's Bloom filter: those for IPv4, for IPv6, and for whole prefixes, in this order; 3.5 MiB.
pub const WORDS: usize = PREFIX_START + (1 << (PREFIX_SHIFT - 6));
/// The two prefix lengths of an IPv6 address that have a bit.
pub const V6_LENGTHS: [u32; 2] = [32, 48];

/// Returns the bit of an IPv4 address (in IPv4-mapped form).
#[inline(always)]
pub const fn bit_v4(address: Addr) -> usize {
    (u64::from_be(address.0[1]) as u32 >> 8) as usize
}

/// Returns the bit of an IPv6 address for `length`, one of [`V6_LENGTHS`].
#[inline(always)]
pub const fn bit_v6(address: Addr, length: u32, seed: HashSeed) -> usize {
    let masked = [address.0[0] & Mask::of_length(length).0[0], length as u64];
    let bit = hash::mix(masked, seed) >> (64 - V6_SHIFT);
    V4_WORDS * 64 + bit as usize
}

/// Returns the bit of a whole prefix, from its hash in the list's table.
#[inline(always)]
pub const fn bit_prefix(hash: u64) -> usize {
    PREFIX_START * 64 + (hash >> (64 - PREFIX_SHIFT)) as usize
}

/// Passes the bits of a prefix to `set`, except that of the whole prefix. Returns `false`, without calling
/// `set`, if there are so many that the caller should set all bits of the family instead.
pub fn prefix_bits(key: &Prefix, seed: HashSeed, mut set: impl FnMut(usize)) -> bool {
    /// Length below which an IPv6 prefix has too many bits: it would fill much of the filter anyway.
    const V6_LENGTH_MIN: u64 = 20;
    let [short, long] = V6_LENGTHS;
    if key.is_v4() {
        let first = bit_v4(key.address);
        let bits = if key.length >= 96 + 24 { 1 } else { 1 << (96 + 24 - key.length) };
        (first..first + bits).for_each(set);
        return true;
    }
    if key.length < V6_LENGTH_MIN {
        return false;
    }
    if key.length >= u64::from(long) {
        set(bit_v6(key.address, long, seed));
    } else if key.length >= u64::from(short) {
        set(bit_v6(key.address, short, seed));
    } else {
        let first = u64::from_be(key.address.0[0]) >> 32;
        for number in first..first + (1 << (u64::from(short) - key.length)) {
            set(bit_v6(Addr([(number << 32).to_be(), 0]), short, seed));
        }
    }
    true
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use std::{collections::HashSet, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    const SEED: HashSeed = HashSeed([3, 5]);

    fn v4(address: u32, length: u32) -> Prefix {
        Prefix::new(Ipv4Addr::from(address).into(), 96 + length)
    }

    fn bits(key: &Prefix) -> Option<HashSet<usize>> {
        let mut bits = HashSet::new();
        prefix_bits(key, SEED, |bit| {
            bits.insert(bit);
        })
        .then_some(bits)
    }

    /// Reports whether a filter with these bits leads to a lookup of the address.
    fn admits(set: &HashSet<usize>, address: Addr) -> bool {
        if address.is_v4() {
            return set.contains(&bit_v4(address));
        }
        V6_LENGTHS.iter().any(|&length| set.contains(&bit_v6(address, length, SEED)))
    }

    #[test]
    fn ipv4_prefix_has_a_bit_for_each_of_its_24s() {
        for (length, count) in [(32, 1), (25, 1), (24, 1), (23, 2), (16, 256), (8, 65_536)] {
            let key = v4(0x0a01_0203, length);
            let found = bits(&key).expect("IPv4 always has bits");
            assert_eq!(found.len(), count, "/{length}");
            assert!(found.iter().all(|bit| bit / 64 < V4_WORDS), "/{length}");
        }
        let mut all = 0;
        assert!(prefix_bits(&v4(0, 0), SEED, |_| all += 1) && all == 1 << 24);
        assert_eq!(bit_v4(v4(0xc000_0205, 32).address), 0xc0_0002);
    }

    proptest! {
        /// Every listed address leads to a lookup.
        #[test]
        fn filter_proves_absence(
            prefixes in prop::collection::vec((any::<u128>(), 24u32..=128), 1..20), below in any::<u128>(),
            v4s in prop::collection::vec((any::<u32>(), 18u32..=32), 1..20),
        ) {
            let mut keys: Vec<Prefix> =
                prefixes.iter().map(|&(a, n)| Prefix::new(Ipv6Addr::from(a | 1 << 127).into(), n)).collect();
            keys.extend(v4s.iter().map(|&(address, length)| v4(address, length)));
            let set: HashSet<usize> = keys.iter().flat_map(|key| bits(key).expect("long enough")).collect();
            for key in &keys {
                let mask = Mask::of_length(key.length as u32);
                let fill = Addr::from(Ipv6Addr::from(below));
                let half = |i: usize| key.address.0[i] | fill.0[i] & !mask.0[i];
                let inside = Addr([half(0), half(1)]);
                prop_assert!(admits(&set, inside), "{key:?}");
                prop_assert_eq!(Prefix::new(inside, key.length as u32), *key);
            }
        }

        /// Few unlisted addresses lead to a lookup.
        #[test]
        fn filter_is_selective(address: u32, other: u32) {
            let set = bits(&v4(address, 32)).expect("IPv4 always has bits");
            prop_assert_eq!(admits(&set, v4(other, 32).address), address >> 8 == other >> 8);
        }
    }
}

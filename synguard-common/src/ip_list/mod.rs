//! The operator's lists: addresses and prefixes that pass, or are stopped, whatever they send. Pure.
//!
//! A list is a hash from prefixes of every length – an address is the longest – to entries. To look an address up
//! is to look up its prefix of each length that occurs, of which there are few. So that an address in none of
//! them costs no look-up at all, a filter stands in front: one bit for each IPv4 /24, and for IPv6 as many again
//! that a seeded hash of the /32 and the /48 chooses. A bit that is not set proves that nothing is listed there. For
//! the addresses that share such a stretch with something listed there is a bit for each prefix that is listed, chosen by
//! its hash, so that of all lengths few are looked up in vain (Bloom, 1970, with a single hash).

pub mod cache;
pub mod table;

use crate::{
    addr::{self, Halves},
    hash,
};

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum List {
    /// What always passes.
    Allow = 0,
    /// What is dropped unless it is allowed.
    Block = 1,
}

impl List {
    /// Both, in the order in which they are asked.
    pub const ALL: [Self; 2] = [Self::Allow, Self::Block];

    /// The word it has in commands and in the names of files.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }

    /// What messages call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allowlist",
            Self::Block => "blocklist",
        }
    }

    /// Its place among both.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its bit in [`IpLists::used`].
    #[inline(always)]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A prefix in a list.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    /// Its address, IPv4 in mapped form, with all bits beyond the length cleared.
    pub address: Halves,
    /// Its length in bits, 0 to 128; that of an IPv4 /n is 96 + n.
    pub length: u64,
}

impl Prefix {
    /// The prefix of an address that has this length; more than 128 counts as 128.
    #[inline(always)]
    pub const fn new(address: Halves, length: u32) -> Self {
        Self { address: addr::apply(address, addr::mask(length)), length: length as u64 }
    }

    /// Whether it is a prefix of IPv4 addresses.
    pub const fn is_v4(&self) -> bool {
        self.length >= 96 && addr::is_v4_mapped(self.address)
    }
}

/// [`ListEntry::scope`]: the entry speaks of everything.
pub const SCOPE_ALL: u32 = 0;
/// [`ListEntry::scope`]: the entry speaks of SYNs only; connections that exist go on.
pub const SCOPE_SYN: u32 = 1;

/// [`ListEntry::origin`]: the operator added it by hand.
pub const ORIGIN_OPERATOR: u32 = 0;
/// [`ListEntry::origin`]: the controller added it.
pub const ORIGIN_AUTO: u32 = 1;
/// [`ListEntry::origin`]: it came with an imported list.
pub const ORIGIN_FEED: u32 = 2;

/// What is known of a prefix in a list.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListEntry {
    /// When it ceases to hold, in nanoseconds of the datapath's clock; 0 is never.
    pub expires_at_ns: u64,
    /// Packets that it decided about. Written by the datapath.
    pub hits: u64,
    /// One of `SCOPE_*`.
    pub scope: u32,
    /// One of `ORIGIN_*`.
    pub origin: u32,
}

impl ListEntry {
    /// Whether it holds at this moment.
    #[inline(always)]
    pub const fn is_effective(&self, now_ns: u64) -> bool {
        // Without a branch: see `PrefixLengths::masks`.
        (self.expires_at_ns == 0) | (now_ns < self.expires_at_ns)
    }

    /// Whether it speaks of a packet, which is a SYN or may hide one, or not.
    #[inline(always)]
    pub const fn applies_to(&self, syn: bool) -> bool {
        (self.scope != SCOPE_SYN) | syn
    }
}

/// Different lengths that the prefixes of a family may have in one list. All of IPv4's fit.
pub const LENGTHS_MAX: usize = 64;

/// The lengths that occur in a list, of one family. A length keeps its place for as long as the datapath may
/// look there, so that no packet misses one while they change.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixLengths {
    /// Places to look at.
    pub count: u64,
    /// As in [`Prefix::length`].
    pub lengths: [u8; LENGTHS_MAX],
    /// The mask of each: to compute it in the datapath would multiply what the verifier has to examine.
    pub masks: [Halves; LENGTHS_MAX],
    /// How many entries have the length of that place: for userspace.
    pub entries: [u32; LENGTHS_MAX],
}

impl PrefixLengths {
    const EMPTY: Self =
        Self { count: 0, lengths: [0; LENGTHS_MAX], masks: [[0; 2]; LENGTHS_MAX], entries: [0; LENGTHS_MAX] };

    /// The prefix of an address that has the length at `place`, as it is listed if it is.
    #[inline(always)]
    pub const fn prefix(&self, place: usize, address: Halves) -> Prefix {
        Prefix { address: addr::apply(address, self.masks[place]), length: self.lengths[place] as u64 }
    }

    /// Entries of all lengths.
    pub fn total(&self) -> u64 {
        self.used().map(|(_, entries)| u64::from(entries)).sum()
    }

    /// The lengths that occur, and how many entries have them.
    pub fn used(&self) -> impl Iterator<Item = (u8, u32)> {
        let places = self.lengths.iter().copied().zip(self.entries).take(self.count as usize);
        places.filter(|(_, entries)| *entries > 0)
    }

    /// Takes note of more entries of a length. `false` if there are too many lengths already.
    #[must_use]
    pub fn add(&mut self, length: u8, entries: u32) -> bool {
        let count = self.count as usize;
        let known = self.lengths[..count].iter().position(|&other| other == length);
        // A place whose length does not occur any more can be had.
        let place = known.or_else(|| self.entries[..count].iter().position(|&entries| entries == 0));
        let place = place.unwrap_or(count);
        if place == LENGTHS_MAX {
            return false;
        }
        self.lengths[place] = length;
        self.masks[place] = addr::mask(u32::from(length));
        self.entries[place] = self.entries[place].saturating_add(entries);
        self.count = self.count.max(place as u64 + 1);
        true
    }

    /// Takes note that there are fewer entries of a length. Its place stays, unless it is the last.
    pub fn remove(&mut self, length: u8, entries: u32) {
        let count = self.count as usize;
        if let Some(place) = self.lengths[..count].iter().position(|&other| other == length) {
            self.entries[place] = self.entries[place].saturating_sub(entries);
        }
        while self.count > 0 && self.entries[self.count as usize - 1] == 0 {
            self.count -= 1;
        }
    }
}

/// What the datapath must know of a list before it looks an address up.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListInfo {
    /// The lengths of IPv4 prefixes, each 96 and more.
    pub v4: PrefixLengths,
    /// The lengths of IPv6 prefixes.
    pub v6: PrefixLengths,
    /// Entries that the list may have: for userspace.
    pub capacity: u64,
}

/// Both lists, at index 0 of `LISTS`. All zeros: both are empty.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpLists {
    /// A union of [`List::bit`]s of those that are not empty. While it is 0 nothing else is looked at.
    pub used: u64,
    /// Another one after every change, so that what was found before it is not taken to hold still.
    pub version: u64,
    /// By [`List::index`].
    pub info: [ListInfo; 2],
}

impl IpLists {
    /// Both empty.
    pub const EMPTY: Self = {
        let info = ListInfo { v4: PrefixLengths::EMPTY, v6: PrefixLengths::EMPTY, capacity: 0 };
        Self { used: 0, version: 0, info: [info; 2] }
    };
}

impl ListInfo {
    /// The lengths of the family of a prefix.
    pub fn lengths_mut(&mut self, key: &Prefix) -> &mut PrefixLengths {
        if key.is_v4() { &mut self.v4 } else { &mut self.v6 }
    }

    /// Entries of both families.
    pub fn entries(&self) -> u64 {
        self.v4.total() + self.v6.total()
    }
}

/// Words of the filter for IPv4: a bit for each /24.
pub const BLOOM_V4_WORDS: usize = 1 << (24 - 6);
/// Bits of the filter for IPv6, as a power of two.
const BLOOM_V6_SHIFT: u32 = 22;
/// Words of the filter for IPv6.
pub const BLOOM_V6_WORDS: usize = 1 << (BLOOM_V6_SHIFT - 6);
/// Bits of the filter for whole prefixes, as a power of two: eight for each of a million.
const BLOOM_PREFIX_SHIFT: u32 = 23;
/// The first word of those.
pub const BLOOM_PREFIX_START: usize = BLOOM_V4_WORDS + BLOOM_V6_WORDS;
/// Words of one list's filter, IPv4's first, whole prefixes' last: 3.5 MiB.
pub const BLOOM_WORDS: usize = BLOOM_PREFIX_START + (1 << (BLOOM_PREFIX_SHIFT - 6));
/// The shorter and the longer stretch of an IPv6 address that have a bit.
pub const BLOOM_V6_LENGTHS: [u32; 2] = [32, 48];

/// The bit of an IPv4 address (in mapped form) in the filter.
#[inline(always)]
pub const fn bloom_bit_v4(address: Halves) -> usize {
    (u64::from_be(address[1]) as u32 >> 8) as usize
}

/// The bit of the first `length` (one of [`BLOOM_V6_LENGTHS`]) bits of an IPv6 address in the filter.
#[inline(always)]
pub const fn bloom_bit_v6(address: Halves, length: u32, seed: Halves) -> usize {
    let stretch = [address[0] & addr::mask(length)[0], length as u64];
    let bit = hash::mix(stretch, seed) >> (64 - BLOOM_V6_SHIFT);
    BLOOM_V4_WORDS * 64 + bit as usize
}

/// The bit of a prefix itself, chosen by its hash in the list's table.
#[inline(always)]
pub const fn bloom_bit_prefix(hash: u64) -> usize {
    BLOOM_PREFIX_START * 64 + (hash >> (64 - BLOOM_PREFIX_SHIFT)) as usize
}

/// Passes the bits of a prefix to `set`, but for that of itself. `false`, and none is passed, if it has so many that those of its whole
/// family should be set instead.
pub fn bloom_bits(key: &Prefix, seed: Halves, mut set: impl FnMut(usize)) -> bool {
    /// A shorter IPv6 prefix has too many bits: it would fill much of the filter in any case.
    const V6_LENGTH_MIN: u64 = 20;
    let [short, long] = BLOOM_V6_LENGTHS;
    if key.is_v4() {
        let first = bloom_bit_v4(key.address);
        let bits = if key.length >= 96 + 24 { 1 } else { 1 << (96 + 24 - key.length) };
        (first..first + bits).for_each(set);
        return true;
    }
    if key.length < V6_LENGTH_MIN {
        return false;
    }
    if key.length >= u64::from(long) {
        set(bloom_bit_v6(key.address, long, seed));
    } else if key.length >= u64::from(short) {
        set(bloom_bit_v6(key.address, short, seed));
    } else {
        let first = u64::from_be(key.address[0]) >> 32;
        for number in first..first + (1 << (u64::from(short) - key.length)) {
            set(bloom_bit_v6([(number << 32).to_be(), 0], short, seed));
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

    const SEED: Halves = [3, 5];

    fn halves(address: Ipv6Addr) -> Halves {
        addr::from_bytes(address.octets())
    }

    fn v4(address: u32, length: u32) -> Prefix {
        Prefix::new(halves(Ipv4Addr::from(address).to_ipv6_mapped()), 96 + length)
    }

    fn bits(key: &Prefix) -> Option<HashSet<usize>> {
        let mut bits = HashSet::new();
        bloom_bits(key, SEED, |bit| {
            bits.insert(bit);
        })
        .then_some(bits)
    }

    /// Whether the filter lets an address through to the look-up, when these are listed.
    fn admits(set: &HashSet<usize>, address: Halves) -> bool {
        if addr::is_v4_mapped(address) {
            return set.contains(&bloom_bit_v4(address));
        }
        BLOOM_V6_LENGTHS.iter().any(|&length| set.contains(&bloom_bit_v6(address, length, SEED)))
    }

    #[test]
    fn an_ipv4_prefix_has_a_bit_for_each_of_its_24s() {
        for (length, count) in [(32, 1), (25, 1), (24, 1), (23, 2), (16, 256), (8, 65_536)] {
            let key = v4(0x0a01_0203, length);
            let found = bits(&key).expect("IPv4 always has");
            assert_eq!(found.len(), count, "/{length}");
            assert!(found.iter().all(|bit| bit / 64 < BLOOM_V4_WORDS), "/{length}");
        }
        let mut all = 0;
        assert!(bloom_bits(&v4(0, 0), SEED, |_| all += 1) && all == 1 << 24);
        assert_eq!(bloom_bit_v4(v4(0xc000_0205, 32).address), 0xc0_0002);
    }

    #[test]
    fn lengths_keep_their_places() {
        let mut lengths = PrefixLengths::EMPTY;
        for length in [120, 128, 112] {
            assert!(lengths.add(length, 10));
        }
        lengths.remove(120, 10);
        assert_eq!((lengths.count, &lengths.lengths[1..3]), (3, [128, 112].as_slice()));
        assert!(lengths.add(104, 1));
        assert_eq!(lengths.lengths[..3], [104, 128, 112], "a free place is taken, the others stay");
        lengths.remove(112, 10);
        assert_eq!(lengths.count, 2);
        assert_eq!((lengths.total(), lengths.used().count()), (11, 2));
        let mut lengths = PrefixLengths::EMPTY;
        assert!((0..LENGTHS_MAX as u8).all(|length| lengths.add(length, 1)));
        assert!(!lengths.add(100, 1));
        assert!(lengths.add(5, 1), "one that is there is no new one");
    }

    proptest! {
        /// No address that is listed is kept from the look-up.
        #[test]
        fn the_filter_proves_absence(
            prefixes in prop::collection::vec((any::<u128>(), 24u32..=128), 1..20), below in any::<u128>(),
            v4s in prop::collection::vec((any::<u32>(), 18u32..=32), 1..20),
        ) {
            let mut keys: Vec<Prefix> =
                prefixes.iter().map(|&(a, n)| Prefix::new(halves(Ipv6Addr::from(a | 1 << 127)), n)).collect();
            keys.extend(v4s.iter().map(|&(address, length)| v4(address, length)));
            let set: HashSet<usize> = keys.iter().flat_map(|key| bits(key).expect("long enough")).collect();
            for key in &keys {
                let mask = addr::mask(key.length as u32);
                let fill = halves(Ipv6Addr::from(below));
                let inside = [key.address[0] | fill[0] & !mask[0], key.address[1] | fill[1] & !mask[1]];
                prop_assert!(admits(&set, inside), "{key:?}");
                prop_assert_eq!(Prefix::new(inside, key.length as u32), *key);
            }
        }

        /// And few that are not listed get as far as that.
        #[test]
        fn the_filter_is_selective(address: u32, other: u32) {
            let set = bits(&v4(address, 32)).expect("IPv4 always has");
            prop_assert_eq!(admits(&set, v4(other, 32).address), address >> 8 == other >> 8);
        }

        /// PrefixLengths that are added and removed in any order are all found, and nothing is left at the end.
        #[test]
        fn lengths_are_never_lost(changes in prop::collection::vec((0u8..70, any::<bool>()), 1..300)) {
            let (mut lengths, mut truth) = (PrefixLengths::EMPTY, [0u32; 70]);
            for (length, add) in changes {
                let count = &mut truth[usize::from(length)];
                if add {
                    *count += u32::from(lengths.add(length, 1));
                } else if *count > 0 {
                    lengths.remove(length, 1);
                    *count -= 1;
                }
                for (length, &count) in (0u8..).zip(&truth) {
                    let found = lengths.used().find(|(other, _)| *other == length).map_or(0, |(_, n)| n);
                    prop_assert_eq!(found, count, "/{}", length);
                }
            }
        }
    }
}

//! The operator's lists: the allowlist and the blocklist of addresses and prefixes. Pure.
//!
//! A list is a hash table from prefixes of every length (an address has the longest) to entries. A lookup of an address
//! tries its prefix of each length that occurs in the list, of which there are few. A Bloom filter in front of the table
//! saves an unlisted address from any lookup. It has one bit for each IPv4 /24, and as many for IPv6, which a seeded hash
//! of the /32 and the /48 selects. A clear bit proves that nothing there is listed. For the addresses that share such a
//! /24, /32 or /48 with a listed prefix, a further bit for each listed prefix, selected by its hash, reduces the number of
//! lengths that are tried in vain (Bloom, 1970, with a single hash).

pub mod bloom;
pub mod cache;
pub mod table;

use crate::addr::{Addr, Mask};

/// One of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum List {
    /// The allowlist: its packets always pass.
    Allow = 0,
    /// The blocklist: its packets are dropped unless the allowlist has them too.
    Block = 1,
}

impl List {
    /// Both lists, in the order of lookup.
    pub const ALL: [Self; 2] = [Self::Allow, Self::Block];

    /// Returns the list's name in commands and file names.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }

    /// Returns the list's name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allowlist",
            Self::Block => "blocklist",
        }
    }

    /// Returns the list's index in arrays of both.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Returns the list's bit in [`IpLists::used`].
    #[inline(always)]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// An address prefix.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    /// Address, IPv4 in IPv4-mapped form, with all bits beyond the length cleared.
    pub address: Addr,
    /// Length in bits, 0 to 128; that of an IPv4 /n is 96 + n.
    pub length: u64,
}

impl Prefix {
    /// Returns the prefix of an address with this length. A length above 128 counts as 128.
    #[inline(always)]
    pub const fn new(address: Addr, length: u32) -> Self {
        Self { address: address.masked(Mask::of_length(length)), length: length as u64 }
    }

    /// Reports whether this is a prefix of IPv4 addresses.
    pub const fn is_v4(&self) -> bool {
        self.length >= 96 && self.address.is_v4()
    }
}

/// [`ListEntry::scope`]: the entry applies to every packet.
pub const SCOPE_ALL: u32 = 0;
/// [`ListEntry::scope`]: the entry applies only to SYNs; existing connections continue.
pub const SCOPE_SYN: u32 = 1;

/// [`ListEntry::origin`]: the operator added it by hand.
pub const ORIGIN_OPERATOR: u32 = 0;
/// [`ListEntry::origin`]: the controller added it.
pub const ORIGIN_AUTO: u32 = 1;
/// [`ListEntry::origin`]: the entry is from an imported list.
pub const ORIGIN_FEED: u32 = 2;

/// The entry of a prefix in a list.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListEntry {
    /// Expiry, in nanoseconds of the datapath's clock; 0: never.
    pub expires_at_ns: u64,
    /// Number of packets that the entry decided about. Written by the datapath.
    pub hits: u64,
    /// One of `SCOPE_*`.
    pub scope: u32,
    /// One of `ORIGIN_*`.
    pub origin: u32,
}

impl ListEntry {
    /// Reports whether the entry has not expired.
    #[expect(clippy::needless_bitwise_bool, reason = "the verifier would examine both sides of a branch")]
    #[inline(always)]
    pub const fn is_effective(&self, now_ns: u64) -> bool {
        (self.expires_at_ns == 0) | (now_ns < self.expires_at_ns)
    }

    /// Reports whether the entry applies to a packet; `syn` is true for a SYN and a possible SYN.
    #[inline(always)]
    pub const fn applies_to(&self, syn: bool) -> bool {
        (self.scope != SCOPE_SYN) | syn
    }
}

/// Number of different prefix lengths that one list may have for a family. All lengths of IPv4 fit.
pub const LENGTHS_MAX: usize = 64;

/// The prefix lengths of one family that occur in a list. A length keeps its index for as long as the datapath may use
/// it, so that no packet misses an entry while the lengths change.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixLengths {
    /// Number of lengths in use.
    pub count: u64,
    /// Lengths as in [`Prefix::length`].
    pub lengths: [u8; LENGTHS_MAX],
    /// The mask of each length. Computing it in the datapath would multiply the number of instructions that the verifier
    /// examines.
    pub masks: [Mask; LENGTHS_MAX],
    /// Number of entries with each length: for userspace.
    pub entries: [u32; LENGTHS_MAX],
}

impl PrefixLengths {
    const EMPTY: Self = Self {
        count: 0,
        lengths: [0; LENGTHS_MAX],
        masks: [Mask([0; 2]); LENGTHS_MAX],
        entries: [0; LENGTHS_MAX],
    };

    /// Returns the prefix of an address with the length at `index`.
    #[inline(always)]
    pub const fn prefix(&self, index: usize, address: Addr) -> Prefix {
        Prefix { address: address.masked(self.masks[index]), length: self.lengths[index] as u64 }
    }

    /// Returns the number of entries of all lengths.
    pub fn total(&self) -> u64 {
        self.used().map(|(_, entries)| u64::from(entries)).sum()
    }

    /// Returns the lengths that occur, and the number of entries with each.
    pub fn used(&self) -> impl Iterator<Item = (u8, u32)> {
        let lengths = self.lengths.iter().copied().zip(self.entries).take(self.count as usize);
        lengths.filter(|(_, entries)| *entries > 0)
    }

    /// Adds entries of a length. Returns `false` if there are too many lengths already.
    #[must_use]
    pub fn add(&mut self, length: u8, entries: u32) -> bool {
        let count = self.count as usize;
        let known = self.lengths[..count].iter().position(|&other| other == length);
        // An index whose length no longer occurs is free.
        let index = known.or_else(|| self.entries[..count].iter().position(|&entries| entries == 0));
        let index = index.unwrap_or(count);
        if index == LENGTHS_MAX {
            return false;
        }
        self.lengths[index] = length;
        self.masks[index] = Mask::of_length(u32::from(length));
        self.entries[index] = self.entries[index].saturating_add(entries);
        self.count = self.count.max(index as u64 + 1);
        true
    }

    /// Removes entries of a length. The index of a length without entries stays in use, unless it is the last one.
    pub fn remove(&mut self, length: u8, entries: u32) {
        let count = self.count as usize;
        if let Some(index) = self.lengths[..count].iter().position(|&other| other == length) {
            self.entries[index] = self.entries[index].saturating_sub(entries);
        }
        while self.count > 0 && self.entries[self.count as usize - 1] == 0 {
            self.count -= 1;
        }
    }
}

/// The description of a list that the datapath needs before it looks up an address.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListInfo {
    /// Lengths of IPv4 prefixes, each at least 96.
    pub v4: PrefixLengths,
    /// Lengths of IPv6 prefixes.
    pub v6: PrefixLengths,
    /// Maximum number of entries: for userspace.
    pub capacity: u32,
    /// 1 if the files of the list lack changes that are in force, otherwise 0: for userspace. It lies where older builds
    /// have the upper half of the capacity, which is 0.
    pub unsaved: u32,
}

/// The descriptions of both lists, at index 0 of `LISTS`. All zeros: both are empty.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpLists {
    /// Union of the [`List::bit`]s of the lists that are not empty. While it is 0, the datapath reads nothing else.
    pub used: u64,
    /// Version of the lists, which changes with every change of an entry, so that earlier cached lookups become invalid.
    pub version: u64,
    /// Descriptions by [`List::index`].
    pub info: [ListInfo; 2],
}

impl IpLists {
    /// Two empty lists.
    pub const EMPTY: Self = {
        let info = ListInfo { v4: PrefixLengths::EMPTY, v6: PrefixLengths::EMPTY, capacity: 0, unsaved: 0 };
        Self { used: 0, version: 0, info: [info; 2] }
    };
}

impl ListInfo {
    /// Returns the lengths for the family of a prefix.
    pub fn lengths_mut(&mut self, key: &Prefix) -> &mut PrefixLengths {
        if key.is_v4() { &mut self.v4 } else { &mut self.v6 }
    }

    /// Returns the number of entries of both families.
    pub fn entries(&self) -> u64 {
        self.v4.total() + self.v6.total()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_keep_their_indexes() {
        let mut lengths = PrefixLengths::EMPTY;
        for length in [120, 128, 112] {
            assert!(lengths.add(length, 10));
        }
        lengths.remove(120, 10);
        assert_eq!((lengths.count, &lengths.lengths[1..3]), (3, [128, 112].as_slice()));
        assert!(lengths.add(104, 1));
        assert_eq!(lengths.lengths[..3], [104, 128, 112], "a free index is reused, the others stay");
        lengths.remove(112, 10);
        assert_eq!(lengths.count, 2);
        assert_eq!((lengths.total(), lengths.used().count()), (11, 2));
        let mut lengths = PrefixLengths::EMPTY;
        assert!((0..LENGTHS_MAX as u8).all(|length| lengths.add(length, 1)));
        assert!(!lengths.add(100, 1));
        assert!(lengths.add(5, 1), "an existing length needs no new index");
    }

    proptest! {
        /// After additions and removals in any order, every length has its number of entries.
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

//! The hash table of a list: an array of buckets in memory that userspace writes and the datapath reads. Pure: this module
//! defines where an entry may be and how to recognise it; userspace inserts the entries.
//!
//! A kernel hash map would also do, but takes four cache misses for an unlisted address where this table takes one, keeps a
//! CPU busy for hundreds of milliseconds while it allocates a million entries, and needs a system call for each change.
//! An entry may be in one of two buckets of three slots each, which a seeded hash selects (cuckoo hashing: Pagh and Rodler,
//! 2001; with buckets: Dietzfelbinger and Weidling, 2007). A lookup thus reads two buckets, without a chain to follow, and
//! a removal clears one word.
//!
//! The datapath reads the first bucket before the second. Userspace writes an entry's meta word last, and moves entries
//! only from their first bucket to their second, copying before it clears: so no packet misses an existing entry.

use crate::{
    addr::{Addr, HashSeed},
    hash,
    ip_list::{ListEntry, Prefix},
};

/// Number of slots in a bucket.
pub const SLOTS: usize = 3;

/// A bucket of two cache lines. Each field is an array with one element per slot.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Meta word of each entry, see [`meta`]; 0: the slot is empty.
    pub metas: [u64; SLOTS],
    /// [`Prefix::address`] of each entry.
    pub addresses: [Addr; SLOTS],
    /// [`ListEntry::expires_at_ns`] of each entry.
    pub expires_at_ns: [u64; SLOTS],
    /// [`ListEntry::hits`] of each entry. Written by the datapath.
    pub hits: [u64; SLOTS],
    /// Number of buckets with entries, a power of two, minus 1. Only in the bucket [`HEAD`], which has no entries.
    pub mask: u64,
}

/// Index of the bucket that contains the mask instead of entries.
pub const HEAD: u32 = 0;

const SCOPE_SHIFT: u32 = 0;
const ORIGIN_SHIFT: u32 = 4;
const LENGTH_SHIFT: u32 = 8;
/// The bits of a meta word that identify the prefix: part of the hash, and the length.
const IDENTITY: u64 = !0xff;
/// The bits of the hash in a meta word.
const TAG: u64 = !0xffff;

/// Returns the hash of a prefix in a table with this seed.
#[inline(always)]
pub const fn hash(key: &Prefix, seed: HashSeed) -> u64 {
    // Prefixes of different lengths may have the same address.
    hash::mix([key.address.0[0], key.address.0[1] ^ key.length << 56 ^ key.length], seed)
}

/// Returns the two possible buckets of a hash, in the order in which the datapath reads them.
#[inline(always)]
pub const fn buckets(hash: u64, mask: u64) -> [u32; 2] {
    [1 + (hash & mask) as u32, 1 + (hash >> 32 & mask) as u32]
}

/// Returns the identity bits of the meta word of a prefix.
#[inline(always)]
const fn identity(key: &Prefix, hash: u64) -> u64 {
    // Never 0, since no length is 255. In tables of fewer than 2^32 buckets not all bits of the tag select a bucket.
    hash & TAG | (key.length + 1) << LENGTH_SHIFT
}

/// Returns the meta word of an entry.
#[inline(always)]
pub const fn meta(key: &Prefix, hash: u64, entry: &ListEntry) -> u64 {
    identity(key, hash)
        | ((entry.scope & 0xf) as u64) << SCOPE_SHIFT
        | ((entry.origin & 0xf) as u64) << ORIGIN_SHIFT
}

/// Reports whether a meta word may be that of this prefix. The caller then has to compare the address.
#[inline(always)]
pub const fn may_match(meta: u64, key: &Prefix, hash: u64) -> bool {
    (meta ^ identity(key, hash)) & IDENTITY == 0
}

/// Returns the length of the prefix with this meta word.
#[inline(always)]
pub const fn length(meta: u64) -> u64 {
    (meta >> LENGTH_SHIFT & 0xff).wrapping_sub(1)
}

/// Returns the entry with this meta word.
#[inline(always)]
pub const fn entry(meta: u64, expires_at_ns: u64, hits: u64) -> ListEntry {
    let [scope, origin] = [(meta >> SCOPE_SHIFT & 0xf) as u32, (meta >> ORIGIN_SHIFT & 0xf) as u32];
    ListEntry { expires_at_ns, hits, scope, origin }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entry_round_trips(
            address: [u64; 2], length in 0u32..=128, expires_at_ns: u64, hits: u64, scope in 0u32..16,
            origin in 0u32..16, seed: [u64; 2], mask_bits in 0u32..32,
        ) {
            let key = Prefix::new(Addr(address), length);
            let (hash, listed) = (hash(&key, HashSeed(seed)), ListEntry { expires_at_ns, hits, scope, origin });
            let meta = meta(&key, hash, &listed);
            prop_assert!(meta != 0 && may_match(meta, &key, hash));
            prop_assert_eq!(super::length(meta), u64::from(length));
            prop_assert_eq!(entry(meta, expires_at_ns, hits), listed);
            let mask = (1u64 << mask_bits) - 1;
            prop_assert!(buckets(hash, mask).iter().all(|&at| at != HEAD && u64::from(at) <= mask + 1));
        }

        /// Prefixes with the same address match only if their lengths are equal.
        #[test]
        fn prefixes_with_different_lengths_do_not_match(one in 0u64..=128, other in 0u64..=128, hash: u64) {
            let key = |length| Prefix { address: Addr([0, 0]), length };
            let meta = meta(&key(one), hash, &ListEntry::default());
            prop_assert_eq!(may_match(meta, &key(other), hash), one == other);
        }
    }
}

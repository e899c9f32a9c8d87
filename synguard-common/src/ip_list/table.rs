//! The table behind one of the operator's lists: an array of buckets in memory that userspace writes and the datapath
//! reads. Pure: where an entry may be and how it is recognised; who puts it there is userspace.
//!
//! A kernel hash map would do, but takes four cache misses for a stranger where this takes one, keeps a CPU busy for
//! hundreds of milliseconds while a million of its entries are laid out, and costs a system call a change. Each entry
//! has two buckets that it may be in, chosen by a seeded hash, of three slots each (cuckoo hashing: Pagh and Rodler,
//! 2001; with buckets: Dietzfelbinger and Weidling, 2007). So a look-up is two buckets and no loop, and to remove an
//! entry is to clear one word.
//!
//! The datapath looks into the first bucket before the second, and userspace writes an entry's meta word last and only
//! ever moves an entry from its first bucket to its second, copying before it clears: no packet misses what is there.

use crate::{
    addr::Halves,
    hash,
    ip_list::{ListEntry, Prefix},
};

/// Slots in a bucket.
pub const SLOTS: usize = 3;

/// A bucket: two cache lines. Entries lie across its fields, by slot.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Who is there, and of what kind, see [`meta`]; 0 for nobody.
    pub metas: [u64; SLOTS],
    /// [`Prefix::address`].
    pub addresses: [Halves; SLOTS],
    /// [`ListEntry::expires_at_ns`].
    pub expires_at_ns: [u64; SLOTS],
    /// [`ListEntry::hits`]. Written by the datapath.
    pub hits: [u64; SLOTS],
    /// Of the first bucket, which holds no entries: how many buckets there are but one, for they are a power of two.
    pub mask: u64,
}

/// The index of the bucket that holds no entries, but the mask.
pub const HEAD: u32 = 0;

const SCOPE_SHIFT: u32 = 0;
const ORIGIN_SHIFT: u32 = 4;
const LENGTH_SHIFT: u32 = 8;
/// The bits of a meta word that say who it is: part of the hash, and the length.
const WHO: u64 = !0xff;
const TAG: u64 = !0xffff;

/// The hash of a prefix in a table of this seed.
#[inline(always)]
pub const fn hash(key: &Prefix, seed: Halves) -> u64 {
    // Prefixes of different lengths may have the same address.
    hash::mix([key.address[0], key.address[1] ^ key.length << 56 ^ key.length], seed)
}

/// The two buckets that an entry of this hash may be in, in the order in which the datapath looks into them.
#[inline(always)]
pub const fn buckets(hash: u64, mask: u64) -> [u32; 2] {
    [1 + (hash & mask) as u32, 1 + (hash >> 32 & mask) as u32]
}

/// What the meta word of an entry for this prefix begins with.
#[inline(always)]
const fn who(key: &Prefix, hash: u64) -> u64 {
    // Never 0, since no length is 255. The tag is of bits that tables of less than 2^32 buckets do not use both.
    hash & TAG | (key.length + 1) << LENGTH_SHIFT
}

/// The meta word of an entry.
#[inline(always)]
pub const fn meta(key: &Prefix, hash: u64, entry: &ListEntry) -> u64 {
    who(key, hash)
        | ((entry.scope & 0xf) as u64) << SCOPE_SHIFT
        | ((entry.origin & 0xf) as u64) << ORIGIN_SHIFT
}

/// Whether a meta word may be that of an entry for this prefix; the address has to be compared then.
#[inline(always)]
pub const fn may_match(meta: u64, key: &Prefix, hash: u64) -> bool {
    (meta ^ who(key, hash)) & WHO == 0
}

/// The length of the prefix with this meta word.
#[inline(always)]
pub const fn length(meta: u64) -> u64 {
    (meta >> LENGTH_SHIFT & 0xff).wrapping_sub(1)
}

/// The entry with this meta word.
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
        fn an_entry_comes_back_as_it_was(
            address: [u64; 2], length in 0u32..=128, expires_at_ns: u64, hits: u64, scope in 0u32..16,
            origin in 0u32..16, seed: [u64; 2], mask_bits in 0u32..32,
        ) {
            let key = Prefix::new(address, length);
            let (hash, listed) = (hash(&key, seed), ListEntry { expires_at_ns, hits, scope, origin });
            let meta = meta(&key, hash, &listed);
            prop_assert!(meta != 0 && may_match(meta, &key, hash));
            prop_assert_eq!(super::length(meta), u64::from(length));
            prop_assert_eq!(entry(meta, expires_at_ns, hits), listed);
            let mask = (1u64 << mask_bits) - 1;
            prop_assert!(buckets(hash, mask).iter().all(|&at| at != HEAD && u64::from(at) <= mask + 1));
        }

        /// Prefixes of one address are told apart by their lengths alone.
        #[test]
        fn another_length_is_another_prefix(one in 0u64..=128, other in 0u64..=128, hash: u64) {
            let key = |length| Prefix { address: [0, 0], length };
            let meta = meta(&key(one), hash, &ListEntry::default());
            prop_assert_eq!(may_match(meta, &key(other), hash), one == other);
        }
    }
}

//! The Bloom filter in front of a list's table, mapped into memory; see `synguard_common::ip_list`. Bits are set while
//! the XDP program reads them, by atomic operations on whole words.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::MapData;
use synguard_common::{
    addr::HashSeed,
    ip_list::{List, bloom, table},
};

use super::prefix_entry::PrefixEntry;
use crate::mapped_array::MappedArray;

/// Number of bits up to which they are set one by one. A longer list sets all bits of a family.
const BITS_MAX: usize = 1 << 25;

/// The Bloom filter of one list.
pub(super) struct ListBloom {
    /// The Bloom filters of both lists; the length is a multiple of the page size.
    both: MappedArray<AtomicU64>,
    list: List,
}

impl ListBloom {
    /// Maps the filters into memory.
    pub(super) fn map(map: &MapData, list: List) -> io::Result<Self> {
        Ok(Self { both: MappedArray::map(map.fd(), List::ALL.len() * bloom::WORDS)?, list })
    }

    /// Sets the bits of prefixes and leaves all others unchanged.
    pub(super) fn add(&mut self, items: &[PrefixEntry], seed: HashSeed) {
        set_bits(self.words(), items, seed);
    }

    /// Sets the bits of prefixes and clears all others.
    pub(super) fn replace(&mut self, items: &[PrefixEntry], seed: HashSeed) {
        let wanted: Vec<AtomicU64> = (0..bloom::WORDS).map(|_| AtomicU64::new(0)).collect();
        set_bits(&wanted, items, seed);
        for (word, wanted) in self.words().iter().zip(wanted) {
            word.store(wanted.into_inner(), Ordering::Relaxed);
        }
    }

    fn words(&self) -> &[AtomicU64] {
        &self.both.as_slice()[self.list.index() * bloom::WORDS..][..bloom::WORDS]
    }
}

/// Sets the bits of prefixes in a Bloom filter.
fn set_bits(words: &[AtomicU64], items: &[PrefixEntry], seed: HashSeed) {
    let mut bits = 0;
    let set = |bit: usize| words[bit >> 6].fetch_or(1 << (bit & 63), Ordering::Relaxed);
    for (key, _) in items {
        set(bloom::bit_prefix(table::hash(key, seed)));
        let singly = bits < BITS_MAX
            && bloom::prefix_bits(key, seed, |bit| {
                bits += 1;
                set(bit);
            });
        if !singly {
            let family = if key.is_v4() { 0..bloom::V4_WORDS } else { bloom::V4_WORDS..bloom::PREFIX_START };
            words[family].iter().for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
        }
    }
}

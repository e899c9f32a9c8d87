//! The filter in front of a list, mapped into memory: see `synguard_common::ip_list`. Bits are set one by one while
//! the datapath reads them; each word is written whole.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::MapData;
use synguard_common::{
    addr::Halves,
    ip_list::{List, bloom, table},
};

use super::prefix_entry::PrefixEntry;
use crate::mapped_array::MappedArray;

/// Bits that are worth setting one by one; a list of more sets all of a family's.
const BITS_MAX: usize = 1 << 25;

/// One list's part of the map.
pub(super) struct ListBloom {
    /// The parts of both lists; a multiple of the page size.
    both: MappedArray<AtomicU64>,
    list: List,
}

impl ListBloom {
    /// Maps a list's part into memory.
    pub(super) fn map(map: &MapData, list: List) -> io::Result<Self> {
        Ok(Self { both: MappedArray::map(map.fd(), List::ALL.len() * bloom::WORDS)?, list })
    }

    /// Sets the bits of prefixes, beside those that are set.
    pub(super) fn add(&mut self, items: &[PrefixEntry], seed: Halves) {
        set_bits(self.words(), items, seed);
    }

    /// Sets the bits of these prefixes, and no others.
    pub(super) fn set(&mut self, items: &[PrefixEntry], seed: Halves) {
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

/// Sets the bits of prefixes in a list's filter.
fn set_bits(words: &[AtomicU64], items: &[PrefixEntry], seed: Halves) {
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

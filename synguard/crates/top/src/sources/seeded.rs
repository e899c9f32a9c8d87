//! Hashes the addresses of sources with a secret seed: far cheaper than the standard library's hash, which a full table of sources
//! would call some hundred thousand times at each reading.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
};

use synguard_common::{addr::HashSeed, hash::mix, source::SourceKey};

/// A map by source whose keys an attacker chooses, but not so that they collide.
pub(super) type SourceMap<V> = HashMap<SourceKey, V, SeededHash>;

/// The seed of a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeededHash(HashSeed);

/// The two words of an address.
#[derive(Debug)]
pub(super) struct SeededHasher {
    seed: HashSeed,
    words: [u64; 2],
    at: usize,
}

impl Default for SeededHash {
    fn default() -> Self {
        let random = RandomState::new();
        Self(HashSeed([random.hash_one(0), random.hash_one(1)]))
    }
}

impl BuildHasher for SeededHash {
    type Hasher = SeededHasher;

    fn build_hasher(&self) -> SeededHasher {
        SeededHasher { seed: self.0, words: [0; 2], at: 0 }
    }
}

impl Hasher for SeededHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        // Further words than the two of an address are mixed in, so that any key is hashed well.
        if self.at == self.words.len() {
            self.words = [mix(self.words, self.seed), 0];
            self.at = 1;
        }
        self.words[self.at] = word;
        self.at += 1;
    }

    /// Ignores lengths: that of an address is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        mix(self.words, self.seed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use synguard_model::source::key_of;

    use super::*;

    #[test]
    fn neighbouring_addresses_have_other_hashes_and_each_map_has_its_own() {
        let (one, other) = (SeededHash::default(), SeededHash::default());
        let keys = || (0..100_000u32).map(|i| key_of(std::net::Ipv4Addr::from(0x0a00_0000 + i).into()));
        let hashes: HashSet<u64> = keys().map(|key| one.hash_one(key)).collect();
        assert_eq!(hashes.len(), 100_000);
        // The upper and the lower bits, by which a map finds its slots.
        for shift in [0, 57] {
            let slots: HashSet<u64> = hashes.iter().map(|hash| (hash >> shift) & 127).collect();
            assert_eq!(slots.len(), 128);
        }
        assert!(keys().all(|key| one.hash_one(key) == one.hash_one(key)));
        assert!(keys().filter(|key| one.hash_one(key) == other.hash_one(key)).count() < 10);
    }

    #[test]
    fn all_bytes_of_any_key_count() {
        let seed = SeededHash::default();
        let keys = [
            "",
            "a",
            "b",
            "aaaaaaaab",
            "aaaaaaaac",
            "aaaaaaaaaaaaaaaaaaaaaaaad",
            "aaaaaaaaaaaaaaaaaaaaaaaae",
        ];
        let hashes: HashSet<u64> = keys.iter().map(|key| seed.hash_one(key)).collect();
        assert_eq!(hashes.len(), keys.len());
    }
}

//! A seeded hash of an address, which selects the cells of sketches, the registers of HyperLogLog and the slots of caches.

use crate::addr::{Addr, HashSeed};

/// Returns the hash of an address, see [`mix`].
#[inline(always)]
pub const fn address(address: Addr, seed: HashSeed) -> u64 {
    mix(address.0, seed)
}

/// Mixes two words with a secret seed into 64 bits, each of which depends on the whole input. The multiply and xor-shift
/// rounds are those of `SplitMix64`'s finaliser (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
/// 2014), with a seed word added before each half. This is no cryptographic hash; it only has to prevent an attacker who
/// sees none of its output from choosing addresses that collide.
#[inline(always)]
pub const fn mix(words: [u64; 2], seed: HashSeed) -> u64 {
    let mut h = words[0] ^ seed.0[0];
    h = (h ^ (h >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h ^= words[1] ^ seed.0[1];
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    h ^ (h >> 31)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{collections::HashSet, vec, vec::Vec};

    use super::*;

    #[test]
    fn neighbouring_addresses_spread_evenly() {
        // Consecutive addresses must fill the cells as random ones would: chi-squared over 256 buckets of the bits that
        // each user of the hash takes, 255 degrees of freedom, 99.9 % quantile 330.
        for shift in [0, 16, 32, 48, 52] {
            let mut buckets = vec![0u32; 256];
            for i in 0..256_000u32 {
                let hash = address(Addr::from_v4(i.to_be()), HashSeed([1, 2]));
                buckets[(hash >> shift) as usize & 255] += 1;
            }
            let chi: f64 = buckets.iter().map(|&n| (f64::from(n) - 1000.0).powi(2) / 1000.0).sum();
            assert!(chi < 330.0, "shift {shift}: {chi}");
        }
    }

    #[test]
    fn hash_depends_on_both_halves_and_both_seeds() {
        let all: Vec<u64> = vec![
            mix([0, 0], HashSeed([0, 0])),
            mix([1, 0], HashSeed([0, 0])),
            mix([0, 1], HashSeed([0, 0])),
            mix([0, 0], HashSeed([2, 0])),
            mix([0, 0], HashSeed([0, 2])),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }
}

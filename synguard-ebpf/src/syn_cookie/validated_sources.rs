//! Sources that have returned a cookie, see `synguard_common::syn_cookie::validated_sources`.

use synguard_common::{addr::HashSeed, hash, source::SourceKey, syn_cookie::validated_sources};

use crate::maps;

/// Reports whether a source is validated. Ignores a cell that claims to be valid for longer than `longest_ns`.
#[inline(always)]
pub(super) fn is_validated(source: &SourceKey, seed: HashSeed, longest_ns: u64, now_ns: u64) -> bool {
    let hash = hash::address(source.address, seed);
    let Some(cell) = maps::validated_source(hash) else { return false };
    // SAFETY: the map's value lives as long as the program; this is one aligned load.
    validated_sources::is_valid(unsafe { cell.read_volatile() }, hash, longest_ns, now_ns)
}

/// Records a source as validated until `until_ns`.
#[inline(always)]
pub(super) fn insert(source: &SourceKey, seed: HashSeed, until_ns: u64) {
    let hash = hash::address(source.address, seed);
    if let Some(cell) = maps::validated_source(hash) {
        // SAFETY: as above, one aligned store.
        unsafe { cell.write_volatile(validated_sources::cell(hash, until_ns)) };
    }
}

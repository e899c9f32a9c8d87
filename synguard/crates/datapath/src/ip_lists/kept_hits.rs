//! The hits of entries that leave the blocklist. They become part of the counts of their sources, so that the count of a source
//! does not fall when its block ends or is removed.

use anyhow::{Context as _, Result};
use aya::maps::{Array, Map, MapData};
use synguard_common::{
    abi::Config,
    ip_list::{List, Prefix},
    map_names,
    source::{SourceKey, SourceState},
};
use synguard_kernel::clock;

use super::{ListMaps, PrefixEntry, table::MappedTable};
use crate::{bpf_syscall, pinned_map::open_map};

/// Entries of one change whose hits are kept: those with the most.
const KEPT_MAX: usize = 4096;

/// Hits of entries that are removed.
#[derive(Debug, Default)]
pub(super) struct KeptHits(Vec<(u64, Prefix)>);

impl KeptHits {
    /// Adds the hits of an entry.
    pub(super) fn push(&mut self, key: &Prefix, hits: u64) {
        if hits > 0 {
            self.0.push((hits, *key));
        }
        if self.0.len() >= 2 * KEPT_MAX {
            self.keep_most();
        }
    }

    fn keep_most(&mut self) {
        self.0.sort_unstable_by_key(|entry| std::cmp::Reverse(*entry));
        self.0.truncate(KEPT_MAX);
    }
}

impl ListMaps<'_> {
    /// Adds the hits of entries that were removed from a list to the counts of the sources that they covered. Failures are
    /// logged: the list has changed by then.
    pub(super) fn keep_hits(&self, list: List, mut gone: KeptHits) {
        if list != List::Block || gone.0.is_empty() {
            return;
        }
        gone.keep_most();
        if let Err(error) = self.add_to_sources(&gone) {
            log::warn!("the packets dropped by removed entries are no longer counted: {error:#}");
        }
    }

    /// Prepares sorted entries for their insertion beside `table`. Hits of a removed entry may still be in the caches of the CPUs;
    /// they were kept, and the program will add them to a new entry with the same prefix. So it begins with as many less.
    pub(super) fn discount_kept_hits(
        &self,
        list: List,
        table: Option<&MappedTable>,
        items: &mut [PrefixEntry],
    ) -> Result<()> {
        for (key, hits) in self.pending_hits(list)? {
            let is_new = table.is_none_or(|table| table.buckets().find(&key).is_none());
            if is_new && let Ok(place) = items.binary_search_by_key(&key, |(key, _)| *key) {
                items[place].1.hits = items[place].1.hits.wrapping_sub(hits);
            }
        }
        Ok(())
    }

    fn add_to_sources(&self, gone: &KeptHits) -> Result<()> {
        let maps = (open_map(self.pins, map_names::CONFIG)?, open_map(self.pins, map_names::SOURCES)?);
        let (Some(config), Some(sources)) = maps else { return Ok(()) };
        let config: Array<MapData, Config> = Array::try_from(Map::Array(config)).context("open CONFIG")?;
        let v6_length = config.get(&0, 0).context("read CONFIG")?.source_prefix_v6;
        for (hits, key) in &gone.0 {
            let length = if key.is_v4() { 128 } else { v6_length.into() };
            if key.length == length {
                add_dropped(&sources, key, *hits)?;
            }
        }
        Ok(())
    }
}

/// Adds dropped SYNs to a source's entry. A SYN that another CPU counts at this moment may be lost.
fn add_dropped(sources: &MapData, key: &Prefix, hits: u64) -> Result<()> {
    let source = SourceKey { address: key.address };
    let state: Option<SourceState> = bpf_syscall::lookup(sources.fd(), &source).context("read SOURCES")?;
    let state = state.unwrap_or_else(|| {
        let now_ns = clock::now_ns();
        SourceState { first_seen_ns: now_ns, last_seen_ns: now_ns, ..SourceState::default() }
    });
    let state = SourceState { dropped: state.dropped.saturating_add(hits), ..state };
    bpf_syscall::update(sources.fd(), &source, &state).context("write SOURCES")
}

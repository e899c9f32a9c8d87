//! Looks the controller's blocks up in the blocklist when that changes: somebody may have removed them.

use std::collections::BTreeMap;

use anyhow::Result;
use synguard_common::{ip_list::List, source::SourceKey};
use synguard_datapath::Datapath;
use synguard_model::{source::prefix_of, time::Monotonic};

use super::{
    last_error::LastError,
    violations::{UNREADABLE, blocks_syns},
};

/// The state of the lists at the latest check.
#[derive(Debug, Default)]
pub(super) struct BlockCheck {
    version: u64,
    was_blocking: bool,
    error: LastError,
}

impl BlockCheck {
    /// Returns for each of the sources whether an entry of the blocklist blocks it, if the lists have changed. While sources are
    /// being blocked (`is_blocking`) the check waits.
    pub(super) fn step(
        &mut self,
        datapath: &Datapath,
        sources: &[SourceKey],
        is_blocking: bool,
        v6_length: u8,
        now: Monotonic,
    ) -> BTreeMap<SourceKey, bool> {
        if sources.is_empty() || is_blocking {
            self.was_blocking |= is_blocking;
            return BTreeMap::new();
        }
        // The lists' pins may be missing for a while, which must not end the controller.
        let blocks = self.look_up(datapath, sources, v6_length, now);
        self.error.note(UNREADABLE, blocks).unwrap_or_default()
    }

    fn look_up(
        &mut self,
        datapath: &Datapath,
        sources: &[SourceKey],
        v6_length: u8,
        now: Monotonic,
    ) -> Result<BTreeMap<SourceKey, bool>> {
        let lists = datapath.lists()?;
        let version = lists.version()?;
        if version == self.version && !self.was_blocking {
            return Ok(BTreeMap::new());
        }
        let blocklist = lists.lookup(List::Block)?;
        (self.version, self.was_blocking) = (version, false);
        let is_blocked = |source: &SourceKey| {
            let covering = blocklist.as_ref().map(|list| list.covering(&prefix_of(source, v6_length)));
            covering.is_some_and(|entries| entries.iter().any(|(_, entry)| blocks_syns(entry, now)))
        };
        Ok(sources.iter().map(|source| (*source, is_blocked(source))).collect())
    }
}

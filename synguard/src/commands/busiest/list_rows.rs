//! Reads the operator's lists with their hits: the tables without a lock, since they may be read at any time, and the reasons
//! from the files, when these have changed and nobody holds the lock.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use synguard_common::{
    ip_list::{List, ListEntry, Prefix},
    source::SourceKey,
};
use synguard_datapath::{Datapath, PrefixLookup};
use synguard_kernel::{clock, instance::Instance, lock::Lock};
use synguard_lists::store::{Store, StoreStamp};
use synguard_model::{
    ip_prefix::Target,
    list_entry::{EntryReason, Origin, Scope},
    source::SourceStatus,
    time::Now,
};
use synguard_top::view_model::ListRow;

/// Maximum number of entries shown: the busiest.
const SHOWN_MAX: usize = 1000;
/// Maximum number of entries whose hits are remembered, for rates.
const REMEMBERED_MAX: usize = 100_000;
/// Maximum length of a list whose reasons are read.
const REASONS_MAX: u64 = 100_000;
/// Pause between readings of a list, as a multiple of the CPU time of the last one, so that reading uses 0.4 % of a core.
const PAUSE_FACTOR: u64 = 250;

/// An entry with its hits.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    list: List,
    pub(super) key: Prefix,
    entry: ListEntry,
    /// Hits since the previous reading.
    pub(super) fresh: u64,
}

/// Both lists.
#[derive(Default)]
pub(in crate::commands) struct ListMonitor {
    /// Set if the lists are read again and again, so that a long one is read less often.
    is_live: bool,
    shown: Vec<Shown>,
    hits: HashMap<(List, Prefix), u64>,
    /// Times of the last two readings of the tables; 0 before the first.
    at_ns: u64,
    before_ns: u64,
    next_ns: u64,
    /// By [`List::index`].
    reasons: [Reasons; 2],
}

/// Reasons of the entries of a list.
#[derive(Default)]
struct Reasons {
    stamp: Option<StoreStamp>,
    by_target: BTreeMap<Target, EntryReason>,
    unread: bool,
}

impl ListMonitor {
    pub(super) fn new(is_live: bool) -> Self {
        Self { is_live, ..Self::default() }
    }

    /// Reads the tables, unless a long list was read too recently.
    pub(in crate::commands) fn read(&mut self, datapath: &Datapath, now: Now) -> Result<()> {
        if now.monotonic_ns < self.next_ns {
            return Ok(());
        }
        let cpu_ns = clock::cpu_ns();
        let is_first = self.at_ns == 0;
        (self.before_ns, self.at_ns) = (self.at_ns, now.monotonic_ns);
        let former = std::mem::take(&mut self.hits);
        let maps = datapath.lists()?;
        let mut shown = Vec::new();
        for list in List::ALL {
            maps.for_each(list, |key, entry| {
                let before = former.get(&(list, *key)).copied().unwrap_or(0);
                let fresh = if is_first { 0 } else { entry.hits.saturating_sub(before) };
                if entry.hits > 0 && self.hits.len() < REMEMBERED_MAX {
                    self.hits.insert((list, *key), entry.hits);
                }
                shown.push(Shown { list, key: *key, entry: *entry, fresh });
                if shown.len() >= 2 * SHOWN_MAX {
                    keep_busiest(&mut shown);
                }
            })?;
        }
        keep_busiest(&mut shown);
        self.shown = shown;
        let used_ns = clock::cpu_ns().saturating_sub(cpu_ns);
        let pause_ns = if self.is_live { used_ns.saturating_mul(PAUSE_FACTOR) } else { 0 };
        self.next_ns = now.monotonic_ns.saturating_add(pause_ns);
        Ok(())
    }

    /// Reads the reasons of the entries, if they may have changed and can be read now.
    pub(in crate::commands) fn read_reasons(
        &mut self,
        instance: &Instance,
        datapath: &Datapath,
        now: Now,
    ) -> Result<()> {
        for list in List::ALL {
            let reasons = &mut self.reasons[list.index()];
            reasons.unread = datapath.lists()?.size(list)?.entries > REASONS_MAX;
            let store = Store::new(&instance.state, list);
            if reasons.unread || reasons.stamp == Some(store.stamp()) {
                continue;
            }
            let Some(lock) = Lock::try_change(instance)? else { continue };
            if lock.is_unfinished()? {
                // The next change will first finish the change whose holder was killed.
                continue;
            }
            if !synguard_datapath::is_pinned(&instance.pins) {
                // The filter was detached meanwhile, and no file may be left behind.
                lock.remove_file();
                return Ok(());
            }
            // Broken files are not read again and again.
            let loaded = store.load(now).inspect_err(|error| log::warn!("{error:#}")).unwrap_or_default();
            loaded.warnings.iter().for_each(|warning| log::warn!("{warning}"));
            let reason = |entry: synguard_model::list_entry::Entry| Some((entry.target, entry.reason?));
            reasons.by_target = loaded.entries.into_iter().filter_map(reason).collect();
            reasons.stamp = Some(store.stamp());
        }
        Ok(())
    }

    /// Returns the entries as rows.
    pub(in crate::commands) fn list_rows(&self, now: Now) -> Vec<ListRow> {
        let seconds = self.seconds();
        let one = |shown: &Shown| {
            let Shown { list, key, entry, fresh } = shown;
            let target = Target::from_key(key);
            let left_ns = entry.expires_at_ns.saturating_sub(now.monotonic_ns);
            ListRow {
                status: status(*list),
                target: target.to_string(),
                origin: Origin::from_abi(entry.origin).label().to_owned(),
                scope: Scope::from_abi(entry.scope).name().to_owned(),
                hits: entry.hits,
                rate: if seconds > 0.0 { *fresh as f64 / seconds } else { 0.0 },
                seconds_left: (entry.expires_at_ns != 0).then_some(left_ns.div_ceil(1_000_000_000)),
                reason: self.reason(*list, target),
            }
        };
        self.shown.iter().filter(|shown| shown.entry.is_effective(now.monotonic_ns)).map(one).collect()
    }

    fn reason(&self, list: List, target: Target) -> String {
        self.reasons[list.index()].by_target.get(&target).map(ToString::to_string).unwrap_or_default()
    }

    /// Reports whether reasons were left unread.
    pub(in crate::commands) fn reasons_unread(&self) -> bool {
        self.reasons.iter().any(|reasons| reasons.unread)
    }

    /// Returns the seconds between the last two readings of the tables.
    pub(super) fn seconds(&self) -> f64 {
        if self.before_ns == 0 { 0.0 } else { self.at_ns.saturating_sub(self.before_ns) as f64 / 1e9 }
    }

    /// Returns the entries of the blocklist that have dropped packets since the previous reading, and how many.
    pub(super) fn blocked_fresh(&self) -> impl Iterator<Item = (String, u64)> {
        let is_busy = |shown: &&Shown| shown.list == List::Block && shown.fresh > 0;
        self.shown.iter().filter(is_busy).map(|shown| (Target::from_key(&shown.key).to_string(), shown.fresh))
    }

    /// Returns the blocked sources: entries that cover exactly one source and have dropped packets. Expired ones are among them,
    /// because the source's count has their hits only when they are swept.
    pub(super) fn blocked_sources(&self, v6_length: u8) -> impl Iterator<Item = (SourceKey, Shown)> {
        let is_source = move |shown: &&Shown| {
            let length = if shown.key.is_v4() { 128 } else { v6_length.into() };
            shown.list == List::Block && shown.key.length == length && shown.entry.hits > 0
        };
        self.shown.iter().filter(is_source).map(|shown| (SourceKey { address: shown.key.address }, *shown))
    }
}

impl Shown {
    /// Returns the number of packets that the entry matched.
    pub(super) const fn hits(&self) -> u64 {
        self.entry.hits
    }

    /// Reports whether the entry has not expired.
    pub(super) const fn is_effective(&self, now_ns: u64) -> bool {
        self.entry.is_effective(now_ns)
    }
}

/// Selects the busiest of very many entries; those added by hand rank before those of a feed.
fn keep_busiest(shown: &mut Vec<Shown>) {
    shown.sort_unstable_by_key(|one| {
        let is_feed = Origin::from_abi(one.entry.origin) == Origin::Feed;
        (std::cmp::Reverse(one.fresh), is_feed, std::cmp::Reverse(one.entry.hits), one.key)
    });
    shown.truncate(SHOWN_MAX);
}

const fn status(list: List) -> SourceStatus {
    match list {
        List::Allow => SourceStatus::Allowed,
        List::Block => SourceStatus::Blocked,
    }
}

/// Looks up the list status of sources and prefixes.
pub(super) struct ListStates([(List, Option<PrefixLookup>); 2]);

impl ListStates {
    pub(super) fn of(datapath: &Datapath) -> Result<Self> {
        let maps = datapath.lists()?;
        // The same order as in the datapath.
        Ok(Self([(List::Allow, maps.lookup(List::Allow)?), (List::Block, maps.lookup(List::Block)?)]))
    }

    /// Returns the list status of a prefix's SYNs, if an entry covers them.
    pub(super) fn of_prefix(&self, prefix: &Prefix, now_ns: u64) -> Option<SourceStatus> {
        for (list, finder) in &self.0 {
            let Some(finder) = finder else { continue };
            let decides = |entry: &ListEntry| entry.is_effective(now_ns) && entry.applies_to(true);
            if finder.covering(prefix).iter().any(|(_, entry)| decides(entry)) {
                return Some(status(*list));
            }
        }
        None
    }
}

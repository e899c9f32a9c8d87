//! Rates and totals of the sources that may stand out in an attack. The controller counts the SYNs of those that exceeded their
//! limit or are blocked; a source of a forged flood is never among them.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use synguard_common::ip_list::Prefix;
use synguard_model::{event::AttackSource, ip_prefix::Target, time::Monotonic};

use crate::detector::{SECOND, SPAN};

/// Sources that are followed at once.
const TRACKS_MAX: usize = 1024;
/// Sources that an event names.
pub(crate) const NAMED: usize = 3;
/// Share of an attack's SYNs from which a source stands out.
const SHARE: f64 = 0.01;
/// Time without a SYN after which a source is forgotten, unless an attack is under way.
const MEMORY: Duration = Duration::from_secs(30);

/// The SYNs of a source, or those that an entry of the blocklist dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceCount {
    pub key: Prefix,
    /// SYNs that its entry in the table of sources has counted.
    pub syns: u64,
    /// Packets that its entry in the blocklist has dropped.
    pub hits: u64,
    /// Time of the first of them; the beginning of time if it is unknown.
    pub first_seen: Monotonic,
    /// The SYNs since a recent time, if they are known although those before are of any age.
    pub recent: Option<RecentSyns>,
    /// Set if an entry of the blocklist drops the SYNs.
    pub is_blocked: bool,
}

/// The SYNs of a source since a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentSyns {
    pub since: Monotonic,
    pub syns: u64,
}

impl SourceCount {
    /// Returns the SYNs of the source in all. The sum stays the same when the block ends, as the hits of the entry are then
    /// added to the source's own count.
    pub const fn total(&self) -> u64 {
        self.syns.saturating_add(self.hits)
    }
}

/// The SYNs of one source over time.
#[derive(Clone, Debug, Default)]
struct Track {
    /// The latest count, and its time.
    count: u64,
    at: Monotonic,
    /// SYNs since the track began.
    sent: u64,
    /// `sent` at the observations of the last second.
    samples: VecDeque<(Monotonic, u64)>,
    rate: f64,
    is_blocked: bool,
    last_sent: Monotonic,
    /// `sent` when the attack began.
    before_attack: u64,
    peak: f64,
}

/// The sources that are followed.
#[derive(Clone, Debug, Default)]
pub(super) struct SourceRates {
    tracks: BTreeMap<Prefix, Track>,
    is_attack: bool,
}

impl SourceRates {
    /// Takes counts at `now` into account. A source without a count has sent nothing.
    pub(super) fn observe(&mut self, counts: &[SourceCount], now: Monotonic) {
        for count in counts {
            if let Some(track) = self.tracks.get_mut(&count.key) {
                track.add(count, now);
            } else {
                if self.tracks.len() >= TRACKS_MAX {
                    self.evict();
                }
                self.tracks.insert(count.key, Track::new(count, now));
            }
        }
        for track in self.tracks.values_mut() {
            track.measure(now);
        }
        let is_attack = self.is_attack;
        self.tracks.retain(|_, track| is_attack || now.since(track.last_sent) < MEMORY);
    }

    /// Begins the totals of an attack, which include the SYNs of the last second.
    pub(super) fn begin_attack(&mut self) {
        self.is_attack = true;
        for track in self.tracks.values_mut() {
            track.before_attack = track.samples.front().map_or(0, |(_, sent)| *sent);
            track.peak = track.rate;
        }
    }

    /// Ends the totals of an attack.
    pub(super) const fn end_attack(&mut self) {
        self.is_attack = false;
    }

    /// Returns the SYNs per second of a source; 0 if it is not followed.
    pub(super) fn rate(&self, key: &Prefix) -> f64 {
        self.tracks.get(key).map_or(0.0, |track| track.rate)
    }

    /// Reports whether an entry of the blocklist drops the SYNs of a source that is followed.
    pub(super) fn is_blocked(&self, key: &Prefix) -> bool {
        self.tracks.get(key).is_some_and(|track| track.is_blocked)
    }

    /// Returns the busiest sources now: those above `limit` that send a hundredth of all SYNs or more.
    pub(super) fn top_now(&self, syn_rate: f64, limit: u32) -> Vec<AttackSource> {
        self.top(|track| {
            let stands_out = track.rate > f64::from(limit) && track.rate >= SHARE * syn_rate;
            // Its count was read a moment after that of all SYNs.
            stands_out.then_some((track.rate.round() as u64, track.rate.min(syn_rate)))
        })
    }

    /// Returns the busiest sources of the attack that was begun, with their highest rates: those that were above `limit` and
    /// sent a hundredth of its SYNs or more.
    pub(super) fn top_of_attack(&self, syns: u64, limit: u32) -> Vec<AttackSource> {
        self.top(|track| {
            let stands_out =
                track.peak > f64::from(limit) && track.syns_of_attack() as f64 >= SHARE * syns as f64;
            stands_out.then_some((track.syns_of_attack(), track.peak))
        })
    }

    /// Returns the number of sources that were above `limit` in the attack that was begun.
    pub(super) fn count_of_attack(&self, limit: u32) -> usize {
        let is_of_attack = |track: &&Track| track.peak > f64::from(limit) && track.syns_of_attack() > 0;
        self.tracks.values().filter(is_of_attack).count()
    }

    /// Returns the sources with the highest of the ranks that `measure` returns, each with the rate beside it.
    fn top(&self, measure: impl Fn(&Track) -> Option<(u64, f64)>) -> Vec<AttackSource> {
        let ranked = self.tracks.iter().filter_map(|(key, track)| Some((measure(track)?, key, track)));
        let mut ranked: Vec<_> = ranked.collect();
        // Equal sources keep their order, which is that of their addresses.
        ranked.sort_by_key(|((rank, _), ..)| std::cmp::Reverse(*rank));
        let name = |((_, rate), key, track): ((u64, f64), &Prefix, &Track)| AttackSource {
            source: Target::from_key(key).to_string(),
            syn_rate: rate.round() as u64,
            syns: track.syns_of_attack(),
            blocked: track.is_blocked,
        };
        ranked.into_iter().take(NAMED).map(name).collect()
    }

    /// Forgets the source that sends least.
    fn evict(&mut self) {
        let least = self.tracks.iter().min_by(|(_, a), (_, b)| {
            a.rate.total_cmp(&b.rate).then_with(|| a.syns_of_attack().cmp(&b.syns_of_attack()))
        });
        if let Some(key) = least.map(|(key, _)| *key) {
            self.tracks.remove(&key);
        }
    }
}

impl Track {
    fn new(count: &SourceCount, now: Monotonic) -> Self {
        let mut track = Self { last_sent: now, ..Self::default() };
        // All SYNs of a source that has just appeared are new; those of another may be of any age.
        let all = RecentSyns { since: count.first_seen, syns: count.total() };
        let RecentSyns { since, syns } = count.recent.unwrap_or(all);
        if now.since(since) <= SPAN {
            track.samples.push_back((since, 0));
            track.sent = syns;
        }
        (track.count, track.at, track.is_blocked) = (count.total(), now, count.is_blocked);
        track
    }

    fn add(&mut self, count: &SourceCount, now: Monotonic) {
        let (fresh, total) = match count.total().checked_sub(self.count) {
            Some(fresh) => (fresh, count.total()),
            // The entry was evicted from the table, and made anew.
            None if count.first_seen > self.at => (count.syns, count.total()),
            // A count moves from the blocklist to the table, or the counts of several CPUs were read one after the other: wait
            // until the total has caught up.
            None => (0, self.count),
        };
        if fresh > 0 {
            self.last_sent = now;
        }
        self.sent += fresh;
        (self.count, self.at, self.is_blocked) = (total, now, count.is_blocked);
    }

    /// Updates the rate: that over the last second, however short the time since the first sample.
    fn measure(&mut self, now: Monotonic) {
        while self.samples.get(1).is_some_and(|(at, _)| now.since(*at) >= SECOND) {
            self.samples.pop_front();
        }
        let (at, sent) = self.samples.front().copied().unwrap_or((now, self.sent));
        self.rate = (self.sent - sent) as f64 / now.since(at).max(SECOND).as_secs_f64();
        self.peak = self.peak.max(self.rate);
        self.samples.push_back((now, self.sent));
    }

    const fn syns_of_attack(&self) -> u64 {
        self.sent.saturating_sub(self.before_attack)
    }
}

#[cfg(test)]
#[path = "source_rates_tests.rs"]
mod tests;

//! Decides which sources are blocked, and for how long.
//!
//! The datapath holds a source that exceeds its limit: that alone is no reason to block it. The source earns a *strike* when it
//! exceeds the limit again after a hold in which its SYNs kept arriving at several times the limit. A person's browser, or an
//! office full of them behind one address, slows down when its SYNs get no reply; a flood does not. After three strikes the
//! source is blocked, unless it has connections here: a source that completes handshakes is somebody, and an address that is
//! being forged belongs to somebody too. Such a source stays limited, and no more.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use synguard_common::source::SourceKey;
use synguard_model::{event::Exemption, situation::BLOCK_FACTOR, time::Monotonic};

/// Strikes that lead to a block: for a source that was never blocked, and for one that was.
const STRIKES: u32 = 3;
const STRIKES_AGAIN: u32 = 2;
/// The multiple of the limit, in SYNs per second, that a source must send through a hold to earn a strike.
const PERSISTENCE: f64 = BLOCK_FACTOR as f64;
/// Holds without another strike after which a source's strikes are forgotten.
const MEMORY_HOLDS: u32 = 6;
/// Duration of the first block in holds, and its bounds. Each further block lasts twice as long as the one before.
const FIRST_HOLDS: u32 = 30;
const FIRST_MIN: Duration = Duration::from_secs(10);
const FIRST_MAX: Duration = Duration::from_secs(10 * 60);
/// Doublings of the first block's duration: the longest block is 16 times as long.
const DOUBLINGS: u32 = 4;
/// Blocks in force at once.
pub(crate) const BLOCKS_MAX: usize = 1024;
/// Sources with a record.
const RECORDS_MAX: usize = 4096;

/// A source that exceeded its limit, with the datapath's count at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    pub source: SourceKey,
    /// SYNs over the limit or in hold since the source got its entry.
    pub dropped: u64,
}

/// The limit that violations are measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SourceLimit {
    /// SYNs per second.
    pub(super) syn_rate: u32,
    pub(super) hold: Duration,
}

/// A decision about a block candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum BlockDecision {
    /// Block the SYNs of the source for `ttl`.
    Block {
        source: SourceKey,
        ttl: Duration,
        /// Earlier blocks, less the forgiven ones.
        before: u32,
        strikes: u32,
        /// SYNs per second through the last hold.
        rate: f64,
    },
    /// Leave the source alone because it is exempt.
    Exempt {
        source: SourceKey,
        exemption: Exemption,
        /// SYNs per second through the last hold.
        rate: f64,
    },
    /// Block nothing, because too many blocks are in force. Decided once until there is room again.
    Full,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    strikes: u32,
    /// Time of the latest strike, or of the violation that may begin a series of them.
    latest: Monotonic,
    dropped: u64,
    rate: f64,
    /// Blocks so far, less the forgiven ones.
    level: u32,
    /// End of the latest block.
    until: Monotonic,
    is_candidate: bool,
    /// The exemption on which the latest decision was to leave it alone.
    exemption: Option<Exemption>,
    /// Set if the latest block was only decided, in monitor mode.
    is_would_be: bool,
    /// Set if the latest block was found in the blocklist.
    is_listed: bool,
}

/// The records of sources that exceeded their limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    records: HashMap<SourceKey, Record>,
    is_full: bool,
}

impl Blocks {
    /// Takes violations at `now` into account.
    pub(super) fn record(&mut self, violations: &[Violation], limit: SourceLimit, now: Monotonic) {
        let memory = hold(limit) * MEMORY_HOLDS;
        self.records.retain(|_, record| !record.is_forgotten(limit, memory, now));
        for violation in violations {
            if !self.records.contains_key(&violation.source) && self.records.len() >= RECORDS_MAX {
                continue;
            }
            let record = self.records.entry(violation.source).or_insert(Record {
                strikes: 1,
                latest: now,
                dropped: violation.dropped,
                rate: 0.0,
                level: 0,
                until: Monotonic::default(),
                is_candidate: false,
                exemption: None,
                is_would_be: false,
                is_listed: false,
            });
            record.add(violation, limit, memory, now);
        }
    }

    /// Returns the sources that are judged, each with the time of its block if it goes on; `None` if it is exempt.
    pub(super) fn ahead(
        &self,
        limit: SourceLimit,
        now: Monotonic,
    ) -> impl Iterator<Item = (SourceKey, Option<Monotonic>)> {
        let open = self.records.iter().filter(move |(_, record)| now >= record.until);
        open.map(move |(source, record)| {
            let missing = record.strikes_needed().saturating_sub(record.strikes.max(1));
            (*source, record.exemption.is_none().then(|| record.latest + hold(limit) * missing))
        })
    }

    /// Returns the sources that would be blocked next, in order. [`Self::decide`] needs their exemptions.
    pub(super) fn candidates(&self) -> Vec<SourceKey> {
        let candidates = self.records.iter().filter(|(_, record)| record.is_candidate);
        let mut candidates: Vec<_> = candidates.map(|(source, _)| *source).collect();
        candidates.sort_unstable();
        candidates
    }

    /// Decides about block candidates, each with its exemption, if it has one. With `is_would_be` the caller does not block.
    pub(super) fn decide(
        &mut self,
        candidates: &BTreeMap<SourceKey, Option<Exemption>>,
        limit: SourceLimit,
        is_would_be: bool,
        now: Monotonic,
    ) -> Vec<BlockDecision> {
        let mut room = BLOCKS_MAX.saturating_sub(self.decided(now));
        let mut decisions = Vec::new();
        for (&source, &exemption) in candidates {
            let Some(record) = self.records.get_mut(&source).filter(|record| record.is_candidate) else {
                continue;
            };
            record.is_candidate = false;
            let (strikes, rate) = (record.strikes, record.rate);
            // Whatever the decision, the source starts again without strikes.
            record.strikes = 0;
            record.exemption = exemption;
            if let Some(exemption) = exemption {
                decisions.push(BlockDecision::Exempt { source, exemption, rate });
            } else if room > 0 {
                room -= 1;
                let (before, ttl) = (record.level, block_duration(record.level, limit));
                record.level += 1;
                record.until = now + ttl;
                (record.is_would_be, record.is_listed) = (is_would_be, false);
                decisions.push(BlockDecision::Block { source, ttl, before, strikes, rate });
            } else if !self.is_full {
                self.is_full = true;
                decisions.push(BlockDecision::Full);
            }
        }
        self.is_full &= room == 0;
        decisions
    }

    /// Returns the number of blocks in force at `now`.
    pub(super) fn in_force(&self, now: Monotonic) -> usize {
        self.blocked(now).count()
    }

    /// Returns the sources whose blocks are in force at `now`, as far as is known here.
    pub(super) fn blocked(&self, now: Monotonic) -> impl Iterator<Item = SourceKey> {
        let is_blocked = move |record: &Record| record.until > now && !record.is_would_be;
        self.records.iter().filter(move |(_, record)| is_blocked(record)).map(|(source, _)| *source)
    }

    /// Takes into account whether the blocklist has the sources that should be blocked. Forgets those that somebody removed, or
    /// that could not be blocked: they are judged anew. Returns those whose block was found for the first time.
    pub(super) fn confirm(&mut self, listed: &BTreeMap<SourceKey, bool>) -> Vec<SourceKey> {
        let mut confirmed = Vec::new();
        for (source, is_listed) in listed {
            match self.records.get_mut(source) {
                Some(_) if !is_listed => drop(self.records.remove(source)),
                Some(record) if !record.is_listed => {
                    record.is_listed = true;
                    confirmed.push(*source);
                }
                _ => {}
            }
        }
        confirmed
    }

    /// Forgets the sources that would have been blocked, because monitor mode ended: they are judged anew.
    pub(super) fn forget_would_be(&mut self) {
        self.records.retain(|_, record| !record.is_would_be);
    }

    /// Returns the number of blocks that were decided and have not ended at `now`.
    fn decided(&self, now: Monotonic) -> usize {
        self.records.values().filter(|record| record.until > now).count()
    }
}

impl Record {
    fn add(&mut self, violation: &Violation, limit: SourceLimit, memory: Duration, now: Monotonic) {
        let since = now.since(self.latest);
        // Ticks are coarse: two holds may seem closer together than they were.
        let apart = hold(limit) / 4 * 3;
        if self.is_candidate || now < self.until || since < apart {
            return;
        }
        let sent = violation.dropped.saturating_sub(self.dropped);
        self.rate = sent as f64 / since.as_secs_f64();
        self.dropped = violation.dropped;
        self.latest = now;
        let persisted = self.rate >= PERSISTENCE * f64::from(limit.syn_rate);
        self.strikes = if persisted && since <= memory { self.strikes + 1 } else { 1 };
        self.is_candidate = self.strikes >= self.strikes_needed();
    }

    const fn strikes_needed(&self) -> u32 {
        if self.level == 0 { STRIKES } else { STRIKES_AGAIN }
    }

    /// Forgives one block for each quiet time of twice its duration since its end. Reports whether nothing is left to
    /// remember.
    fn is_forgotten(&mut self, limit: SourceLimit, memory: Duration, now: Monotonic) -> bool {
        let mut quiet_since = self.until.max(self.latest);
        while self.level > 0 {
            let quiet = block_duration(self.level - 1, limit) * 2;
            if now.since(quiet_since) < quiet {
                return false;
            }
            self.level -= 1;
            quiet_since = quiet_since + quiet;
            self.until = self.until.max(quiet_since);
        }
        now >= self.until && now.since(self.latest) > memory
    }
}

/// Returns the hold. A hold of zero, with which each SYN is judged by itself, counts as a second here.
fn hold(limit: SourceLimit) -> Duration {
    limit.hold.max(Duration::from_secs(1))
}

/// Returns the duration of the next block of a source that was blocked `before` times.
fn block_duration(before: u32, limit: SourceLimit) -> Duration {
    let first = (hold(limit) * FIRST_HOLDS).clamp(FIRST_MIN, FIRST_MAX);
    first * 2u32.pow(before.min(DOUBLINGS))
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;

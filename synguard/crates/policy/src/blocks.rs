//! Which sources are blocked for a while, and for how long.
//!
//! A source that goes over its limit is held by the datapath: that is no reason to block it. It earns a *strike*
//! when it goes over it again after a hold in which its SYNs kept coming at several times its limit. A person's
//! browser, or an office full of them behind one address, slows down when its SYNs are not answered; a flood does
//! not. After three strikes it is blocked, unless it has connections here: whoever completes handshakes is somebody,
//! and an address that is being forged belongs to somebody too. Such a source stays limited, and no more.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use synguard_common::source::SourceKey;
use synguard_model::event::Exemption;

/// Strikes of a source that was never blocked, and of one that was.
const STRIKES: u32 = 3;
const STRIKES_AGAIN: u32 = 2;
/// A strike takes this many times the limit, in SYNs a second, all through a hold.
const PERSISTENCE: f64 = 4.0;
/// Without another strike in this many holds a source's strikes are forgotten.
const MEMORY_HOLDS: u64 = 6;
/// The first block lasts this many holds, within these bounds, and each further one twice as long as the one before.
const FIRST_HOLDS: u32 = 30;
const FIRST_MIN: Duration = Duration::from_secs(10);
const FIRST_MAX: Duration = Duration::from_secs(10 * 60);
/// Doublings of the first block's length: the longest is 16 times as long.
const DOUBLINGS: u32 = 4;
/// Blocks in force at once.
pub(crate) const BLOCKS_MAX: usize = 1024;
/// Sources that are kept in mind.
const RECORDS_MAX: usize = 4096;

/// A source that went over its limit, and what the datapath has counted of it by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Who.
    pub source: SourceKey,
    /// SYNs of it that were over the limit or in hold, since it was first seen.
    pub dropped: u64,
}

/// What the limits say that offences are measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// SYNs a second.
    pub(super) syn_rate: u32,
    /// The hold.
    pub(super) hold: Duration,
}

/// A decision about a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sentence {
    /// Block it, SYNs only, for `ttl`.
    Block {
        /// Who.
        source: SourceKey,
        /// For how long.
        ttl: Duration,
        /// How often before, less what was forgiven.
        before: u32,
        /// Strikes that led to it.
        strikes: u32,
        /// SYNs a second it sent through the last hold.
        rate: f64,
    },
    /// It would be blocked, but it is exempt.
    Spare {
        /// Who.
        source: SourceKey,
        /// Why.
        exemption: Exemption,
        /// SYNs a second it sent through the last hold.
        rate: f64,
    },
    /// It would be blocked, but too many are. Said once until there is room again.
    Full,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    strikes: u32,
    /// When the latest strike, or the offence that could begin a row of them, was.
    latest_ns: u64,
    dropped: u64,
    rate: f64,
    /// Blocks so far, less what was forgiven.
    level: u32,
    /// End of the latest block.
    until_ns: u64,
    is_suspect: bool,
}

/// What is known of those who went over their limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    records: HashMap<SourceKey, Record>,
    is_full: bool,
}

impl Blocks {
    /// Takes offences at `now_ns` into account.
    pub(super) fn note(&mut self, offences: &[Violation], terms: Terms, now_ns: u64) {
        let memory_ns = MEMORY_HOLDS * nanoseconds(hold(terms));
        self.records.retain(|_, record| !record.is_forgotten(terms, memory_ns, now_ns));
        for offence in offences {
            if !self.records.contains_key(&offence.source) && self.records.len() >= RECORDS_MAX {
                continue;
            }
            let record = self.records.entry(offence.source).or_insert(Record {
                strikes: 1,
                latest_ns: now_ns,
                dropped: offence.dropped,
                rate: 0.0,
                level: 0,
                until_ns: 0,
                is_suspect: false,
            });
            record.note(offence, terms, memory_ns, now_ns);
        }
    }

    /// Those who would be blocked next: what speaks against it is to be given to [`Self::judge`].
    pub(super) fn suspects(&self) -> Vec<SourceKey> {
        let suspects = self.records.iter().filter(|(_, record)| record.is_suspect);
        let mut suspects: Vec<_> = suspects.map(|(source, _)| *source).collect();
        suspects.sort_unstable();
        suspects
    }

    /// Decides about suspects, each with what speaks against blocking it.
    pub(super) fn judge(
        &mut self,
        suspects: &BTreeMap<SourceKey, Option<Exemption>>,
        terms: Terms,
        now_ns: u64,
    ) -> Vec<Sentence> {
        let mut room = BLOCKS_MAX.saturating_sub(self.in_force(now_ns));
        let mut sentences = Vec::new();
        for (&source, &exemption) in suspects {
            let Some(record) = self.records.get_mut(&source).filter(|record| record.is_suspect) else {
                continue;
            };
            record.is_suspect = false;
            let (strikes, rate) = (record.strikes, record.rate);
            // Whatever becomes of it, it begins anew.
            record.strikes = 0;
            if let Some(exemption) = exemption {
                sentences.push(Sentence::Spare { source, exemption, rate });
            } else if room > 0 {
                room -= 1;
                let (before, ttl) = (record.level, length(record.level, terms));
                record.level += 1;
                record.until_ns = now_ns + nanoseconds(ttl);
                sentences.push(Sentence::Block { source, ttl, before, strikes, rate });
            } else if !self.is_full {
                self.is_full = true;
                sentences.push(Sentence::Full);
            }
        }
        self.is_full &= room == 0;
        sentences
    }

    /// Blocks in force at `now_ns`.
    pub(super) fn in_force(&self, now_ns: u64) -> usize {
        self.records.values().filter(|record| record.until_ns > now_ns).count()
    }
}

impl Record {
    fn note(&mut self, offence: &Violation, terms: Terms, memory_ns: u64, now_ns: u64) {
        let since_ns = now_ns.saturating_sub(self.latest_ns);
        // Ticks are coarse: two holds may seem to be nearer to each other than they were.
        let apart_ns = nanoseconds(hold(terms)) / 4 * 3;
        if self.is_suspect || now_ns < self.until_ns || since_ns < apart_ns {
            return;
        }
        let sent = offence.dropped.saturating_sub(self.dropped);
        self.rate = sent as f64 / (since_ns as f64 / 1e9);
        self.dropped = offence.dropped;
        self.latest_ns = now_ns;
        let kept_on = self.rate >= PERSISTENCE * f64::from(terms.syn_rate);
        self.strikes = if kept_on && since_ns <= memory_ns { self.strikes + 1 } else { 1 };
        let needed = if self.level == 0 { STRIKES } else { STRIKES_AGAIN };
        self.is_suspect = self.strikes >= needed;
    }

    /// Forgives one block for each time twice as long as it that nothing happened since its end; `true` if
    /// nothing is left to remember.
    fn is_forgotten(&mut self, terms: Terms, memory_ns: u64, now_ns: u64) -> bool {
        let mut quiet_since_ns = self.until_ns.max(self.latest_ns);
        while self.level > 0 {
            let quiet_ns = 2 * nanoseconds(length(self.level - 1, terms));
            if now_ns.saturating_sub(quiet_since_ns) < quiet_ns {
                return false;
            }
            self.level -= 1;
            quiet_since_ns += quiet_ns;
            self.until_ns = self.until_ns.max(quiet_since_ns);
        }
        now_ns >= self.until_ns && now_ns.saturating_sub(self.latest_ns) > memory_ns
    }
}

/// A hold of zero, which judges each SYN by itself, counts as a second here.
fn hold(terms: Terms) -> Duration {
    terms.hold.max(Duration::from_secs(1))
}

/// How long a source is blocked that was blocked `before` times already.
fn length(before: u32, terms: Terms) -> Duration {
    let first = (hold(terms) * FIRST_HOLDS).clamp(FIRST_MIN, FIRST_MAX);
    first * 2u32.pow(before.min(DOUBLINGS))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;

//! The busiest sources of a table, with their rates. Pure: readings of the table and their
//! times are arguments.

mod activity;
mod filter;
mod prefixes;
mod rank;
mod rates;
mod recent;
mod schedule;
mod seeded;

use synguard_common::source::{SourceKey, SourceState};
use synguard_model::source::{SourceStatus, total_syns};

pub use self::{
    activity::{Activity, HIDDEN_NS, SILENT_NS},
    filter::SourceFilter,
    prefixes::PrefixTotals,
    rank::{Busiest, Sort},
    rates::Rates,
    recent::{FoundAgain, WATCHED_MAX, WatchedSources},
    schedule::ReadSchedule,
};

/// A source or prefix in a list of the busiest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// Address of the source or prefix.
    pub key: SourceKey,
    /// SYNs since the previous reading.
    pub fresh: u64,
    /// SYNs a second since the previous reading.
    pub syn_rate: f64,
    /// SYNs since its entry was created.
    pub syn_total: u64,
    /// SYNs dropped since its entry was created (in monitor mode: that would have been dropped).
    pub dropped: u64,
    /// Its status: limited, blocked, allowed or none of these.
    pub status: SourceStatus,
    /// End of its latest hold, in nanoseconds of `CLOCK_MONOTONIC`; 0 if it never was in hold.
    pub hold_until_ns: u64,
    /// Its first SYN, in nanoseconds of `CLOCK_MONOTONIC`.
    pub first_seen_ns: u64,
    /// Its latest SYN, in nanoseconds of `CLOCK_MONOTONIC`.
    pub last_seen_ns: u64,
}

impl Row {
    /// Returns the row of a source that sent `fresh` SYNs in the last `seconds`. The lists are not consulted here.
    pub fn new(key: &SourceKey, state: &SourceState, fresh: u64, seconds: f64, now_ns: u64) -> Self {
        Self {
            key: *key,
            fresh,
            syn_rate: if seconds > 0.0 { fresh as f64 / seconds } else { 0.0 },
            syn_total: total_syns(state),
            dropped: state.dropped,
            status: if state.hold_until_ns > now_ns { SourceStatus::Hold } else { SourceStatus::Ok },
            hold_until_ns: state.hold_until_ns,
            first_seen_ns: state.first_seen_ns,
            last_seen_ns: state.last_seen_ns,
        }
    }

    /// Adds the packets that a blocklist entry dropped, `fresh` of them in the last `seconds`: the table of
    /// sources does not count these.
    #[must_use]
    pub fn with_hits(self, fresh: u64, hits: u64, seconds: f64, now_ns: u64) -> Self {
        Self {
            fresh: self.fresh.saturating_add(fresh),
            syn_rate: if seconds > 0.0 { self.syn_rate + fresh as f64 / seconds } else { self.syn_rate },
            syn_total: self.syn_total.saturating_add(hits),
            dropped: self.dropped.saturating_add(hits),
            status: SourceStatus::Blocked,
            // Unknown for a source without an entry.
            first_seen_ns: if self.first_seen_ns == 0 { now_ns } else { self.first_seen_ns },
            last_seen_ns: if fresh > 0 { now_ns } else { self.last_seen_ns },
            ..self
        }
    }
}

/// Returns the word for a status. While the filter drops nothing, no source is in hold or blocked, but would be.
pub const fn status_word(status: SourceStatus, drops_nothing: bool) -> &'static str {
    match status {
        SourceStatus::Hold if drops_nothing => "would hold",
        SourceStatus::Blocked if drops_nothing => "would block",
        status => status.label(),
    }
}

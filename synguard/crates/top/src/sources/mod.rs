//! Sources as people look at them: the busiest of a table, with their rates. Pure: readings of the table and the
//! times they were taken at are arguments.

mod filter;
mod networks;
mod rank;
mod rates;

use synguard_common::source::{SourceKey, SourceState};
use synguard_model::source::{SourceStatus, total_syns};

pub use self::{
    filter::Filter,
    networks::Networks,
    rank::{Busiest, Sort},
    rates::Rates,
};

/// A source, or a network, in a list of the busiest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// Who.
    pub key: SourceKey,
    /// SYNs since the reading before this one.
    pub fresh: u64,
    /// Those a second.
    pub syn_rate: f64,
    /// SYNs since its entry was made.
    pub syn_total: u64,
    /// Those of them that were dropped (in monitor mode: would have been).
    pub dropped: u64,
    /// What is being done about it.
    pub standing: SourceStatus,
    /// When its hold ends or ended, in nanoseconds of CLOCK_MONOTONIC; 0 if it never was in one.
    pub hold_until_ns: u64,
    /// Its first SYN, in nanoseconds of CLOCK_MONOTONIC.
    pub first_seen_ns: u64,
    /// Its latest SYN, in nanoseconds of CLOCK_MONOTONIC.
    pub last_seen_ns: u64,
}

impl Row {
    /// A source of which `fresh` SYNs arrived in the last `seconds`. Whether it is on a list is not known here.
    pub fn new(key: &SourceKey, state: &SourceState, fresh: u64, seconds: f64, now_ns: u64) -> Self {
        Self {
            key: *key,
            fresh,
            syn_rate: if seconds > 0.0 { fresh as f64 / seconds } else { 0.0 },
            syn_total: total_syns(state),
            dropped: state.dropped,
            standing: if state.hold_until_ns > now_ns { SourceStatus::Hold } else { SourceStatus::Ok },
            hold_until_ns: state.hold_until_ns,
            first_seen_ns: state.first_seen_ns,
            last_seen_ns: state.last_seen_ns,
        }
    }

    /// The same with what an entry of the blocklist dropped, `fresh` of it in the last `seconds`: the table of
    /// sources does not hear of that.
    #[must_use]
    pub fn with_hits(self, fresh: u64, hits: u64, seconds: f64, now_ns: u64) -> Self {
        Self {
            fresh: self.fresh.saturating_add(fresh),
            syn_rate: if seconds > 0.0 { self.syn_rate + fresh as f64 / seconds } else { self.syn_rate },
            syn_total: self.syn_total.saturating_add(hits),
            dropped: self.dropped.saturating_add(hits),
            standing: SourceStatus::Blocked,
            // Without an entry it is not known.
            first_seen_ns: if self.first_seen_ns == 0 { now_ns } else { self.first_seen_ns },
            last_seen_ns: if fresh > 0 { now_ns } else { self.last_seen_ns },
            ..self
        }
    }
}

//! Tells a flood from ordinary traffic and from a crowd: two levels, one for floods of a few sources and one for
//! those of very many, from what was counted in the last second.

use std::collections::VecDeque;

use synguard_common::reason::Reason;
use synguard_model::{
    attack::AttackKind, event::AttackRates, settings::Settings, snapshot::Snapshot, tcp_counters::TcpCounters,
};

use crate::{Observation, phase::ENTER};

/// The span that is looked at, in nanoseconds: a little more than four ticks, since those are not exact.
const SPAN_NS: u64 = 1_100_000_000;
const SECOND_NS: u64 = 1_000_000_000;
/// SYNs over their source's limit a second, from which on there is a concentrated attack: as many as one source
/// may send, between these bounds.
const UNWANTED_MIN: u32 = 10;
const UNWANTED_MAX: u32 = 1_000;
/// SYNs a second that were dropped because a queue was full, or answered by a cookie that did not come back, from
/// which on the kernel is in distress.
const DISTRESS: f64 = 10.0;
/// In distress this fraction of `distinct-limit` will do.
const DISTRESS_FRACTION: f64 = 1.0 / 8.0;
/// But it takes more to be unmistakable.
const DISTRESS_MAX: f64 = 1.9;
/// The share of SYNs that have to lead to connections for their senders to be a crowd, and while a flood is on.
const CROWD: f64 = 0.5;
const CROWD_STILL: f64 = 0.75;

/// How much of an attack there is: 1 is where one begins.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Levels {
    /// By sources over their limit.
    pub concentrated: f64,
    /// By more sources than can be told apart usefully.
    pub distributed: f64,
}

impl Levels {
    /// The higher one.
    pub fn highest(self) -> f64 {
        self.concentrated.max(self.distributed)
    }
}

/// Remembers the last second.
#[derive(Clone, Debug, Default)]
pub(super) struct Detector {
    samples: VecDeque<Snapshot>,
}

impl Detector {
    /// Levels, and the numbers they were made of. The first look only remembers. Once a flood is known to be on, more
    /// has to speak for a crowd.
    pub(super) fn look(&mut self, seen: &Observation<'_>, is_flooded: bool) -> (Levels, AttackRates) {
        let now = seen.snapshot;
        while self.samples.front().is_some_and(|old| now.at_ns.saturating_sub(old.at_ns) > SPAN_NS) {
            // A gap longer than the span leaves the latest sample, or nothing could be compared.
            if self.samples.len() == 1 {
                break;
            }
            self.samples.pop_front();
        }
        let numbers = self
            .samples
            .front()
            .map_or_else(AttackRates::default, |old| measure(old, now, seen.settings, SECOND_NS));
        self.samples.push_back(now.clone());
        (levels(&numbers, seen.settings.syn_rate, is_flooded), numbers)
    }
}

/// What kind of attack two snapshots show by themselves, if any: for who has no controller to ask.
pub fn classify_once(old: &Snapshot, now: &Snapshot, settings: &Settings) -> Option<AttackKind> {
    let levels = levels(&measure(old, now, settings, 1), settings.syn_rate, false);
    AttackKind::of(levels.concentrated >= ENTER, levels.distributed >= ENTER)
}

/// What happened from `old` to `now`, a second. A time shorter than `least_ns` counts as that, so as not to exaggerate.
fn measure(old: &Snapshot, now: &Snapshot, settings: &Settings, least_ns: u64) -> AttackRates {
    let seconds = now.at_ns.saturating_sub(old.at_ns).max(least_ns) as f64 / 1e9;
    let rate = |count: u64| count as f64 / seconds;
    let delta = now.counters.since(&old.counters);
    let tcp = match (&now.tcp, &old.tcp) {
        (Some(now), Some(old)) => Some(now.since(old)),
        _ => None,
    };
    let of = |count: fn(&TcpCounters) -> u64| tcp.as_ref().map(|tcp| rate(count(tcp)));
    let answered = delta.answered();
    let of_reason = |reason| rate(delta.get(reason).packets);
    AttackRates {
        syn_rate: rate(delta.guarded_syns()),
        unwanted_rate: rate(delta.unwanted_syns()),
        distinct_sources: now.distinct_sources.max(now.distinct_so_far),
        distinct_limit: settings.distinct_limit,
        completed_rate: of(|tcp| tcp.passive_opens),
        queue_full_rate: of(|tcp| tcp.queue_full_drops),
        cookies_sent_rate: of(|tcp| tcp.cookies_sent),
        // The kernel counts those that come back, whoever has sent them.
        unreturned_cookies_rate: tcp
            .map(|tcp| rate((tcp.cookies_sent + answered).saturating_sub(tcp.cookies_received))),
        answered_rate: rate(answered),
        over_budget_rate: of_reason(Reason::CookieRateExceeded),
        over_network_budget_rate: of_reason(Reason::CookiePrefixRateExceeded),
        first_syn_rate: of_reason(Reason::FirstSyn),
    }
}

fn levels(numbers: &AttackRates, syn_rate: u32, is_flooded: bool) -> Levels {
    let concentrated = numbers.unwanted_rate / f64::from(syn_rate.clamp(UNWANTED_MIN, UNWANTED_MAX));
    Levels { concentrated, distributed: distributed(numbers, is_flooded) }
}

/// Many sources are a flood if most of their SYNs lead nowhere. Those of a crowd lead to connections.
fn distributed(numbers: &AttackRates, is_flooded: bool) -> f64 {
    let share = if is_flooded { CROWD_STILL } else { CROWD };
    if numbers.distinct_limit == 0 || numbers.completes(share) {
        return 0.0;
    }
    let distress = numbers.queue_full_rate.is_some_and(|rate| rate >= DISTRESS)
        || numbers.unreturned_cookies_rate.is_some_and(|rate| rate >= DISTRESS);
    let level = numbers.distinct_sources / f64::from(numbers.distinct_limit);
    if distress { level.max((level / DISTRESS_FRACTION).min(DISTRESS_MAX)) } else { level }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(distinct: f64) -> AttackRates {
        AttackRates {
            syn_rate: 60_000.0,
            distinct_sources: distinct,
            distinct_limit: 4096,
            completed_rate: Some(200.0),
            queue_full_rate: Some(0.0),
            unreturned_cookies_rate: Some(0.0),
            ..AttackRates::default()
        }
    }

    #[test]
    fn what_is_distributed_and_what_is_not() {
        let table: [(&str, AttackRates, f64); 9] = [
            ("at the limit", many(4096.0), 1.0),
            ("half of it", many(2048.0), 0.5),
            ("no limit", AttackRates { distinct_limit: 0, ..many(1e6) }, 0.0),
            ("a crowd", AttackRates { completed_rate: Some(30_000.0), ..many(50_000.0) }, 0.0),
            ("a crowd and a flood", AttackRates { completed_rate: Some(29_999.0), ..many(40_960.0) }, 10.0),
            ("TCP's counts unknown", AttackRates { completed_rate: None, ..many(4096.0) }, 1.0),
            ("full queues", AttackRates { queue_full_rate: Some(10.0), ..many(512.0) }, 1.0),
            (
                "cookies that lead nowhere",
                AttackRates { unreturned_cookies_rate: Some(10.0), ..many(512.0) },
                1.0,
            ),
            (
                "what was dropped is no part of the crowd's SYNs",
                AttackRates { unwanted_rate: 59_800.0, ..many(5000.0) },
                0.0,
            ),
        ];
        for (what, numbers, expected) in table {
            assert_eq!(distributed(&numbers, false), expected, "{what}");
        }
        // While a flood is on, half of its SYNs are not enough to make it a crowd.
        let half = AttackRates { completed_rate: Some(30_000.0), ..many(8192.0) };
        assert_eq!((distributed(&half, false), distributed(&half, true)), (0.0, 2.0));
        // Distress alone is never unmistakable.
        assert_eq!(
            distributed(&AttackRates { queue_full_rate: Some(1e6), ..many(4095.0) }, false),
            DISTRESS_MAX
        );
    }

    #[test]
    fn a_concentrated_one_is_measured_by_one_sources_rate_within_bounds() {
        let at = |syn_rate, unwanted_rate| {
            levels(&AttackRates { unwanted_rate, ..AttackRates::default() }, syn_rate, false).concentrated
        };
        assert_eq!(at(100, 100.0), 1.0);
        assert_eq!(at(1, 10.0), 1.0);
        assert_eq!(at(1_000_000, 1_000.0), 1.0);
        assert_eq!(at(100, 0.0), 0.0);
    }
}

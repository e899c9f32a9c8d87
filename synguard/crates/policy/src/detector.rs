//! Distinguishes floods from ordinary traffic and from flash crowds. Derives two levels, one for floods from few sources and
//! one for floods from very many, from the counts of the last second.

use std::{collections::VecDeque, time::Duration};

use synguard_common::reason::Reason;
use synguard_model::{
    attack::AttackKind,
    event::AttackRates,
    settings::Settings,
    snapshot::{Counters, Snapshot},
    tcp_counters::TcpCounters,
    time::Monotonic,
};

use crate::{
    Observation,
    phase::{ENTER, LEAVE},
};

/// Length of the measured time: slightly more than four ticks, because ticks are inexact.
pub(super) const SPAN: Duration = Duration::from_millis(1_100);
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// Bounds of the rate of excess SYNs at which a concentrated attack begins, per second. Between them it is the rate that
/// one source may send.
const EXCESS_MIN: u32 = 10;
const EXCESS_MAX: u32 = 1_000;
/// The rate at which the kernel is in distress, per second: SYNs dropped because a queue was full, or cookies that clients
/// did not return.
const DISTRESS: f64 = 10.0;
/// Fraction of `distinct-limit` that suffices in distress.
const DISTRESS_FRACTION: f64 = 1.0 / 8.0;
/// The highest level that distress alone leads to; it is below the unmistakable level.
const DISTRESS_MAX: f64 = 1.9;
/// Share of SYNs that lead to connections from which the senders are a flash crowd: normally, and during a flood.
const CROWD_SHARE: f64 = 0.5;
const CROWD_SHARE_IN_FLOOD: f64 = 0.75;

/// The strength of the two parts of an attack: 1 is where one begins.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Levels {
    /// Strength by SYNs over the limit of their source, or blocked.
    pub concentrated: f64,
    /// Strength by the number of distinct sources.
    pub distributed: f64,
}

impl Levels {
    /// Returns the higher level.
    pub fn highest(self) -> f64 {
        self.concentrated.max(self.distributed)
    }
}

/// The snapshots of the last second.
#[derive(Clone, Debug, Default)]
pub(super) struct Detector {
    samples: VecDeque<Snapshot>,
}

impl Detector {
    /// Takes a snapshot into account. Returns the levels, and the rates from which they were derived; the first observation
    /// has no rates. An estimate of more sources than SYNs, of a window that is longer than a second, is not among the rates. During a flood (`is_flooded`) a larger share of SYNs must lead to connections to make a flash crowd.
    pub(super) fn observe(
        &mut self,
        observation: &Observation<'_>,
        is_flooded: bool,
    ) -> (Levels, AttackRates) {
        let (now, settings) = (observation.snapshot, observation.settings);
        while self.samples.front().is_some_and(|old| now.at.since(old.at) > SPAN) {
            // After a gap longer than the span the latest sample stays, because rates need one.
            if self.samples.len() == 1 {
                break;
            }
            self.samples.pop_front();
        }
        let oldest = self.samples.front();
        let rates = oldest.map_or_else(AttackRates::default, |oldest| measure(oldest, now, settings, SECOND));
        self.samples.push_back(now.clone());
        let levels = levels(&rates, settings.syn_rate, is_flooded);
        (levels, AttackRates { distinct_sources: rates.distinct_sources.min(rates.syn_rate.ceil()), ..rates })
    }

    /// Returns the counts of the last second, but none before `from`.
    pub(super) fn counted_since(&self, from: Monotonic) -> Counters {
        let first = self.samples.iter().find(|sample| sample.at >= from);
        match (first, self.samples.back()) {
            (Some(first), Some(last)) => last.counters.since(&first.counters),
            _ => Counters::default(),
        }
    }
}

/// Reports whether the flood of an attack was on between two snapshots, which are so close that rates over the last second would
/// tell it too late.
pub(super) fn is_on(levels: Levels, old: &Snapshot, now: &Snapshot, settings: &Settings) -> bool {
    let seconds = now.at.since(old.at).as_secs_f64();
    let delta = now.counters.since(&old.counters);
    let unwanted = delta.unwanted_syns() as f64 >= LEAVE * concentrated_limit(settings.syn_rate) * seconds;
    // The estimate of sources is that of a second, but each of them sends a SYN.
    let sources_min = LEAVE * f64::from(settings.distinct_limit) * DISTRESS_FRACTION;
    let many = levels.distributed >= LEAVE && delta.guarded_syns() as f64 >= sources_min * seconds;
    many || (levels.concentrated >= LEAVE && unwanted)
}

/// Classifies the attack that two snapshots show by themselves, for commands that find no controller to ask.
pub fn classify_once(old: &Snapshot, now: &Snapshot, settings: &Settings) -> Option<AttackKind> {
    let levels = levels(&measure(old, now, settings, Duration::from_nanos(1)), settings.syn_rate, false);
    AttackKind::from_parts(levels.concentrated >= ENTER, levels.distributed >= ENTER)
}

/// Returns the rates between `old` and `now`. A time shorter than `least` counts as `least`, so as not to exaggerate.
fn measure(old: &Snapshot, now: &Snapshot, settings: &Settings, least: Duration) -> AttackRates {
    let seconds = now.at.since(old.at).max(least).as_secs_f64();
    let rate = |count: u64| count as f64 / seconds;
    let delta = now.counters.since(&old.counters);
    let tcp = match (&now.tcp, &old.tcp) {
        (Some(now), Some(old)) => Some(now.since(old)),
        _ => None,
    };
    let tcp_rate = |count: fn(&TcpCounters) -> u64| tcp.as_ref().map(|tcp| rate(count(tcp)));
    let reason_rate = |reason| rate(delta.get(reason).packets);
    let xdp_cookies = delta.xdp_cookies();
    AttackRates {
        syn_rate: rate(delta.guarded_syns()),
        excess_rate: rate(delta.excess_syns()),
        blocked_rate: rate(delta.blocked_syns()),
        distinct_sources: now.distinct_sources.max(now.distinct_so_far),
        distinct_limit: settings.distinct_limit,
        completed_rate: tcp_rate(|tcp| tcp.passive_opens),
        queue_full_rate: tcp_rate(|tcp| tcp.queue_full_drops),
        cookies_sent_rate: tcp_rate(|tcp| tcp.cookies_sent),
        // The kernel counts the cookies that clients return, whether XDP sent them or the kernel.
        unreturned_cookies_rate: tcp
            .map(|tcp| rate((tcp.cookies_sent + xdp_cookies).saturating_sub(tcp.cookies_received))),
        xdp_cookie_rate: rate(xdp_cookies),
        over_cookie_limit: reason_rate(Reason::CookieLimitExceeded),
        over_cookie_prefix_limit: reason_rate(Reason::CookiePrefixLimitExceeded),
        first_syn_rate: reason_rate(Reason::FirstSyn),
    }
}

fn levels(rates: &AttackRates, syn_rate: u32, is_flooded: bool) -> Levels {
    // A flood does not end when its source is blocked.
    let unwanted_rate = rates.excess_rate + rates.blocked_rate;
    let concentrated = unwanted_rate / concentrated_limit(syn_rate);
    Levels { concentrated, distributed: distributed_level(rates, is_flooded) }
}

/// Returns the rate of unwanted SYNs at which a concentrated attack begins.
fn concentrated_limit(syn_rate: u32) -> f64 {
    f64::from(syn_rate.clamp(EXCESS_MIN, EXCESS_MAX))
}

/// Returns the level of a distributed flood: many sources are one if most of their SYNs lead to no connection. The SYNs of a
/// flash crowd do.
fn distributed_level(rates: &AttackRates, is_flooded: bool) -> f64 {
    let share = if is_flooded { CROWD_SHARE_IN_FLOOD } else { CROWD_SHARE };
    if rates.distinct_limit == 0 || rates.completes(share) {
        return 0.0;
    }
    let is_in_distress = rates.queue_full_rate.is_some_and(|rate| rate >= DISTRESS)
        || rates.unreturned_cookies_rate.is_some_and(|rate| rate >= DISTRESS);
    let level = rates.distinct_sources / f64::from(rates.distinct_limit);
    if is_in_distress { level.max((level / DISTRESS_FRACTION).min(DISTRESS_MAX)) } else { level }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many_sources(distinct: f64) -> AttackRates {
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
    fn distributed_level_needs_unfinished_connections() {
        let table: [(&str, AttackRates, f64); 9] = [
            ("at the limit", many_sources(4096.0), 1.0),
            ("half of it", many_sources(2048.0), 0.5),
            ("no limit", AttackRates { distinct_limit: 0, ..many_sources(1e6) }, 0.0),
            ("a flash crowd", AttackRates { completed_rate: Some(30_000.0), ..many_sources(50_000.0) }, 0.0),
            (
                "a flash crowd and a flood",
                AttackRates { completed_rate: Some(29_999.0), ..many_sources(40_960.0) },
                10.0,
            ),
            ("TCP counters unknown", AttackRates { completed_rate: None, ..many_sources(4096.0) }, 1.0),
            ("full queues", AttackRates { queue_full_rate: Some(10.0), ..many_sources(512.0) }, 1.0),
            (
                "unreturned cookies",
                AttackRates { unreturned_cookies_rate: Some(10.0), ..many_sources(512.0) },
                1.0,
            ),
            (
                "dropped SYNs do not count against a flash crowd",
                AttackRates { excess_rate: 59_800.0, ..many_sources(5000.0) },
                0.0,
            ),
        ];
        for (what, rates, expected) in table {
            assert_eq!(distributed_level(&rates, false), expected, "{what}");
        }
        // During a flood, completing half of the SYNs does not make a flash crowd.
        let half = AttackRates { completed_rate: Some(30_000.0), ..many_sources(8192.0) };
        assert_eq!((distributed_level(&half, false), distributed_level(&half, true)), (0.0, 2.0));
        // Distress alone is never unmistakable.
        assert_eq!(
            distributed_level(&AttackRates { queue_full_rate: Some(1e6), ..many_sources(4095.0) }, false),
            DISTRESS_MAX
        );
    }

    #[test]
    fn flood_is_on_while_its_syns_arrive() {
        let at = |ms: u64, reason: Reason, packets: u64| {
            let mut counters = Counters::default();
            counters.add(reason, &synguard_common::abi::Counter { packets, bytes: 0 });
            Snapshot { at: Monotonic::from_ns(ms * 1_000_000), counters, ..Snapshot::default() }
        };
        let settings = Settings { syn_rate: 100, distinct_limit: 4096, ..Settings::default() };
        let one = Levels { concentrated: 9.0, distributed: 0.0 };
        let forged = Levels { concentrated: 0.0, distributed: 9.0 };
        let on = |levels, reason, packets: u64| {
            is_on(levels, &at(1_000, reason, 5_000), &at(1_250, reason, 5_000 + packets), &settings)
        };
        assert!(on(one, Reason::Hold, 13) && !on(one, Reason::Hold, 12));
        assert!(!on(one, Reason::SynPassed, 500), "those of visitors");
        assert!(on(forged, Reason::SynPassed, 64) && !on(forged, Reason::SynPassed, 63));
        assert!(!on(Levels::default(), Reason::SynPassed, 5_000), "a flash crowd");
    }

    #[test]
    fn concentrated_level_uses_clamped_syn_rate() {
        let at = |syn_rate, excess_rate| {
            levels(&AttackRates { excess_rate, ..AttackRates::default() }, syn_rate, false).concentrated
        };
        assert_eq!(at(100, 100.0), 1.0);
        assert_eq!(at(1, 10.0), 1.0);
        assert_eq!(at(1_000_000, 1_000.0), 1.0);
        assert_eq!(at(100, 0.0), 0.0);
        let blocked = AttackRates { excess_rate: 60.0, blocked_rate: 40.0, ..AttackRates::default() };
        assert_eq!(levels(&blocked, 100, false).concentrated, 1.0);
    }
}

//! The situation of the filter, from what was read of it.

use synguard_common::ip_list::List;
use synguard_kernel::clock;
use synguard_model::{
    attack::Phase,
    settings::Settings,
    situation::{BlocklistUse, ControllerLife, Enforcement, Situation, SynRates, Visitors},
    snapshot::{Snapshot, SynFates},
    time::Monotonic,
};

use super::{Status, protection::ControllerHealth};

/// The shortest time, in seconds, over which connections are counted.
const ACCEPTED_SECONDS_MIN: f64 = 0.9;

/// Returns the rates of SYNs by their fate between two snapshots.
pub(super) fn syn_rates(earlier: &Snapshot, now: &Snapshot) -> SynRates {
    let seconds = now.at.since(earlier.at).as_secs_f64();
    let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    let SynFates { passed, dropped, answered, blocked, would_drop } =
        now.counters.since(&earlier.counters).syn_fates();
    SynRates {
        passed: rate(passed),
        dropped: rate(dropped),
        answered: rate(answered),
        blocked: rate(blocked),
        would_drop: rate(would_drop),
    }
}

/// Returns the connections accepted a second between two snapshots, if they are so far apart that the number says something.
pub(super) fn accepted_rate(earlier: &Snapshot, now: &Snapshot) -> Option<f64> {
    let seconds = now.at.since(earlier.at).as_secs_f64();
    let accepted = now.tcp?.since(&earlier.tcp?).passive_opens;
    (seconds >= ACCEPTED_SECONDS_MIN).then(|| accepted as f64 / seconds)
}

/// Returns the effect of the filter's verdicts. `disarm_at_ns` is 0 if nothing has to be confirmed.
fn enforcement(settings: &Settings, disarm_at_ns: u64) -> Enforcement {
    let left_ns = disarm_at_ns.saturating_sub(clock::now_ns());
    match (settings.monitor, disarm_at_ns, left_ns) {
        (true, ..) => Enforcement::Monitor,
        (false, 0, _) => Enforcement::Enforcing,
        (false, _, 0) => Enforcement::Unconfirmed,
        (false, _, left_ns) => Enforcement::ToConfirm { seconds: left_ns.div_ceil(1_000_000_000) },
    }
}

fn controller_life(controller: Option<ControllerHealth>) -> ControllerLife {
    match controller {
        None => ControllerLife::Absent,
        Some(health) if health.is_responding() => ControllerLife::Responding,
        Some(ControllerHealth { pid, silence }) => {
            ControllerLife::Silent { pid, seconds: silence.unwrap_or_default().as_secs() }
        }
    }
}

impl Status {
    /// Returns what an operator has to know first.
    pub(in crate::commands) fn situation(&self) -> Situation {
        let names = |is_filtered: bool| {
            let links = self.interfaces.iter().filter(|link| (link.ifindex != 0) == is_filtered);
            links.map(|link| link.name.clone()).collect()
        };
        let (control, settings, at) = (&self.control, &self.settings, self.snapshot.at);
        let left = |until: Monotonic| until.since(at).as_secs_f64().ceil() as u64;
        Situation {
            at,
            instance: self.name.clone(),
            filtered: names(true),
            unfiltered: names(false),
            controller: controller_life(self.controller),
            enforcement: enforcement(settings, self.disarm_at_ns),
            allowed_families: self.allowed_families.clone(),
            phase: control.phase,
            phase_seconds: control.phase_seconds(at),
            calm_in_seconds: control.calm_at.filter(|_| control.phase != Phase::Calm).map(left),
            kind: control.kind,
            attack: control.attack.clone(),
            syns: self.syn_rates,
            distinct_sources: self.distinct_sources(),
            in_hold: self.found.summary.in_hold,
            limited: self.found.active_holds,
            blocklist: BlocklistUse {
                entries: self.lists[List::Block.index()].entries,
                active: self.found.active_blocks,
            },
            source_limit: settings.syn_rate,
            top_sources: self.found.top.clone(),
            cookies: control.cookie_sender(),
            cookies_setting: settings.cookies,
            visitors: Visitors {
                // The same time as that of the SYNs, so that the numbers agree.
                accepted_rate: self.accepted_rate.or(control.visitors.accepted_rate),
                ..control.visitors
            },
            has_mean_visitors: self.accepted_rate.is_none(),
        }
    }

    /// Returns the estimate of distinct sources. It is that of a window slightly longer than a second, and inexact, but each source has
    /// sent a SYN.
    pub(in crate::commands) fn distinct_sources(&self) -> u64 {
        self.snapshot.distinct_sources.min(self.syn_rate.ceil()).round() as u64
    }
}

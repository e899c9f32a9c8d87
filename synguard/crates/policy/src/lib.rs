//! Decisions of the controller: pure functions of observations, the policy's own memory and the time. This crate does
//! nothing itself; the controller performs the [`Action`]s and reports the [`Event`]s.

#![forbid(unsafe_code)]

mod attack;
mod blocks;
mod detector;
pub mod explain;
mod over_limit;
mod path_judge;
mod phase;
mod source_rates;
mod syn_cookies;
mod syn_retransmit;
mod visitors;

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use synguard_common::source::SourceKey;
use synguard_model::{
    attack::{AttackKind, Phase},
    event::{AttackRates, Event, Exemption, Sysctl},
    settings::Settings,
    situation::{AttackCourse, BLOCK_FACTOR, BlockAhead, Visitors},
    snapshot::Snapshot,
    source::{display, prefix_of},
    time::Monotonic,
};

use self::{
    attack::Attack,
    blocks::{BLOCKS_MAX, BlockDecision, Blocks, SourceLimit},
    detector::Detector,
    over_limit::LimitReports,
    phase::PhaseMachine,
    source_rates::SourceRates,
    syn_cookies::SynCookies,
    visitors::VisitorRates,
};
pub use self::{
    blocks::Violation,
    detector::{Levels, classify_once},
    path_judge::{PathJudge, Suspension},
    source_rates::{RecentSyns, SourceCount},
    syn_cookies::{Attachment, CookieMode},
};

/// Bounds of the minimum duration of a phase, which is otherwise the sources' hold.
const HOLD_MIN: Duration = Duration::from_secs(1);
const HOLD_MAX: Duration = Duration::from_secs(10);

/// Sources whose blocks are foretold.
const AHEAD_MAX: usize = 32;

/// The input of one decision.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    pub snapshot: &'a Snapshot,
    /// The settings in force.
    pub settings: &'a Settings,
    pub attachment: Attachment,
    /// Violations since the last observation.
    pub violations: &'a [Violation],
    /// The counts of sources that exceeded their limit lately, or are blocked.
    pub sources: &'a [SourceCount],
    /// The ones of [`Policy::blocked_sources`] that were looked up, each with whether the blocklist has it.
    pub blocks: &'a BTreeMap<SourceKey, bool>,
    /// The checked ones of [`Policy::block_candidates`], each with its exemption, if it has one.
    pub exemptions: &'a BTreeMap<SourceKey, Option<Exemption>>,
}

/// An action for the controller to perform.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Report an event.
    Report(Event),
    /// Raise a kernel setting, because of these rates: syncookies so that the kernel sends SYN cookies, timestamps so that
    /// cookies may carry TCP options.
    RaiseSysctl(Sysctl, AttackRates),
    /// Report that monitor mode is why syncookies are not raised, unless they are raised already.
    WouldRaiseSyncookies(AttackRates),
    /// Restore a kernel setting.
    RestoreSysctl(Sysctl),
    /// Send SYN cookies from XDP, or continue in another mode, because of these rates.
    SendXdpCookies(CookieMode, AttackRates),
    /// Leave SYN cookies to the kernel again, for this reason.
    StopXdpCookies(&'static str),
    /// Drop the SYNs of a source for `ttl`.
    Block {
        source: SourceKey,
        ttl: Duration,
        /// The event to report when the source is blocked.
        event: Event,
    },
}

/// The state of all decisions.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    detector: Detector,
    overall: PhaseMachine,
    calm_at: Option<Monotonic>,
    concentrated: PhaseMachine,
    distributed: PhaseMachine,
    blocks: Blocks,
    limit_reports: LimitReports,
    sources: SourceRates,
    kind: Option<AttackKind>,
    attack: Option<Attack>,
    /// Time at which the last attack was over.
    over: Monotonic,
    last: Option<Snapshot>,
    syn_cookies: SynCookies,
    visitors: VisitorRates,
}

impl Policy {
    /// Decides on the actions at `now`.
    pub fn step(&mut self, observation: &Observation<'_>, now: Monotonic) -> Vec<Action> {
        let hold = phase_hold(observation.settings);
        let is_flooded = self.distributed.phase() != Phase::Calm;
        let (levels, rates) = self.detector.observe(observation, is_flooded);
        self.concentrated.step(levels.concentrated, hold, now);
        self.distributed.step(levels.distributed, hold, now);
        let before = self.overall.phase();
        self.overall.step(levels.highest(), hold, now);
        self.calm_at = self.overall.calm_at(hold);
        self.visitors.observe(observation.snapshot.tcp.as_ref(), self.phase() == Phase::Calm, now);
        let mut actions = Vec::new();
        self.sources.observe(observation.sources, now);
        if let (Some(attack), Some(last)) = (&mut self.attack, &self.last) {
            attack.add(&observation.snapshot.counters.since(&last.counters), &rates);
            attack.flood_is(detector::is_on(levels, last, observation.snapshot, observation.settings), now);
        }
        let kind_before = self.update_kind();
        if let (Some(attack), Some(kind)) = (&mut self.attack, self.kind) {
            attack.is_of(kind);
        }
        let settings = observation.settings;
        actions.extend(self.phase_event(before, kind_before, rates, settings, now).map(Action::Report));
        let limited = self.limit_reports.step(observation.violations, &self.sources, settings, now);
        actions.extend(limited.map(Action::Report));
        let flood = (self.distributed.phase(), hold);
        self.syn_cookies.step(observation, flood, rates, now, &mut actions);
        self.step_blocks(observation, now, &mut actions);
        self.last = Some(observation.snapshot.clone());
        actions
    }

    /// Returns the phase of the attack.
    pub const fn phase(&self) -> Phase {
        self.overall.phase()
    }

    /// Returns the beginning of the phase; `None` if it never changed.
    pub const fn phase_since(&self) -> Option<Monotonic> {
        self.overall.since()
    }

    /// Returns the time at which all is calm if no further flood comes; `None` while a flood is on, and when all is calm.
    pub const fn calm_at(&self) -> Option<Monotonic> {
        self.calm_at
    }

    /// Returns the course of the attack until it is over.
    pub fn course(&self, settings: &Settings, now: Monotonic) -> Option<AttackCourse> {
        let attack = self.attack.as_ref()?;
        let limit = settings.syn_rate;
        let named = self.sources.top_of_attack(attack.syns(), limit);
        let is_named = !named.is_empty();
        Some(AttackCourse {
            sources: named.into_iter().map(|source| source.source).collect(),
            source_count: if is_named { self.sources.count_of_attack(limit) as u64 } else { 0 },
            blocks_ahead: self.blocks_ahead(settings, now),
            ..attack.course()
        })
    }

    /// Returns the prospects of the busiest sources that may be blocked.
    fn blocks_ahead(&self, settings: &Settings, now: Monotonic) -> Vec<BlockAhead> {
        let limit = SourceLimit { syn_rate: settings.syn_rate, hold: settings.hold };
        let v6_length = settings.v6_length();
        let rate = |source: &SourceKey| self.sources.rate(&prefix_of(source, v6_length)).round() as u64;
        let least = u64::from(BLOCK_FACTOR) * u64::from(settings.syn_rate);
        let ahead = self.blocks.ahead(limit, now).map(|(source, at)| (Reverse(rate(&source)), source, at));
        let mut ahead: Vec<_> = ahead.filter(|(rate, ..)| rate.0 >= least).collect();
        ahead.sort_unstable_by_key(|(rate, source, _)| (*rate, *source));
        ahead.truncate(AHEAD_MAX);
        let name = |(_, source, at_ns)| BlockAhead { source: display(&source, v6_length), at_ns };
        ahead.into_iter().map(name).collect()
    }

    /// Returns the rates of the server's connections.
    pub fn visitors(&self) -> Visitors {
        self.visitors.rates()
    }

    /// Returns the kind of the attack, also while it recovers; `None` when calm.
    pub const fn kind(&self) -> Option<AttackKind> {
        self.kind
    }

    /// Reports whether the kernel should send SYN cookies.
    pub const fn wants_kernel_cookies(&self) -> bool {
        self.syn_cookies.wants_syncookies()
    }

    /// Returns the mode in which XDP should send SYN cookies, if it should.
    pub const fn cookie_mode(&self) -> Option<CookieMode> {
        self.syn_cookies.mode()
    }

    /// Returns the sources that are about to be blocked. Their exemptions belong into a later [`Observation`].
    pub fn block_candidates(&self) -> Vec<SourceKey> {
        self.blocks.candidates()
    }

    /// Returns the sources that should be blocked now. The caller looks them up in the blocklist when that changes, and passes
    /// the result to a later [`Observation`].
    pub fn blocked_sources(&self, now: Monotonic) -> Vec<SourceKey> {
        self.blocks.blocked(now).collect()
    }

    /// Returns the number of this controller's automatic blocks that are in force.
    pub fn blocks_in_force(&self, now: Monotonic) -> usize {
        self.blocks.in_force(now)
    }

    /// Updates the kind of the attack from the phases of its two parts. Returns the former kind.
    fn update_kind(&mut self) -> Option<AttackKind> {
        let is_on = |machine: &PhaseMachine| machine.phase() == Phase::Attack;
        let current = AttackKind::from_parts(is_on(&self.concentrated), is_on(&self.distributed));
        let former = self.kind;
        self.kind = if self.phase() == Phase::Calm { None } else { current.or(former) };
        former
    }

    /// Returns the event about the overall phase, if there is one to report. Opens and closes the attack's totals.
    fn phase_event(
        &mut self,
        before: Phase,
        kind_before: Option<AttackKind>,
        rates: AttackRates,
        settings: &Settings,
        now: Monotonic,
    ) -> Option<Event> {
        let kind = self.kind.unwrap_or(AttackKind::Concentrated);
        let sources = &self.sources;
        let top_now = || sources.top_now(rates.syn_rate, settings.syn_rate);
        match (before, self.phase()) {
            (Phase::Calm | Phase::Recovering, Phase::Attack) => {
                self.open_attack(kind, &rates, now);
                let top_sources = self.sources.top_now(rates.syn_rate, settings.syn_rate);
                Some(Event::AttackBegan { kind, again: before == Phase::Recovering, top_sources, rates })
            }
            (Phase::Attack, Phase::Recovering) => {
                let watch_seconds = self.overall.recovery(phase_hold(settings)).as_secs();
                Some(Event::AttackRecovering { kind, watch_seconds, rates })
            }
            (_, Phase::Calm) if before != Phase::Calm => {
                self.over = now;
                self.sources.end_attack();
                let attack = self.attack.take()?;
                let top_sources = self.sources.top_of_attack(attack.syns(), settings.syn_rate);
                Some(attack.end(top_sources, settings))
            }
            (_, Phase::Attack) if self.kind != kind_before => Some(Event::AttackKindChanged { kind, rates }),
            (_, Phase::Attack) => self.attack.as_mut()?.report_again(kind, rates, top_now, now),
            _ => None,
        }
    }

    /// Opens the totals of the attack if it is a new one, and begins the intervals of its reports.
    fn open_attack(&mut self, kind: AttackKind, rates: &AttackRates, now: Monotonic) {
        self.limit_reports.attack_began(now);
        let is_new = self.attack.is_none();
        let attack = self.attack.get_or_insert_with(|| Attack::new(rates, now));
        if is_new {
            // The SYNs by which it was detected are its own; those of the attack before are not.
            attack.add(&self.detector.counted_since(self.over), rates);
            self.sources.begin_attack();
        }
        attack.is_of(kind);
        attack.reported(now);
    }

    /// Decides about block candidates, then takes new violations into account.
    fn step_blocks(&mut self, observation: &Observation<'_>, now: Monotonic, actions: &mut Vec<Action>) {
        let Settings { syn_rate, hold, monitor, .. } = *observation.settings;
        if !monitor {
            self.blocks.forget_would_be();
        }
        let confirmed = self.blocks.confirm(observation.blocks);
        let limit = SourceLimit { syn_rate, hold };
        let name = |source| display(&source, observation.settings.v6_length());
        let mut would_be = Vec::new();
        for decision in self.blocks.decide(observation.exemptions, limit, monitor, now) {
            actions.push(match decision {
                BlockDecision::Block { source: key, ttl, before, strikes, rate } => {
                    let (source, ttl_seconds, rate) = (name(key), ttl.as_secs(), rate.round() as u64);
                    if monitor {
                        would_be.push(key);
                        let event =
                            Event::WouldBlock { source, ttl_seconds, strikes, rate, limit: syn_rate, before };
                        Action::Report(event)
                    } else {
                        let event =
                            Event::Blocked { source, ttl_seconds, strikes, rate, limit: syn_rate, before };
                        Action::Block { source: key, ttl, event }
                    }
                }
                BlockDecision::Exempt { source, exemption, rate } => Action::Report(Event::Exempted {
                    source: name(source),
                    why: exemption,
                    rate: rate.round() as u64,
                    limit: syn_rate,
                }),
                BlockDecision::Full if monitor => continue,
                BlockDecision::Full => Action::Report(Event::BlocksFull { in_force: BLOCKS_MAX }),
            });
        }
        if let Some(attack) = &mut self.attack {
            confirmed.into_iter().chain(would_be).for_each(|source| attack.source_blocked(source));
        }
        self.blocks.record(observation.violations, limit, now);
    }
}

/// Returns the minimum duration of a phase.
fn phase_hold(settings: &Settings) -> Duration {
    settings.hold.clamp(HOLD_MIN, HOLD_MAX)
}

#[cfg(test)]
mod attacker_tests;
#[cfg(test)]
mod noise_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod truth_tests;

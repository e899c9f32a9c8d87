//! What the controller decides: a pure function of what was seen, its own memory and the time. It does nothing
//! itself; the daemon performs the [`Action`]s and says the [`Event`]s.

#![forbid(unsafe_code)]

mod blocks;
mod detector;
pub mod explain;
mod phase;
mod syn_cookies;
mod syn_retransmit;

use std::{collections::BTreeMap, time::Duration};

use synguard_common::source::SourceKey;
use synguard_model::{
    attack::{AttackKind, Phase},
    event::{AttackRates, Event, Exemption},
    settings::Settings,
    snapshot::Snapshot,
    source::display,
};

pub use self::{
    blocks::Violation,
    detector::{Levels, classify_once},
    syn_cookies::{Attachment, CookieMode},
};
use self::{
    blocks::{BLOCKS_MAX, Blocks, Sentence, Terms},
    detector::Detector,
    phase::Machine,
    syn_cookies::Answers,
};

/// How long phases last at least: the sources' hold within these bounds.
const HOLD_MIN: Duration = Duration::from_secs(1);
const HOLD_MAX: Duration = Duration::from_secs(10);
/// While an attack goes on, how often that is said, in nanoseconds.
const REPEAT_NS: u64 = 60_000_000_000;

/// Everything a decision is made of.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The counts.
    pub snapshot: &'a Snapshot,
    /// The settings in force.
    pub settings: &'a Settings,
    /// Where the filter runs.
    pub driver: Attachment,
    /// Sources that went over their limit since the last look.
    pub offences: &'a [Violation],
    /// For each of [`Policy::suspects`], what speaks against blocking it.
    pub exemptions: &'a BTreeMap<SourceKey, Option<Exemption>>,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write it down.
    Say(Event),
    /// Have the kernel answer with SYN cookies, for these reasons.
    RaiseCookies(AttackRates),
    /// Put the kernel's setting back.
    RestoreCookies,
    /// Have the kernel read timestamps so that answers may carry options in them, for these reasons.
    RaiseTimestamps(AttackRates),
    /// Put that back.
    RestoreTimestamps,
    /// Answer SYNs, or go on in another way.
    Answer(CookieMode, AttackRates),
    /// Leave them to the kernel again, for this reason.
    StopAnswering(&'static str),
    /// Drop the SYNs of a source for a while.
    Block {
        /// Who.
        source: SourceKey,
        /// For how long.
        ttl: Duration,
        /// What to say about it.
        event: Event,
    },
}

/// An attack under way.
#[derive(Clone, Debug)]
struct Episode {
    began_ns: u64,
    said_ns: u64,
    syns: u64,
    unwanted: u64,
    answered: u64,
    peak_syn_rate: f64,
    peak_distinct: f64,
}

/// The controller's memory.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    detector: Detector,
    overall: Machine,
    concentrated: Machine,
    distributed: Machine,
    blocks: Blocks,
    kind: Option<AttackKind>,
    episode: Option<Episode>,
    last: Option<Snapshot>,
    answers: Answers,
}

impl Policy {
    /// Decides what to do at `now_ns`, in nanoseconds of CLOCK_MONOTONIC.
    pub fn step(&mut self, seen: &Observation<'_>, now_ns: u64) -> Vec<Action> {
        let hold_ns = hold_ns(seen.settings);
        let (levels, numbers) = self.detector.look(seen, self.distributed.phase() != Phase::Calm);
        let sudden = self.concentrated.step(levels.concentrated, hold_ns, now_ns)
            | self.distributed.step(levels.distributed, hold_ns, now_ns);
        let before = self.overall.phase();
        self.overall.step_or_begin(levels.highest(), sudden, hold_ns, now_ns);
        let mut actions = Vec::new();
        self.follow_episode(seen.snapshot, &numbers);
        self.tell_phase(before, numbers, now_ns, &mut actions);
        self.answers.decide(seen, (self.distributed.phase(), hold_ns), numbers, now_ns, &mut actions);
        self.decide_blocks(seen, now_ns, &mut actions);
        self.last = Some(seen.snapshot.clone());
        actions
    }

    /// Whether there is an attack.
    pub const fn phase(&self) -> Phase {
        self.overall.phase()
    }

    /// When that began, in nanoseconds of CLOCK_MONOTONIC; `None` if it never was otherwise.
    pub const fn phase_since_ns(&self) -> Option<u64> {
        self.overall.since_ns()
    }

    /// What kind of attack it is or was; `None` when calm.
    pub const fn kind(&self) -> Option<AttackKind> {
        self.kind
    }

    /// Whether the kernel is to answer with cookies.
    pub const fn wants_cookies(&self) -> bool {
        self.answers.wants_cookies()
    }

    /// How the filter is to answer SYNs, if it is to.
    pub const fn orders(&self) -> Option<CookieMode> {
        self.answers.orders()
    }

    /// Sources about to be blocked: what speaks against it belongs into the next [`Observation`].
    pub fn suspects(&self) -> Vec<SourceKey> {
        self.blocks.suspects()
    }

    /// Automatic blocks of this controller that are in force.
    pub fn blocks_in_force(&self, now_ns: u64) -> usize {
        self.blocks.in_force(now_ns)
    }

    /// Adds up what an attack brings.
    fn follow_episode(&mut self, now: &Snapshot, numbers: &AttackRates) {
        let (Some(episode), Some(last)) = (&mut self.episode, &self.last) else { return };
        let delta = now.counters.since(&last.counters);
        episode.syns += delta.guarded_syns();
        episode.unwanted += delta.unwanted_syns();
        episode.answered += delta.answered();
        episode.peak_syn_rate = episode.peak_syn_rate.max(numbers.syn_rate);
        episode.peak_distinct = episode.peak_distinct.max(numbers.distinct_sources);
    }

    /// What is going on by the parts' phases, if anything is.
    fn kind_now(&self) -> Option<AttackKind> {
        let is_on = |machine: &Machine| machine.phase() == Phase::Attack;
        AttackKind::of(is_on(&self.concentrated), is_on(&self.distributed))
    }

    fn tell_phase(&mut self, before: Phase, numbers: AttackRates, now_ns: u64, actions: &mut Vec<Action>) {
        let after = self.overall.phase();
        let former = self.kind;
        self.kind = if after == Phase::Calm { None } else { self.kind_now().or(former) };
        let kind = self.kind.unwrap_or(AttackKind::Concentrated);
        let event = match (before, after) {
            (Phase::Calm | Phase::Recovering, Phase::Attack) => {
                let fresh = Episode {
                    began_ns: now_ns,
                    said_ns: now_ns,
                    syns: 0,
                    unwanted: 0,
                    answered: 0,
                    peak_syn_rate: numbers.syn_rate,
                    peak_distinct: numbers.distinct_sources,
                };
                self.episode.get_or_insert(fresh).said_ns = now_ns;
                Event::AttackBegan { kind, again: before == Phase::Recovering, numbers }
            }
            (Phase::Attack, Phase::Recovering) => Event::Recovering { kind, numbers },
            (_, Phase::Calm) if before != Phase::Calm => {
                let Some(episode) = self.episode.take() else { return };
                Event::AttackOver {
                    seconds: now_ns.saturating_sub(episode.began_ns) / 1_000_000_000,
                    syns: episode.syns,
                    unwanted: episode.unwanted,
                    answered: episode.answered,
                    peak_syn_rate: episode.peak_syn_rate.round() as u64,
                    peak_distinct_sources: episode.peak_distinct.round() as u64,
                }
            }
            (_, Phase::Attack) if self.kind != former => Event::KindChanged { kind, numbers },
            (_, Phase::Attack) => {
                let Some(episode) = &mut self.episode else { return };
                if now_ns.saturating_sub(episode.said_ns) < REPEAT_NS {
                    return;
                }
                episode.said_ns = now_ns;
                let seconds = now_ns.saturating_sub(episode.began_ns) / 1_000_000_000;
                Event::AttackGoesOn { kind, seconds, unwanted: episode.unwanted, numbers }
            }
            _ => return,
        };
        actions.push(Action::Say(event));
    }

    fn decide_blocks(&mut self, seen: &Observation<'_>, now_ns: u64, actions: &mut Vec<Action>) {
        let Settings { syn_rate, hold, source_prefix_v6, monitor, .. } = *seen.settings;
        if monitor {
            return;
        }
        let terms = Terms { syn_rate, hold };
        let name = |source| display(&source, source_prefix_v6);
        for sentence in self.blocks.judge(seen.exemptions, terms, now_ns) {
            actions.push(match sentence {
                Sentence::Block { source, ttl, before, strikes, rate } => {
                    let (ttl_seconds, rate, source_name) = (ttl.as_secs(), rate.round() as u64, name(source));
                    let limit = syn_rate;
                    let event =
                        Event::Blocked { source: source_name, ttl_seconds, strikes, rate, limit, before };
                    Action::Block { source, ttl, event }
                }
                Sentence::Spare { source, exemption, rate } => {
                    let rate = rate.round() as u64;
                    Action::Say(Event::Spared { source: name(source), why: exemption, rate, limit: syn_rate })
                }
                Sentence::Full => Action::Say(Event::BlocksFull { in_force: BLOCKS_MAX }),
            });
        }
        self.blocks.note(seen.offences, terms, now_ns);
    }
}

/// How long phases last at least, in nanoseconds.
fn hold_ns(settings: &Settings) -> u64 {
    settings.hold.clamp(HOLD_MIN, HOLD_MAX).as_nanos() as u64
}

#[cfg(test)]
mod noise_tests;
#[cfg(test)]
mod tests;

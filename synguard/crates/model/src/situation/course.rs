//! The course of an attack: its beginning, its pauses, its sources, and the blocks to come.

use serde::{Deserialize, Serialize};

use super::{
    SOURCES_MAX, Situation, TopSource,
    figures::{about, rate, time},
};
use crate::{attack::Phase, number::plural, source::SourceStatus, time::Monotonic};

/// An attack from its first flood until it counts as over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttackCourse {
    /// Beginning of its first flood.
    pub began_ns: Monotonic,
    /// The latest time at which its flood was on; `None` while it is.
    pub last_on_ns: Option<Monotonic>,
    /// Floods so far: more than one if it pauses in between.
    pub pulses: u32,
    /// Its busiest sources, the first ones.
    pub sources: Vec<String>,
    /// Sources that were over their limit.
    pub source_count: u64,
    /// Sources that were blocked because of it.
    pub blocked: u64,
    /// The automatic blocks that are decided on next, those of the busiest sources.
    pub blocks_ahead: Vec<BlockAhead>,
}

/// The prospect of a source that may be blocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockAhead {
    pub source: String,
    /// The time of its block, if it goes on as now; `None` if it is exempt from automatic blocks.
    pub at_ns: Option<Monotonic>,
}

impl Situation {
    /// Returns the seconds since the first flood of the attack began, or else since the phase began.
    pub(super) fn attack_seconds(&self) -> Option<u64> {
        let began = self.attack.as_ref().map(|attack| self.at.since(attack.began_ns).as_secs());
        began.or(self.phase_seconds)
    }

    /// Returns the words for an attack whose flood came back.
    pub(super) fn pulses_text(&self) -> &'static str {
        if self.attack.as_ref().is_some_and(|attack| attack.pulses > 1) { ", in pulses" } else { "" }
    }

    /// Reports whether an attack is not over, but no flood is seen.
    pub fn is_paused(&self) -> bool {
        self.phase == Phase::Recovering || self.is_pause()
    }

    /// Returns the headline in a pause. Whether the flood comes back nobody knows.
    pub(super) fn pause_text(&self, syns: &str) -> String {
        let seconds = self.attack.as_ref().and_then(|attack| attack.last_on_ns).map_or_else(
            || self.phase_seconds.filter(|_| self.phase == Phase::Recovering),
            |at| Some(self.at.since(at).as_secs()),
        );
        let lasts = seconds.map_or_else(String::new, |seconds| format!(" for {}", time(seconds)));
        let over = self.calm_in_seconds.map_or_else(
            || "not over yet".to_owned(),
            |seconds| format!("over in {} unless it returns", time(seconds)),
        );
        format!("attack paused{lasts}: {syns}; {over}")
    }

    /// Answers in a pause who sent the flood; `None` if it is not known.
    pub(super) fn former_sources(&self) -> Option<String> {
        let attack = self.attack.as_ref().filter(|_| self.is_paused())?;
        let named = attack.sources.iter().take(SOURCES_MAX).cloned().collect::<Vec<_>>().join(", ");
        let count = attack.source_count.max(attack.sources.len() as u64);
        match attack.sources.len() as u64 {
            0 if self.is_distributed() => {
                Some("none now; very many before the pause, none stood out".to_owned())
            }
            0 => None,
            sources if sources < count => {
                Some(format!("none now; {} before the pause, busiest: {named}", about(count)))
            }
            _ => Some(format!("none now; before the pause: {named}")),
        }
    }

    /// Returns what the filter still drops although no flood comes: blocked sources, and those in hold.
    pub(super) fn kept_text(&self) -> Option<String> {
        let kept = |count: u64, state: &str| {
            let stay = if count == 1 { "stays" } else { "stay" };
            Some(format!("{} {} {stay} {state}", about(count), plural(count, "source")))
        };
        match &self.attack {
            Some(attack) if attack.blocked > 0 && self.blocklist.entries > 0 => {
                kept(attack.blocked, "blocked")
            }
            _ if self.is_paused() && self.in_hold > 0 && self.syns.dropped <= 0.0 => {
                kept(self.in_hold, "in hold")
            }
            _ => None,
        }
    }

    /// Returns the prospect of an automatic block of these sources, as a clause; `None` if it is not known of all of them.
    pub(super) fn block_ahead_text(&self, sources: &[&TopSource]) -> Option<String> {
        let ahead = &self.attack.as_ref()?.blocks_ahead;
        let open = sources.iter().filter(|source| source.status != SourceStatus::Blocked);
        let mut latest = None;
        let mut count = 0;
        for source in open {
            count += 1;
            // An exempt source is limited only.
            let at = ahead.iter().find(|ahead| ahead.source == source.source)?.at_ns;
            let Some(at) = at else {
                let it = if sources.len() == 1 { "it" } else { &source.source };
                return Some(format!("no automatic block: {it} has connections here or is protected"));
            };
            latest = latest.max(Some(at));
        }
        let seconds = latest?.since(self.at).as_secs().max(1);
        let (they, within) = if count == 1 { ("it", "in") } else { ("they", "within") };
        let would = if self.enforcement.is_off() { "would" } else { "will" };
        Some(format!("{they} {would} be blocked {within} {}", time(seconds)))
    }

    /// Returns why no automatic block comes of a source that is over its limit; `None` if one may come.
    pub(super) fn no_block_text(&self, source: &TopSource) -> Option<String> {
        let least = f64::from(self.source_limit) * f64::from(BLOCK_FACTOR);
        (source.status == SourceStatus::Hold && source.rate < least)
            .then(|| format!("no automatic block below {} SYN/s", rate(least)))
    }
}

/// The multiple of the limit from which a source is blocked.
pub const BLOCK_FACTOR: u32 = 4;

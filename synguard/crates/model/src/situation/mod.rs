//! The situation of a filter at one instant, and the five answers that an operator needs first: Is there an attack? Who sends it?
//! What is done about it? Are visitors served? What is there to do? `status` and `top` show the same answers. Pure.
//!
//! Each text is true at that instant; what is not known is called unknown. Texts have no line breaks: the caller wraps them.

mod course;
mod figures;
mod next;
mod texts;

pub use self::course::{AttackCourse, BLOCK_FACTOR, BlockAhead};
use serde::{Deserialize, Serialize};

use crate::{
    attack::{AttackKind, Phase},
    instance_name::DEFAULT_NAME,
    settings::Cookies,
    source::SourceStatus,
    time::Monotonic,
};

/// Share of all SYNs from which a source matters during a distributed flood.
const SHARE_MIN: f64 = 0.05;
/// Ratio to the rate of all SYNs up to which the rate of a source is one of this moment. Both are measured one after the other.
const PRESENT_RATIO: f64 = 2.0;
/// Sources that a text names, and that a command blocks.
const SOURCES_MAX: usize = 3;
/// Interfaces that a text names.
const NAMED_MAX: usize = 4;

/// The state of a filter, as far as an operator has to know it first.
#[derive(Clone, Debug, PartialEq)]
pub struct Situation {
    /// The time at which all of this was so.
    pub at: Monotonic,
    /// Name of the instance.
    pub instance: String,
    /// Interfaces on which the filter is.
    pub filtered: Vec<String>,
    /// Interfaces on which the filter should be but is not.
    pub unfiltered: Vec<String>,
    pub controller: ControllerLife,
    pub enforcement: Enforcement,
    /// Address families of which no packet is dropped, because the allowlist covers them.
    pub allowed_families: Vec<AllowedFamily>,
    pub phase: Phase,
    /// Seconds since the phase began; `None` if unknown.
    pub phase_seconds: Option<u64>,
    /// Seconds until the phase is calm, if no further flood comes; `None` if unknown, and while a flood is on.
    pub calm_in_seconds: Option<u64>,
    /// Kind of the attack; `None` when calm.
    pub kind: Option<AttackKind>,
    /// The attack until it counts as over; `None` if unknown.
    pub attack: Option<AttackCourse>,
    pub syns: SynRates,
    /// Distinct sources in the last second, not more than SYNs.
    pub distinct_sources: u64,
    /// Sources in hold.
    pub in_hold: u64,
    /// Those of them that have sent SYNs in the last moment.
    pub limited: u64,
    /// Entries of the blocklist, and those of them that drop packets at this moment.
    pub blocklist: BlocklistUse,
    /// The setting `syn-rate`: SYNs a second that one source may send.
    pub source_limit: u32,
    /// Sources and blocked prefixes by rate, busiest first.
    pub top_sources: Vec<TopSource>,
    pub cookies: CookieSender,
    /// The setting `cookies`.
    pub cookies_setting: Cookies,
    pub visitors: Visitors,
    /// Set if `visitors` is a mean of two seconds, and not of the time of `syns`.
    pub has_mean_visitors: bool,
}

/// The life of the controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControllerLife {
    /// No controller runs.
    #[default]
    Absent,
    Responding,
    /// The process runs, but gave its last sign of life so many seconds ago.
    Silent {
        pid: u32,
        seconds: u64,
    },
}

/// The effect of the filter's verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    #[default]
    Enforcing,
    /// The filter counts what it would drop.
    Monitor,
    /// The filter drops, but only for so many seconds unless it is confirmed.
    ToConfirm { seconds: u64 },
    /// The time to confirm has run out, and the filter drops nothing.
    Unconfirmed,
}

/// An address family of which entries of the allowlist cover every address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedFamily {
    /// `IPv4` or `IPv6`.
    pub name: &'static str,
    /// The entries, as they are listed.
    pub entries: Vec<String>,
}

/// SYNs to guarded ports per second, by their fate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SynRates {
    pub passed: f64,
    /// Dropped for another reason than the blocklist.
    pub dropped: f64,
    /// Answered with a SYN cookie from XDP.
    pub answered: f64,
    /// Dropped by the blocklist.
    pub blocked: f64,
    /// Those of `passed` that would have been dropped or blocked outside monitor mode.
    pub would_drop: f64,
}

/// Entries of the blocklist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlocklistUse {
    pub entries: u64,
    /// Those that have dropped packets in the last moment; of very many at least this number.
    pub active: u64,
}

/// A source, or a prefix in the blocklist, with its rate.
#[derive(Clone, Debug, PartialEq)]
pub struct TopSource {
    /// An address or a prefix.
    pub source: String,
    /// SYNs a second.
    pub rate: f64,
    pub status: SourceStatus,
}

/// Returns the sources that send at this moment, when `syn_rate` SYNs a second arrive in all: one that was faster than all are
/// now has stopped since its rate was measured.
pub fn still_sending(mut sources: Vec<TopSource>, syn_rate: f64) -> Vec<TopSource> {
    sources.retain(|source| source.rate <= PRESENT_RATIO * syn_rate);
    sources
}

/// The sender of SYN cookies that synguard determined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieSender {
    /// synguard leaves the kernel's setting alone.
    #[default]
    Unchanged,
    /// The kernel, to every SYN that passes.
    Kernel,
    /// XDP.
    Xdp {
        /// A new SYN is dropped, and its retransmission gets a cookie.
        first_syn: bool,
    },
}

/// The server's connections, from the kernel's counters of its network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Visitors {
    /// Connections that clients opened and completed, a second.
    pub accepted_rate: Option<f64>,
    /// Mean of `accepted_rate` while the phase was calm.
    pub calm_rate: Option<f64>,
    /// SYNs and last ACKs that listeners dropped, a second.
    pub lost_rate: Option<f64>,
}

/// A measure against an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// SYNs over a limit are dropped, or would be in monitor mode.
    Limit,
    /// SYNs from blocked sources are dropped.
    Blocklist,
    /// The kernel answers every SYN that passes with a SYN cookie.
    KernelCookies,
    /// XDP answers SYNs with SYN cookies.
    XdpCookies,
}

impl Default for Situation {
    fn default() -> Self {
        Self {
            at: Monotonic::default(),
            instance: DEFAULT_NAME.to_owned(),
            filtered: Vec::new(),
            unfiltered: Vec::new(),
            controller: ControllerLife::default(),
            enforcement: Enforcement::default(),
            allowed_families: Vec::new(),
            phase: Phase::Calm,
            phase_seconds: None,
            calm_in_seconds: None,
            kind: None,
            attack: None,
            syns: SynRates::default(),
            distinct_sources: 0,
            in_hold: 0,
            limited: 0,
            blocklist: BlocklistUse::default(),
            source_limit: 0,
            top_sources: Vec::new(),
            cookies: CookieSender::default(),
            cookies_setting: Cookies::Auto,
            visitors: Visitors::default(),
            has_mean_visitors: false,
        }
    }
}

impl SynRates {
    /// Returns the rate of all SYNs.
    pub fn total(self) -> f64 {
        self.passed + self.dropped + self.answered + self.blocked
    }

    /// Returns the rate of those that are dropped, for whatever reason; in monitor mode of those that would be. Those answered with
    /// a SYN cookie are not stopped: those of visitors are among them.
    pub fn stopped(self) -> f64 {
        self.dropped + self.blocked + self.would_drop
    }
}

impl Enforcement {
    /// Reports whether the filter drops nothing.
    pub const fn is_off(self) -> bool {
        matches!(self, Self::Monitor | Self::Unconfirmed)
    }
}

impl Situation {
    /// Returns the measures that are in force and have an effect at this moment.
    pub fn measures(&self) -> Vec<Measure> {
        let cookies = match self.cookies {
            CookieSender::Unchanged => None,
            CookieSender::Kernel => Some(Measure::KernelCookies),
            CookieSender::Xdp { .. } => Some(Measure::XdpCookies),
        };
        let limit = (self.syns.dropped > 0.0).then_some(Measure::Limit);
        let blocklist = (self.syns.blocked > 0.0).then_some(Measure::Blocklist);
        [limit, blocklist, cookies].into_iter().flatten().collect()
    }

    /// Returns a warning if some interface is not filtered, or some address family.
    pub fn warning(&self) -> Option<String> {
        protection_warning(!self.filtered.is_empty(), &self.unfiltered)
            .or_else(|| allowlist_warning(&self.allowed_families))
    }

    /// Returns the sources to blame: those over their limit, in hold or blocked. During a distributed flood only those with a
    /// share of it that matters, because nothing is gained by blocking others.
    pub fn standing_out(&self) -> impl Iterator<Item = &TopSource> {
        let is_distributed = self.is_distributed() && self.phase != Phase::Calm;
        self.top_sources.iter().filter(move |source| {
            let is_over = source.rate > f64::from(self.source_limit)
                || matches!(source.status, SourceStatus::Hold | SourceStatus::Blocked);
            source.rate > 0.0 && is_over && (!is_distributed || self.share(source) >= SHARE_MIN)
        })
    }

    /// Reports whether very many sources send, most of them forged as a rule.
    const fn is_distributed(&self) -> bool {
        matches!(self.kind, Some(AttackKind::Distributed | AttackKind::Mixed))
    }

    /// Returns the common share of these sources in all SYNs, 0 to 1.
    fn shares(&self, sources: &[&TopSource]) -> f64 {
        sources.iter().map(|source| self.share(source)).sum::<f64>().min(1.0)
    }

    /// Returns the share of a source in all SYNs, 0 to 1. The rates are measured at slightly different times.
    fn share(&self, source: &TopSource) -> f64 {
        let total = self.syns.total();
        if total > 0.0 { (source.rate / total).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// Returns a warning if some interface is not filtered. `is_attached` if at least one is.
pub fn protection_warning(is_attached: bool, unfiltered: &[String]) -> Option<String> {
    let mut names = unfiltered.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if unfiltered.len() > NAMED_MAX {
        names += &format!(" and {} more", unfiltered.len() - NAMED_MAX);
    }
    match (is_attached, unfiltered.is_empty()) {
        (true, true) => None,
        (true, false) => Some(format!("PARTLY PROTECTED: the filter is not on {names}")),
        (false, true) => Some("NOT PROTECTED: the filter is loaded but on no interface".to_owned()),
        (false, false) => Some(format!("NOT PROTECTED: the filter is not on {names}")),
    }
}

/// Returns a warning if the allowlist covers whole address families.
pub fn allowlist_warning(families: &[AllowedFamily]) -> Option<String> {
    let (protection, which) = match families {
        [] => return None,
        [one] => ("PARTLY PROTECTED", format!("every {} address", one.name)),
        _ => ("NOT PROTECTED", "every address".to_owned()),
    };
    Some(format!("{protection}: the allowlist covers {which}, and nothing is dropped from there"))
}

#[cfg(test)]
mod course_tests;
#[cfg(test)]
mod protection_tests;
#[cfg(test)]
mod tests;

//! The first four answers: attack, sources, response, visitors.

use super::{
    ControllerLife, CookieSender, Enforcement, SOURCES_MAX, Situation, TopSource,
    figures::{about, percent, rate, time},
};
use crate::{
    attack::{AttackKind, Phase},
    number::{grouped, plural},
    settings::Cookies,
    source::SourceStatus,
};

/// Share of all SYNs from which a few sources are named in the headline.
const FEW_SHARE: f64 = 0.5;
/// Ratio to the rate of calm times, and distance from it in connections a second, up to which a rate is like in calm.
const LIKE_CALM: f64 = 0.3;
const LIKE_CALM_DISTANCE: f64 = 2.0;
/// Share of all SYNs from which the drops of one kind are worth a word in the headline.
const KIND_SHARE: f64 = 0.05;
/// SYNs for each accepted connection, and more than these a second, up to which no flood is seen at a moment: visitors send a
/// SYN again now and then.
const SYNS_PER_VISIT: f64 = 2.0;
const SYNS_BESIDE_VISITS: f64 = 10.0;
/// Share of all SYNs from which those that pass beside XDP's cookies are worth a word.
const PASSED_SHARE: f64 = 0.01;
/// Share of the limit from which the busiest source is named although it is not over its limit.
const NAMED_SHARE: f64 = 0.1;

impl Situation {
    /// Answers whether there is an attack, and of how many SYNs and sources.
    pub fn headline(&self) -> String {
        let total = self.syns.total();
        let syns = format!("{} SYN/s", rate(total));
        let sources =
            format!("about {} {}", about(self.distinct_sources), plural(self.distinct_sources, "source"));
        let since = match self.phase {
            Phase::Calm => self.phase_seconds,
            Phase::Attack | Phase::Recovering => self.attack_seconds(),
        };
        let since = since.map_or_else(String::new, |seconds| format!(" for {}", time(seconds)));
        match self.phase {
            Phase::Calm if total > 0.0 => format!("calm{since}: {syns} from {sources}"),
            Phase::Calm => format!("calm{since}: {syns}"),
            Phase::Attack | Phase::Recovering if self.is_paused() => self.pause_text(&syns),
            Phase::Attack | Phase::Recovering => {
                let kind = if self.kind == Some(AttackKind::Distributed) { ", distributed" } else { "" };
                format!("ATTACK{since}{kind}{}: {}", self.pulses_text(), self.flood_text(&syns, &sources))
            }
        }
    }

    /// Describes the flood: few sources by name elsewhere and here by their share, limited and blocked ones by their number, and
    /// forged ones by the estimate of it.
    fn flood_text(&self, syns: &str, sources: &str) -> String {
        let few: Vec<&TopSource> = self.standing_out().take(SOURCES_MAX).collect();
        let (count, share, which) = match self.stopped_sources() {
            _ if self.shares(&few) >= FEW_SHARE => (few.len() as u64, self.shares(&few), ""),
            Some(stopped) if !self.is_distributed() => stopped,
            _ => return format!("{syns} from {sources}"),
        };
        let verb = if count == 1 { "sends" } else { "send" };
        format!("{} {which}{} {verb} {} of {syns}", about(count), plural(count, "source"), percent(share))
    }

    /// Reports whether the flood of an attack pauses: nothing is dropped, and what comes is no more than visitors send.
    pub(super) fn is_pause(&self) -> bool {
        let visits = self.visitors.accepted_rate.unwrap_or_default();
        let is_little = self.syns.total() <= SYNS_PER_VISIT * visits + SYNS_BESIDE_VISITS;
        let is_quiet = self.syns.stopped() <= 0.0 && (!self.is_distributed() || is_little);
        self.phase == Phase::Attack && is_quiet && self.standing_out().next().is_none()
    }

    /// Returns the number of sources whose SYNs are dropped, their share of all SYNs, and what they are called; `None` if most SYNs
    /// are not dropped.
    fn stopped_sources(&self) -> Option<(u64, f64, &'static str)> {
        let (syns, total) = (self.syns, self.syns.total());
        let share = if total > 0.0 { (syns.stopped() / total).min(1.0) } else { 0.0 };
        let is_much = |rate: f64| rate > KIND_SHARE * total;
        let (count, which) = match (is_much(syns.dropped + syns.would_drop), is_much(syns.blocked)) {
            (true, false) => (self.limited, "limited "),
            (false, true) => (self.blocklist.active, "blocked "),
            // A source that was blocked a moment ago is in hold as well.
            _ => (self.limited.max(self.blocklist.active), "limited or blocked "),
        };
        (share >= FEW_SHARE && count > 0).then_some((count, share, which))
    }

    /// Answers what is done about the SYNs.
    pub fn response(&self) -> String {
        if self.filtered.is_empty() {
            return "none: the filter is on no interface".to_owned();
        }
        let syns = self.syns;
        if self.enforcement.is_off() {
            let mode = match self.enforcement {
                Enforcement::Unconfirmed => "not confirmed in time",
                _ => "monitor mode",
            };
            return format!("{mode}: nothing is dropped; {}/s would be", rate(syns.would_drop));
        }
        let mut parts = Vec::new();
        let is_under_attack = self.phase == Phase::Attack;
        if let CookieSender::Xdp { first_syn } = self.cookies {
            let which = if first_syn { "retransmitted SYNs" } else { "SYNs" };
            let returned = if syns.answered > 0.0 { " (visitors return them)" } else { "" };
            let rate = rate(syns.answered);
            parts.push(format!("XDP answers {which} with SYN cookies: {rate}/s{returned}"));
        }
        if syns.blocked > 0.0 {
            parts.push(format!("{}/s dropped by the blocklist", rate(syns.blocked)));
        }
        if syns.answered > 0.0 && !matches!(self.cookies, CookieSender::Xdp { .. }) {
            // XDP stopped a moment ago.
            parts.push(format!("{}/s answered with SYN cookies by XDP", rate(syns.answered)));
        }
        if syns.dropped > 0.0 {
            parts.push(format!("{}/s dropped {}", rate(syns.dropped), self.drop_reason()));
        }
        match self.cookies {
            CookieSender::Kernel if syns.total() <= 0.0 => {
                parts.push("SYN cookies stay on; no SYN arrives".to_owned());
            }
            CookieSender::Kernel => {
                let which = if parts.is_empty() { "all" } else { "the other" };
                let passed = rate(syns.passed);
                parts.push(format!("{which} {passed}/s pass, and the kernel answers them with SYN cookies"));
            }
            _ if parts.is_empty() && is_under_attack && self.cookies_setting == Cookies::Off => {
                parts.push(format!("none (cookies=off): all {} SYN/s pass", rate(syns.passed)));
            }
            _ if parts.is_empty() && syns.total() > 0.0 => {
                let needed = if is_under_attack && !self.is_paused() { "" } else { " needed" };
                parts.push(format!("none{needed}: all {} SYN/s pass", rate(syns.passed)));
            }
            _ if parts.is_empty() => parts.push("none needed: no SYN arrives".to_owned()),
            // That hardly any passes would read as if no visitor did.
            CookieSender::Xdp { .. } if syns.passed < PASSED_SHARE * syns.total() => {}
            _ => parts.push(format!("{}/s passed", rate(syns.passed))),
        }
        parts.extend(self.kept_text().or_else(|| self.blocklist_text()).filter(|_| syns.blocked <= 0.0));
        parts.join("; ")
    }

    /// Returns the size of the blocklist, if it has entries.
    fn blocklist_text(&self) -> Option<String> {
        let entries = self.blocklist.entries;
        let noun = if entries == 1 { "entry" } else { "entries" };
        (entries > 0).then(|| format!("{} {noun} in the blocklist", grouped(entries)))
    }

    /// Returns the reason of most drops in words.
    fn drop_reason(&self) -> String {
        match self.cookies {
            CookieSender::Xdp { first_syn: true } => "until they are sent again".to_owned(),
            CookieSender::Xdp { .. } => "over a limit".to_owned(),
            _ => format!("over the limit of {} SYN/s per source", about(self.source_limit.into())),
        }
    }

    /// Answers whether visitors are served: connections accepted, compared with calm times, and lost.
    pub fn visitors(&self) -> String {
        match self.controller {
            ControllerLife::Absent => return "not known: no controller runs".to_owned(),
            ControllerLife::Silent { .. } => return "not known: the controller does not respond".to_owned(),
            ControllerLife::Responding => {}
        }
        let Some(accepted) = self.visitors.accepted_rate else {
            return "not known: the kernel's counters were not read yet".to_owned();
        };
        let mean = if self.has_mean_visitors { " in the last 2 s" } else { "" };
        let text = format!("{} connections/s accepted{mean}", rate(accepted));
        let compared = match self.visitors.calm_rate {
            None => " (in calm: not known yet)".to_owned(),
            Some(calm) if self.phase == Phase::Calm => format!(" (mean {})", rate(calm)),
            Some(calm) => format!(", {} in calm ({})", compare(accepted, calm), rate(calm)),
        };
        let lost = self
            .visitors
            .lost_rate
            .map_or_else(String::new, |lost| format!("; the server lost {} SYNs/s", rate(lost)));
        text + &compared + &lost
    }

    /// Answers who sends the SYNs: the sources that stand out, or that none does.
    pub fn sources(&self) -> String {
        let named: Vec<&TopSource> = self.standing_out().take(SOURCES_MAX).collect();
        if let Some(first) = named.first() {
            let all_alike = named.iter().all(|source| source.status == first.status);
            let alike = match first.status {
                SourceStatus::Hold if all_alike => self.limited,
                SourceStatus::Blocked if all_alike => self.blocklist.active,
                _ => 0,
            };
            let are_more = alike > named.len() as u64;
            let texts: Vec<String> =
                named.iter().map(|source| self.source_text(source, true, !are_more)).collect();
            let texts = texts.join(", ");
            return if are_more {
                format!("{} {}, busiest: {texts}", about(alike), self.status_text(first.status))
            } else {
                texts
            };
        }
        if let Some(former) = self.former_sources() {
            return former;
        }
        if self.has_no_culprit() {
            return "none stands out, most are probably forged: nothing to block by hand".to_owned();
        }
        let limit = f64::from(self.source_limit);
        let none = format!("none over its limit of {} SYN/s", about(self.source_limit.into()));
        match self.top_sources.first().filter(|source| source.rate > limit * NAMED_SHARE) {
            Some(busiest) => format!("{none}; busiest: {}", self.source_text(busiest, false, true)),
            None => none,
        }
    }

    /// Reports whether a flood comes from so many sources that none of them is to be blamed.
    pub fn has_no_culprit(&self) -> bool {
        let is_flood = self.phase == Phase::Attack && !self.is_pause();
        is_flood && self.is_distributed() && self.standing_out().next().is_none()
    }

    /// Returns the word for a status, if there is one to be said.
    const fn status_text(&self, status: SourceStatus) -> &'static str {
        let would = self.enforcement.is_off();
        match status {
            SourceStatus::Ok => "",
            SourceStatus::Hold if would => "would be in hold",
            SourceStatus::Hold => "in hold",
            SourceStatus::Blocked if would => "would be blocked",
            SourceStatus::Blocked => "blocked",
            SourceStatus::Allowed => "allowed",
        }
    }

    fn source_text(&self, source: &TopSource, with_share: bool, with_status: bool) -> String {
        let status = if with_status { self.status_text(source.status) } else { "" };
        let share = if with_share { percent(self.share(source)) } else { String::new() };
        let notes: Vec<&str> = [share.as_str(), status].into_iter().filter(|note| !note.is_empty()).collect();
        let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
        format!("{} {}/s{notes}", source.source, rate(source.rate))
    }
}

/// Compares a rate with that of calm times.
fn compare(accepted: f64, calm: f64) -> &'static str {
    if (accepted - calm).abs() <= (calm * LIKE_CALM).max(LIKE_CALM_DISTANCE) {
        "as"
    } else if accepted < calm {
        "fewer than"
    } else {
        "more than"
    }
}

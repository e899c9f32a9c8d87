//! The first four answers: attack, sources, response, visitors.

use super::{
    ControllerLife, CookieSender, Enforcement, SOURCES_MAX, Situation, TopSource,
    figures::{about, percent, rate, time},
};
use crate::{
    attack::{AttackKind, Phase},
    number::plural,
    settings::Cookies,
    source::SourceStatus,
};

/// Share of all SYNs from which a few sources are named in the headline.
const FEW_SHARE: f64 = 0.5;
/// Ratio to the rate of calm times, and distance from it in connections a second, up to which a rate is like in calm.
const LIKE_CALM: f64 = 0.3;
const LIKE_CALM_DISTANCE: f64 = 2.0;

impl Situation {
    /// Answers whether there is an attack, and of how many SYNs and sources.
    pub fn headline(&self) -> String {
        let total = self.syns.total();
        let syns = format!("{} SYN/s", rate(total));
        let sources =
            format!("about {} {}", about(self.distinct_sources), plural(self.distinct_sources, "source"));
        let since = self.phase_seconds.map(time);
        match self.phase {
            Phase::Calm => {
                let since = since.map_or_else(String::new, |time| format!(" for {time}"));
                if total > 0.0 {
                    format!("calm{since}: {syns} from {sources}")
                } else {
                    format!("calm{since}: {syns}")
                }
            }
            Phase::Recovering => {
                let ago = since.map_or_else(String::new, |time| format!(" {time} ago"));
                let left = self.calm_in_seconds.map_or_else(
                    || "protection stays on for a while".to_owned(),
                    |seconds| format!("protection stays on for {} more", time(seconds)),
                );
                format!("flood stopped{ago}: {syns}; {left}")
            }
            Phase::Attack => {
                let since = since.map_or_else(String::new, |time| format!(" for {time}"));
                let kind = if self.kind == Some(AttackKind::Distributed) { ", distributed" } else { "" };
                format!("ATTACK{since}{kind}: {}", self.flood_text(&syns, &sources))
            }
        }
    }

    /// Describes the flood: few sources by their share, many by their number.
    fn flood_text(&self, syns: &str, sources: &str) -> String {
        let few: Vec<&TopSource> = self.standing_out().take(SOURCES_MAX).collect();
        let share = self.shares(&few);
        if self.syns.total() <= 0.0 {
            return format!("{syns} at this moment");
        }
        if few.is_empty() || share < FEW_SHARE {
            let is_between_floods = few.is_empty() && !self.is_distributed();
            let now = if is_between_floods { " at this moment" } else { "" };
            return format!("{syns} from {sources}{now}");
        }
        let (count, verb) = (few.len() as u64, if few.len() == 1 { "sends" } else { "send" });
        format!("{count} {} {verb} {} of {syns}", plural(count, "source"), percent(share))
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
            parts.push(format!("XDP answers {which} with SYN cookies: {}/s", rate(syns.answered)));
        }
        if syns.blocked > 0.0 {
            parts.push(format!("{}/s dropped by the blocklist", rate(syns.blocked)));
        }
        if syns.dropped > 0.0 {
            parts.push(format!("{}/s dropped {}", rate(syns.dropped), self.drop_reason()));
        }
        match self.cookies {
            CookieSender::Kernel => {
                let which = if parts.is_empty() { "all" } else { "the other" };
                parts.push(format!("the kernel answers {which} {}/s with SYN cookies", rate(syns.passed)));
            }
            _ if parts.is_empty() && is_under_attack && self.cookies_setting == Cookies::Off => {
                parts.push(format!("none (cookies=off): all {} SYN/s pass", rate(syns.passed)));
            }
            _ if parts.is_empty() && syns.total() > 0.0 => {
                parts.push(format!("none: all {} SYN/s pass", rate(syns.passed)));
            }
            _ if parts.is_empty() => parts.push("none: no SYN arrives".to_owned()),
            _ => parts.push(format!("{}/s passed", rate(syns.passed))),
        }
        parts.join("; ")
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
        let text = format!("{} connections/s accepted", rate(accepted));
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
        if !named.is_empty() {
            let texts: Vec<String> = named.iter().map(|source| self.source_text(source, true)).collect();
            // A source that was blocked a moment ago is in hold as well.
            let all_held = named.iter().all(|source| source.status == SourceStatus::Hold);
            let more = match self.in_hold.saturating_sub(named.len() as u64) {
                more @ 1.. if all_held => format!(", and {} more in hold", about(more)),
                _ => String::new(),
            };
            return texts.join(", ") + &more;
        }
        let busiest = self.top_sources.first().filter(|source| source.rate > 0.0);
        let busiest = busiest.map(|source| self.source_text(source, false));
        match (self.phase, busiest) {
            (Phase::Attack, _) if self.is_distributed() => {
                "none stands out, most are probably forged: nothing to block by hand".to_owned()
            }
            (Phase::Attack, None) => "none stands out at this moment".to_owned(),
            (_, Some(busiest)) => format!("none over its limit; busiest: {busiest}"),
            (_, None) => "none over its limit".to_owned(),
        }
    }

    fn source_text(&self, source: &TopSource, with_share: bool) -> String {
        let would = self.enforcement.is_off();
        let status = match source.status {
            SourceStatus::Ok => "",
            SourceStatus::Hold if would => "would be in hold",
            SourceStatus::Hold => "in hold",
            SourceStatus::Blocked if would => "would be blocked",
            SourceStatus::Blocked => "blocked",
            SourceStatus::Allowed => "allowed",
        };
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

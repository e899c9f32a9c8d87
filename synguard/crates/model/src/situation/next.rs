//! The fifth answer: what there is to do.

use super::{ControllerLife, Enforcement, NAMED_MAX, SOURCES_MAX, Situation, TopSource, figures::time};
use crate::{attack::Phase, instance_name::command_line, settings::Cookies, source::SourceStatus};

/// Common share of a few sources in all SYNs from which they are worth blocking by hand. Of a hundred that send alike, three
/// are not.
const BLOCK_SHARE: f64 = 0.2;
/// Share of all SYNs that are dropped from which nothing is urgent.
const STOPPED_SHARE: f64 = 0.9;

impl Situation {
    /// Answers what there is to do, with the command to type.
    pub fn next(&self) -> String {
        self.step().unwrap_or_else(|| {
            let ahead = self.block_ahead().map_or_else(String::new, |ahead| format!(": {ahead}"));
            format!("nothing to do{ahead}")
        })
    }

    /// Reports whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.step().is_none()
    }

    fn step(&self) -> Option<String> {
        self.protection_step()
            .or_else(|| self.allowlist_step())
            .or_else(|| self.confirmation_step())
            .or_else(|| self.attack_step())
    }

    /// Returns the command line of a verb for this instance.
    pub fn command(&self, arguments: &str) -> String {
        command_line(&self.instance, arguments)
    }

    /// Returns the step that brings the filter, or its controller, back.
    fn protection_step(&self) -> Option<String> {
        let attach = self.attach_command();
        match self.controller {
            ControllerLife::Silent { pid, seconds } => Some(format!(
                "the controller has not responded for {}: kill -KILL {pid}, then {attach}",
                time(seconds)
            )),
            ControllerLife::Absent if self.is_off_somewhere() => Some(format!("to filter again: {attach}")),
            ControllerLife::Absent => {
                Some(format!("no controller runs, so nothing reacts to attacks: {attach}"))
            }
            ControllerLife::Responding if !self.unfiltered.is_empty() => Some(
                "wait: the controller puts the filter back as soon as the interface can have it".to_owned(),
            ),
            ControllerLife::Responding if self.filtered.is_empty() => {
                Some(format!("to filter again: {attach}"))
            }
            ControllerLife::Responding => None,
        }
    }

    /// Reports whether some interface is not filtered.
    const fn is_off_somewhere(&self) -> bool {
        self.filtered.is_empty() || !self.unfiltered.is_empty()
    }

    /// Returns the step that has the filter drop again what the allowlist lets pass.
    fn allowlist_step(&self) -> Option<String> {
        let entries: Vec<&str> =
            self.allowed_families.iter().flat_map(|family| &family.entries).map(String::as_str).collect();
        let verb = match entries.len() {
            0 => return None,
            1..=NAMED_MAX => format!("allow del {}", entries.join(" ")),
            _ => "allow list".to_owned(),
        };
        let families: Vec<&str> = self.allowed_families.iter().map(|family| family.name).collect();
        Some(format!("to filter {} again: {}", families.join(" and "), self.command(&verb)))
    }

    /// Returns the command that attaches the filter where it is missing; where it is on every interface, takes it over.
    fn attach_command(&self) -> String {
        let names = if self.unfiltered.is_empty() { &self.filtered } else { &self.unfiltered };
        match names.len() {
            1..=NAMED_MAX => self.command(&format!("attach {}", names.join(" "))),
            _ => self.command("attach IFACE…"),
        }
    }

    fn confirmation_step(&self) -> Option<String> {
        match self.enforcement {
            Enforcement::ToConfirm { seconds } => Some(format!(
                "within {}: {}; without it the filter stops dropping",
                time(seconds),
                self.command("confirm")
            )),
            Enforcement::Unconfirmed => Some(format!("attach again: {}", self.attach_command())),
            Enforcement::Enforcing | Enforcement::Monitor => None,
        }
    }

    fn attack_step(&self) -> Option<String> {
        if self.phase != Phase::Attack {
            return None;
        }
        if self.enforcement == Enforcement::Monitor {
            return Some(format!("to drop it: {}", self.command("set monitor=false")));
        }
        let named: Vec<&TopSource> = self.standing_out().take(SOURCES_MAX).collect();
        if let Some(allowed) = named.iter().find(|source| source.status == SourceStatus::Allowed) {
            let check = self.command(&format!("allow check {}", allowed.source));
            return Some(format!("{} passes because an allow entry covers it: {check}", allowed.source));
        }
        let open = self.worth_blocking(&named);
        if !open.is_empty() {
            let block = self.command(&format!("block add {} --ttl 1h --scope syn", open.join(" ")));
            return Some(self.block_step(open.len(), &block));
        }
        (self.is_distributed() && self.cookies_setting == Cookies::Off)
            .then(|| format!("to answer it with SYN cookies: {}", self.command("set cookies=auto")))
    }

    /// Returns the step that blocks so many sources, by a command or a key.
    pub fn block_step(&self, count: usize, action: &str) -> String {
        let pronoun = if count == 1 { "it" } else { "them" };
        let is_urgent = self.syns.stopped() < STOPPED_SHARE * self.syns.total();
        match (self.block_ahead(), is_urgent) {
            (Some(ahead), false) => format!("nothing urgent: {ahead}; to block {pronoun} now: {action}"),
            (None, false) => format!("nothing urgent; to block {pronoun}: {action}"),
            (Some(ahead), true) => format!("{ahead}; to stop {pronoun} now: {action}"),
            (None, true) => format!("to stop {pronoun} now: {action}"),
        }
    }

    /// Returns whether and when the sources that stand out are blocked, if that is known.
    fn block_ahead(&self) -> Option<String> {
        if self.phase != Phase::Attack {
            return None;
        }
        let named: Vec<&TopSource> = self.standing_out().take(SOURCES_MAX).collect();
        self.block_ahead_text(&named).or_else(|| self.no_block_text(named.first()?))
    }

    /// Returns the sources that the next step is to block; none if it is another step.
    pub fn blockable(&self) -> Vec<&str> {
        let named: Vec<&TopSource> = self.standing_out().take(SOURCES_MAX).collect();
        let is_other = self.protection_step().is_some()
            || self.allowlist_step().is_some()
            || self.confirmation_step().is_some()
            || self.phase != Phase::Attack
            || self.enforcement == Enforcement::Monitor
            || named.iter().any(|source| source.status == SourceStatus::Allowed);
        if is_other { Vec::new() } else { self.worth_blocking(&named) }
    }

    /// Returns those of the sources that are not blocked, if they are worth it together.
    fn worth_blocking<'a>(&self, named: &[&'a TopSource]) -> Vec<&'a str> {
        let open: Vec<&TopSource> =
            named.iter().copied().filter(|source| source.status != SourceStatus::Blocked).collect();
        if self.shares(&open) < BLOCK_SHARE {
            return Vec::new();
        }
        open.into_iter().map(|source| source.source.as_str()).collect()
    }
}

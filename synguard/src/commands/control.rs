//! What `status` tells of the controller's work: as the controller has published it, or, without one, as the counters
//! and the journal show it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    config::Settings,
    duration,
    event::Kind,
    instance::Instance,
    policy::{self, Phase},
    snapshot::Snapshot,
    sysctl,
    view::View,
};

/// The attack, if there is one, and the cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) phase: Phase,
    /// When it began, in nanoseconds of CLOCK_MONOTONIC, if that is known.
    since_ns: Option<u64>,
    pub(super) kind: Option<Kind>,
    kernel_cookies: bool,
    pub(super) sysctl: Option<u8>,
    original: Option<u8>,
}

impl Control {
    pub(super) fn find(
        instance: &Instance,
        controller: Option<u32>,
        earlier: &Snapshot,
        now: &Snapshot,
        settings: &Settings,
    ) -> Self {
        let sysctl = sysctl::tcp_syncookies();
        if let Some(view) = controller.and_then(|pid| View::of(pid, &instance.run)) {
            let View { phase, phase_since_ns: since_ns, kind, kernel_cookies, original, .. } = view;
            return Self { phase, since_ns, kind, kernel_cookies, sysctl, original: original.or(sysctl) };
        }
        let kind = policy::glance(earlier, now, settings);
        let phase = if kind.is_some() { Phase::Attack } else { Phase::Calm };
        // One that was killed may have left it raised.
        let owed = sysctl::owed(&instance.run);
        Self {
            phase,
            since_ns: None,
            kind,
            kernel_cookies: owed.is_some(),
            sysctl,
            original: owed.or(sysctl),
        }
    }

    /// For how many seconds the phase has lasted at `now_ns`, if that is known.
    pub(super) fn phase_seconds(&self, now_ns: u64) -> Option<u64> {
        self.since_ns.map(|since_ns| now_ns.saturating_sub(since_ns) / 1_000_000_000)
    }

    /// The kind in one word: a mixed attack is a distributed one above all.
    pub(super) const fn kind_name(&self) -> Option<&'static str> {
        match self.kind {
            None => None,
            Some(Kind::Concentrated) => Some("concentrated"),
            Some(Kind::Distributed | Kind::Mixed) => Some("distributed"),
        }
    }

    pub(super) const fn kind_names(&self) -> &'static [&'static str] {
        match self.kind {
            None => &[],
            Some(Kind::Concentrated) => &["concentrated"],
            Some(Kind::Distributed) => &["distributed"],
            Some(Kind::Mixed) => &["concentrated", "distributed"],
        }
    }

    /// Who answers with cookies because of the filter.
    pub(super) const fn cookie_mode(&self) -> &'static str {
        if self.kernel_cookies { "kernel" } else { "off" }
    }

    pub(super) fn cookies_json(&self) -> Value {
        json!({ "mode": self.cookie_mode(), "sysctl": self.sysctl, "original": self.original })
    }

    pub(super) fn phase_text(&self, now_ns: u64) -> String {
        let mut text = self.phase.name().to_owned();
        if let Some(kind) = self.kind {
            text += &format!(" ({kind})");
        }
        if let Some(seconds) = self.phase_seconds(now_ns) {
            text += &format!(" for {}", duration::format(Duration::from_secs(seconds)));
        }
        text
    }

    pub(super) fn cookies_text(&self) -> String {
        let name = sysctl::NAME;
        match (self.kernel_cookies, self.sysctl, self.original) {
            (_, None, _) => format!("{name} cannot be read"),
            (true, Some(now), Some(before)) if now != before => {
                format!("the kernel answers every SYN with one: {name} is {now}, was {before}")
            }
            (true, Some(now), _) => format!("the kernel answers every SYN with one: {name} is {now}"),
            (false, Some(now), _) => format!("as the kernel is set: {name} is {now}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_is_so() {
        let calm = Control {
            phase: Phase::Calm,
            since_ns: None,
            kind: None,
            kernel_cookies: false,
            sysctl: Some(1),
            original: Some(1),
        };
        assert_eq!((calm.phase_text(0), calm.kind_name()), ("calm".to_owned(), None));
        assert_eq!(calm.cookies_json(), json!({ "mode": "off", "sysctl": 1, "original": 1 }));
        assert!(calm.cookies_text().ends_with("is 1"));
        let mixed = Control {
            phase: Phase::Attack,
            since_ns: Some(1_000_000_000),
            kind: Some(Kind::Mixed),
            kernel_cookies: true,
            sysctl: Some(2),
            original: Some(0),
        };
        assert_eq!(mixed.phase_text(91_999_999_999), "attack (concentrated and distributed) for 1m30s");
        assert_eq!((mixed.kind_name(), mixed.kind_names().len()), (Some("distributed"), 2));
        assert_eq!(mixed.cookies_json(), json!({ "mode": "kernel", "sysctl": 2, "original": 0 }));
        assert!(mixed.cookies_text().ends_with("is 2, was 0"));
        let unreadable = Control { sysctl: None, ..calm };
        assert!(unreadable.cookies_text().contains("cannot be read"));
    }
}

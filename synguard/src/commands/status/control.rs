//! What `status` tells of the controller's work: as the controller has published it, or, without one, as the counters
//! and the journal show it.

use std::time::Duration;

use serde_json::{Value, json};
use synguard_common::syn_cookie::config::{
    SYN_COOKIE_CHECK_ACKS, SYN_COOKIE_OPTIONS, SYN_COOKIE_REQUIRE_RETRANSMIT, SynCookieConfig,
};
use synguard_kernel::{instance::Instance, sysctl};
use synguard_model::{
    attack::{AttackKind, Phase},
    duration,
    event::Sysctl,
    settings::Settings,
    snapshot::Snapshot,
};

use crate::controller::status_file::ControllerStatus;

/// The attack, if there is one, and the cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) phase: Phase,
    /// When it began, in nanoseconds of CLOCK_MONOTONIC, if that is known.
    since_ns: Option<u64>,
    pub(crate) kind: Option<AttackKind>,
    kernel_cookies: bool,
    /// How the filter answers, if it does.
    answers: Option<Answers>,
    pub(crate) cookies: SysctlValues,
    pub(crate) timestamps: SysctlValues,
}

/// How the filter answers SYNs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answers {
    options: bool,
    second_syn: bool,
    check_acks: bool,
}

/// A setting of the kernel's, if it can be read, and what it was before the controller raised it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SysctlValues {
    pub(crate) now: Option<u8>,
    original: Option<u8>,
}

impl SysctlValues {
    /// Nobody has raised it, unless `original` says so.
    fn read(sysctl: Sysctl, original: Option<u8>) -> Self {
        let now = sysctl::read(sysctl);
        Self { now, original: original.or(now) }
    }

    fn json(self) -> Value {
        json!({ "sysctl": self.now, "original": self.original })
    }

    fn text(self, sysctl: Sysctl) -> String {
        let name = sysctl.name();
        match (self.now, self.original) {
            (None, _) => format!("{name} cannot be read"),
            (Some(now), Some(before)) if now != before => format!("{name} is {now}, was {before}"),
            (Some(now), _) => format!("{name} is {now}"),
        }
    }
}

impl Answers {
    /// What the program does at `now_ns`, whoever has told it.
    fn of(answering: &SynCookieConfig, now_ns: u64) -> Option<Self> {
        answering.is_on(now_ns).then(|| Self {
            options: answering.has(SYN_COOKIE_OPTIONS),
            second_syn: answering.has(SYN_COOKIE_REQUIRE_RETRANSMIT),
            check_acks: answering.has(SYN_COOKIE_CHECK_ACKS),
        })
    }
}

impl Control {
    pub(crate) fn find(
        instance: &Instance,
        controller: Option<u32>,
        earlier: &Snapshot,
        now: &Snapshot,
        settings: &Settings,
        answering: &SynCookieConfig,
    ) -> Self {
        let answers = Answers::of(answering, now.at_ns);
        let sysctls = |[cookies, timestamps]: [Option<u8>; 2]| {
            let cookies = SysctlValues::read(Sysctl::Syncookies, cookies);
            (cookies, SysctlValues::read(Sysctl::Timestamps, timestamps))
        };
        if let Some(view) = controller.and_then(|pid| ControllerStatus::read(pid, &instance.run)) {
            let ControllerStatus { phase, phase_since_ns: since_ns, kind, kernel_cookies, .. } = view;
            let (cookies, timestamps) = sysctls([view.original, view.timestamps_original]);
            return Self { phase, since_ns, kind, kernel_cookies, answers, cookies, timestamps };
        }
        let kind = synguard_policy::classify_once(earlier, now, settings);
        let phase = if kind.is_some() { Phase::Attack } else { Phase::Calm };
        // One that was killed may have left them raised.
        let pending = Sysctl::ALL.map(|sysctl| sysctl::pending_restore(&instance.run, sysctl));
        let kernel_cookies = pending[0].is_some();
        let (cookies, timestamps) = sysctls(pending);
        Self { phase, since_ns: None, kind, kernel_cookies, answers, cookies, timestamps }
    }

    /// For how many seconds the phase has lasted at `now_ns`, if that is known.
    pub(crate) fn phase_seconds(&self, now_ns: u64) -> Option<u64> {
        self.since_ns.map(|since_ns| now_ns.saturating_sub(since_ns) / 1_000_000_000)
    }

    /// The kind in one word: a mixed attack is a distributed one above all.
    pub(crate) const fn kind_name(&self) -> Option<&'static str> {
        match self.kind {
            None => None,
            Some(AttackKind::Concentrated) => Some("concentrated"),
            Some(AttackKind::Distributed | AttackKind::Mixed) => Some("distributed"),
        }
    }

    pub(crate) const fn kind_names(&self) -> &'static [&'static str] {
        match self.kind {
            None => &[],
            Some(AttackKind::Concentrated) => &["concentrated"],
            Some(AttackKind::Distributed) => &["distributed"],
            Some(AttackKind::Mixed) => &["concentrated", "distributed"],
        }
    }

    /// Who answers with cookies because of the filter.
    pub(crate) const fn cookie_mode(&self) -> &'static str {
        match (self.answers, self.kernel_cookies) {
            (Some(_), _) => "xdp",
            (None, true) => "kernel",
            (None, false) => "off",
        }
    }

    pub(crate) fn cookies_json(&self) -> Value {
        let SysctlValues { now, original } = self.cookies;
        json!({ "mode": self.cookie_mode(), "sysctl": now, "original": original })
    }

    pub(crate) fn timestamps_json(&self) -> Value {
        self.timestamps.json()
    }

    /// How SYNs are answered, or null.
    pub(crate) fn answering_json(&self) -> Value {
        let json = |Answers { options, second_syn, check_acks }| json!({ "options": options, "first_syn": second_syn, "check_acks": check_acks });
        self.answers.map_or(Value::Null, json)
    }

    pub(crate) fn phase_text(&self, now_ns: u64) -> String {
        let mut text = self.phase.name().to_owned();
        if let Some(kind) = self.kind {
            text += &format!(" ({kind})");
        }
        if let Some(seconds) = self.phase_seconds(now_ns) {
            text += &format!(" for {}", duration::format(Duration::from_secs(seconds)));
        }
        text
    }

    pub(crate) fn cookies_text(&self) -> String {
        let cookies = self.cookies.text(Sysctl::Syncookies);
        let Some(Answers { options, second_syn, .. }) = self.answers else {
            let who = if self.kernel_cookies {
                "the kernel answers every SYN with one"
            } else {
                "as the kernel is set"
            };
            return if self.cookies.now.is_none() { cookies } else { format!("{who}: {cookies}") };
        };
        let how = if options { "keeping the options" } else { "with the MSS only" };
        let first = if second_syn { ", when they are sent again" } else { "" };
        let timestamps = self.timestamps.text(Sysctl::Timestamps);
        format!("SYNs are answered in the driver, {how}{first}: {cookies}; {timestamps}")
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
            answers: None,
            cookies: SysctlValues { now: Some(1), original: Some(1) },
            timestamps: SysctlValues { now: Some(1), original: Some(1) },
        };
        assert_eq!((calm.phase_text(0), calm.kind_name()), ("calm".to_owned(), None));
        assert_eq!(calm.cookies_json(), json!({ "mode": "off", "sysctl": 1, "original": 1 }));
        assert!(calm.cookies_text().ends_with("is 1"));
        let mixed = Control {
            phase: Phase::Attack,
            since_ns: Some(1_000_000_000),
            kind: Some(AttackKind::Mixed),
            kernel_cookies: true,
            cookies: SysctlValues { now: Some(2), original: Some(0) },
            ..calm.clone()
        };
        assert_eq!(mixed.phase_text(91_999_999_999), "attack (concentrated and distributed) for 1m30s");
        assert_eq!((mixed.kind_name(), mixed.kind_names().len()), (Some("distributed"), 2));
        assert_eq!(mixed.cookies_json(), json!({ "mode": "kernel", "sysctl": 2, "original": 0 }));
        assert!(mixed.cookies_text().ends_with("is 2, was 0"));
        let answers = Answers { options: true, second_syn: false, check_acks: true };
        let timestamps = SysctlValues { now: Some(2), original: Some(1) };
        let answering = Control { answers: Some(answers), timestamps, ..mixed.clone() };
        assert_eq!(answering.cookie_mode(), "xdp");
        assert_eq!(
            answering.cookies_text(),
            "SYNs are answered in the driver, keeping the options: net.ipv4.tcp_syncookies is 2, was 0; \
             net.ipv4.tcp_timestamps is 2, was 1"
        );
        assert_eq!(answering.timestamps_json(), json!({ "sysctl": 2, "original": 1 }));
        let expected = json!({ "options": true, "first_syn": false, "check_acks": true });
        assert_eq!((answering.answering_json(), mixed.answering_json()), (expected, Value::Null));
        let unreadable = Control { cookies: SysctlValues::default(), ..calm };
        assert!(unreadable.cookies_text().contains("cannot be read"));
    }
}

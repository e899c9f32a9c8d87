//! Phase, attack and SYN cookies: as the controller publishes them or, without a controller, as the counters and the saved
//! sysctl values show them.

use std::time::Duration;

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
    time::Monotonic,
};

use crate::{
    controller::status_file::ControllerStatus,
    output::{AttackKindJson, CookieModeJson, CookiesJson, SysctlJson, XdpCookiesJson},
};

/// The attack, if there is one, and the SYN cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ControlState {
    pub(crate) phase: Phase,
    /// Beginning of the phase, if known.
    since: Option<Monotonic>,
    pub(crate) kind: Option<AttackKind>,
    /// The controller raised `tcp_syncookies` so that the kernel replies to every SYN with a cookie.
    kernel_cookies: bool,
    /// Options of the SYN cookies that XDP sends; `None` while it sends none.
    xdp_cookies: Option<XdpCookiesJson>,
    pub(crate) cookies: SysctlValues,
    pub(crate) timestamps: SysctlValues,
}

/// A kernel setting's present value, if it can be read, and its value before the controller raised it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SysctlValues {
    pub(crate) now: Option<u8>,
    original: Option<u8>,
}

impl SysctlValues {
    /// Reads the setting. Without an `original` value nobody has raised it.
    fn new(sysctl: Sysctl, original: Option<u8>) -> Self {
        let now = sysctl::read(sysctl);
        Self { now, original: original.or(now) }
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

impl From<SysctlValues> for SysctlJson {
    fn from(SysctlValues { now, original }: SysctlValues) -> Self {
        Self { sysctl: now, original }
    }
}

/// Returns the options of the SYN cookies that XDP sends at `now_ns`, or `None` if it sends none.
fn xdp_cookies(config: &SynCookieConfig, now_ns: u64) -> Option<XdpCookiesJson> {
    config.is_on(now_ns).then(|| XdpCookiesJson {
        options: config.has(SYN_COOKIE_OPTIONS),
        first_syn: config.has(SYN_COOKIE_REQUIRE_RETRANSMIT),
        check_acks: config.has(SYN_COOKIE_CHECK_ACKS),
    })
}

impl ControlState {
    /// Reads the state that the controller with this process id published, or derives it from two snapshots.
    pub(crate) fn read(
        instance: &Instance,
        controller: Option<u32>,
        earlier: &Snapshot,
        now: &Snapshot,
        settings: &Settings,
        config: &SynCookieConfig,
    ) -> Self {
        let xdp_cookies = xdp_cookies(config, now.at.as_ns());
        let sysctls = |[cookies, timestamps]: [Option<u8>; 2]| {
            let cookies = SysctlValues::new(Sysctl::Syncookies, cookies);
            (cookies, SysctlValues::new(Sysctl::Timestamps, timestamps))
        };
        if let Some(published) = controller.and_then(|pid| ControllerStatus::read(pid, &instance.run)) {
            let ControllerStatus { phase, phase_since: since, kind, kernel_cookies, .. } = published;
            let (cookies, timestamps) = sysctls([published.original, published.timestamps_original]);
            return Self { phase, since, kind, kernel_cookies, xdp_cookies, cookies, timestamps };
        }
        let kind = synguard_policy::classify_once(earlier, now, settings);
        let phase = if kind.is_some() { Phase::Attack } else { Phase::Calm };
        // A controller that was killed may have left its sysctls raised.
        let pending = Sysctl::ALL.map(|sysctl| sysctl::pending_restore(&instance.run, sysctl));
        let kernel_cookies = pending[0].is_some();
        let (cookies, timestamps) = sysctls(pending);
        Self { phase, since: None, kind, kernel_cookies, xdp_cookies, cookies, timestamps }
    }

    /// Returns the seconds from the beginning of the phase to `now`, if the beginning is known.
    pub(crate) fn phase_seconds(&self, now: Monotonic) -> Option<u64> {
        self.since.map(|since| now.since(since).as_secs())
    }

    /// Returns the kind in one word. An attack of both kinds counts as distributed.
    pub(crate) fn main_kind(&self) -> Option<AttackKindJson> {
        self.kinds().last().copied()
    }

    /// Returns every kind of the attack.
    pub(crate) const fn kinds(&self) -> &'static [AttackKindJson] {
        use AttackKindJson::{Concentrated, Distributed};
        match self.kind {
            None => &[],
            Some(AttackKind::Concentrated) => &[Concentrated],
            Some(AttackKind::Distributed) => &[Distributed],
            Some(AttackKind::Mixed) => &[Concentrated, Distributed],
        }
    }

    /// Returns every kind of the attack in one word.
    pub(crate) fn kinds_text(&self) -> String {
        self.kinds().iter().map(|kind| kind.name()).collect::<Vec<_>>().join("+")
    }

    /// Reports whether a kernel setting has a raised value that will be restored.
    pub(super) fn has_raised_sysctl(&self) -> bool {
        [self.cookies, self.timestamps].iter().any(|values| values.now != values.original)
    }

    /// Returns the sender of SYN cookies that synguard determined.
    pub(crate) const fn cookie_mode(&self) -> CookieModeJson {
        match (self.xdp_cookies, self.kernel_cookies) {
            (Some(_), _) => CookieModeJson::Xdp,
            (None, true) => CookieModeJson::Kernel,
            (None, false) => CookieModeJson::Off,
        }
    }

    pub(super) fn cookies_json(&self) -> CookiesJson {
        CookiesJson { mode: self.cookie_mode(), syncookies: self.cookies.into() }
    }

    pub(super) const fn xdp_cookies_json(&self) -> Option<XdpCookiesJson> {
        self.xdp_cookies
    }

    pub(super) fn phase_text(&self, now: Monotonic) -> String {
        let mut text = self.phase.name().to_owned();
        if let Some(kind) = self.kind {
            text += &format!(" ({kind})");
        }
        if let Some(seconds) = self.phase_seconds(now) {
            text += &format!(" for {}", duration::format(Duration::from_secs(seconds)));
        }
        text
    }

    pub(super) fn cookies_text(&self) -> String {
        let syncookies = self.cookies.text(Sysctl::Syncookies);
        let Some(XdpCookiesJson { options, first_syn, .. }) = self.xdp_cookies else {
            let sender = if self.kernel_cookies {
                "the kernel replies to every SYN with a SYN cookie"
            } else {
                "the kernel's setting is unchanged"
            };
            return if self.cookies.now.is_none() { syncookies } else { format!("{sender}: {syncookies}") };
        };
        let options = if options { "with TCP options" } else { "with the MSS only" };
        let syns = if first_syn { "retransmitted SYNs" } else { "SYNs" };
        let timestamps = self.timestamps.text(Sysctl::Timestamps);
        format!("XDP replies to {syns} with SYN cookies, {options}: {syncookies}; {timestamps}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_and_json_describe_the_state() {
        let calm = ControlState {
            phase: Phase::Calm,
            since: None,
            kind: None,
            kernel_cookies: false,
            xdp_cookies: None,
            cookies: SysctlValues { now: Some(1), original: Some(1) },
            timestamps: SysctlValues { now: Some(1), original: Some(1) },
        };
        let cookies = |state: &ControlState| serde_json::to_value(state.cookies_json()).expect("serialises");
        assert_eq!((calm.phase_text(Monotonic::default()), calm.main_kind()), ("calm".to_owned(), None));
        assert_eq!(cookies(&calm), json!({ "mode": "off", "sysctl": 1, "original": 1 }));
        assert!(calm.cookies_text().ends_with("is 1") && !calm.has_raised_sysctl());
        let mixed = ControlState {
            phase: Phase::Attack,
            since: Some(Monotonic::from_ns(1_000_000_000)),
            kind: Some(AttackKind::Mixed),
            kernel_cookies: true,
            cookies: SysctlValues { now: Some(2), original: Some(0) },
            ..calm
        };
        assert_eq!(
            mixed.phase_text(Monotonic::from_ns(91_999_999_999)),
            "attack (concentrated and distributed) for 1m30s"
        );
        assert_eq!((mixed.main_kind(), mixed.kinds().len()), (Some(AttackKindJson::Distributed), 2));
        assert_eq!(cookies(&mixed), json!({ "mode": "kernel", "sysctl": 2, "original": 0 }));
        assert!(mixed.cookies_text().ends_with("is 2, was 0") && mixed.has_raised_sysctl());
        let options = XdpCookiesJson { options: true, first_syn: false, check_acks: true };
        let timestamps = SysctlValues { now: Some(2), original: Some(1) };
        let xdp = ControlState { xdp_cookies: Some(options), timestamps, ..mixed };
        assert_eq!(xdp.cookie_mode(), CookieModeJson::Xdp);
        assert_eq!(
            xdp.cookies_text(),
            "XDP replies to SYNs with SYN cookies, with TCP options: net.ipv4.tcp_syncookies is 2, was 0; \
             net.ipv4.tcp_timestamps is 2, was 1"
        );
        let json = |value| serde_json::to_value(value).expect("serialises");
        let timestamps = serde_json::to_value(SysctlJson::from(xdp.timestamps)).expect("serialises");
        assert_eq!(timestamps, json!({ "sysctl": 2, "original": 1 }));
        let expected = json!({ "options": true, "first_syn": false, "check_acks": true });
        let found = (json(xdp.xdp_cookies_json()), json(mixed.xdp_cookies_json()));
        assert_eq!(found, (expected, serde_json::Value::Null));
        let unreadable = ControlState { cookies: SysctlValues::default(), ..calm };
        assert!(unreadable.cookies_text().contains("cannot be read"));
    }
}

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
    situation::{AttackCourse, CookieSender, Visitors},
    snapshot::Snapshot,
    time::Monotonic,
};

use super::protection::ControllerHealth;
use crate::{
    controller::status_file::ControllerStatus,
    output::{AttackKindJson, CookieModeJson, CookiesJson, SysctlJson, XdpCookiesJson},
};

/// The attack, if there is one, the SYN cookies, and the server's connections.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ControlState {
    pub(crate) phase: Phase,
    /// Beginning of the phase, if known.
    since: Option<Monotonic>,
    /// The time at which all is calm if no further flood comes, if known.
    pub(super) calm_at: Option<Monotonic>,
    pub(crate) kind: Option<AttackKind>,
    /// Unknown unless a controller responds.
    pub(super) attack: Option<AttackCourse>,
    /// The controller raised `tcp_syncookies` so that the kernel replies to every SYN with a cookie.
    kernel_cookies: bool,
    /// Options of the SYN cookies that XDP sends; `None` while it sends none.
    xdp_cookies: Option<XdpCookiesJson>,
    pub(crate) cookies: SysctlValues,
    pub(crate) timestamps: SysctlValues,
    /// Unknown unless a controller responds.
    pub(super) visitors: Visitors,
    /// Automatic blocks in force, if known.
    pub(super) auto_blocks: Option<usize>,
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
        let name = name.strip_prefix("net.ipv4.").unwrap_or(name);
        match (self.now, self.original) {
            (None, _) => format!("{name} cannot be read"),
            (Some(now), Some(before)) if now != before => format!("{name} {now} (was {before})"),
            (Some(now), _) => format!("{name} {now}"),
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
    /// Reads the state that the controller published. Where there is none, or one that does not respond, the phase is derived from
    /// two snapshots.
    pub(super) fn read(
        instance: &Instance,
        controller: Option<ControllerHealth>,
        earlier: &Snapshot,
        now: &Snapshot,
        settings: &Settings,
        config: &SynCookieConfig,
    ) -> Self {
        let xdp_cookies = xdp_cookies(config, now.at.as_ns());
        let published = controller.and_then(|health| ControllerStatus::read(health.pid, &instance.run));
        let [cookies, timestamps] = match &published {
            Some(published) => [published.original, published.timestamps_original],
            // A controller that was killed may have left its sysctls raised.
            None => Sysctl::ALL.map(|sysctl| sysctl::pending_restore(&instance.run, sysctl)),
        };
        let kernel_cookies =
            published.as_ref().map_or(cookies.is_some(), |published| published.kernel_cookies);
        let kind = synguard_policy::classify_once(earlier, now, settings);
        let derived = Self {
            phase: if kind.is_some() { Phase::Attack } else { Phase::Calm },
            since: None,
            calm_at: None,
            kind,
            attack: None,
            kernel_cookies,
            xdp_cookies,
            cookies: SysctlValues::new(Sysctl::Syncookies, cookies),
            timestamps: SysctlValues::new(Sysctl::Timestamps, timestamps),
            visitors: Visitors::default(),
            auto_blocks: None,
        };
        match published {
            Some(published) if controller.is_some_and(ControllerHealth::is_responding) => Self {
                phase: published.phase,
                since: published.phase_since,
                calm_at: published.calm_at,
                kind: published.kind,
                attack: published.attack,
                visitors: published.visitors,
                auto_blocks: Some(published.auto_blocks),
                ..derived
            },
            _ => derived,
        }
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

    /// Returns the sender of SYN cookies with what operators have to know of it.
    pub(super) fn cookie_sender(&self) -> CookieSender {
        match (self.xdp_cookies, self.kernel_cookies) {
            (Some(XdpCookiesJson { first_syn, .. }), _) => CookieSender::Xdp { first_syn },
            (None, true) => CookieSender::Kernel,
            (None, false) => CookieSender::Unchanged,
        }
    }

    /// Describes the kernel's settings, and what they mean for SYN cookies or when they get their old values back.
    pub(super) fn kernel_text(&self, is_controlled: bool) -> String {
        let values = format!(
            "{}, {}",
            self.cookies.text(Sysctl::Syncookies),
            self.timestamps.text(Sysctl::Timestamps)
        );
        if self.has_raised_sysctl() {
            let when = if is_controlled { "after the attack" } else { "by the next `attach` or `detach`" };
            return format!("{values}: restored {when}");
        }
        match self.cookies.now {
            Some(0) => format!("{values}: no SYN cookies"),
            Some(1) => format!("{values}: SYN cookies on demand, when a listen queue is full"),
            Some(_) => format!("{values}: SYN cookies always"),
            None => values,
        }
    }

    /// Describes the SYN cookies that synguard had sent; `None` if it leaves them to the kernel's settings.
    pub(super) fn cookies_text(&self) -> Option<String> {
        match (self.xdp_cookies, self.kernel_cookies) {
            (Some(XdpCookiesJson { options, first_syn, .. }), _) => {
                let options = if options { "with TCP options" } else { "without window scaling and SACK" };
                let syns = if first_syn { "retransmitted SYNs" } else { "SYNs" };
                Some(format!("XDP replies to {syns} with SYN cookies, {options}"))
            }
            (None, true) => Some("the kernel replies to every SYN with a SYN cookie".to_owned()),
            (None, false) => None,
        }
    }
}

#[cfg(test)]
impl ControlState {
    /// Returns the state of a controller that has seen nothing.
    pub(super) fn calm() -> Self {
        Self {
            phase: Phase::Calm,
            since: None,
            calm_at: None,
            kind: None,
            attack: None,
            kernel_cookies: false,
            xdp_cookies: None,
            cookies: SysctlValues { now: Some(1), original: Some(1) },
            timestamps: SysctlValues { now: Some(1), original: Some(1) },
            visitors: Visitors::default(),
            auto_blocks: Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_and_json_describe_the_state() {
        let calm = ControlState::calm();
        let cookies = |state: &ControlState| serde_json::to_value(state.cookies_json()).expect("serialises");
        assert_eq!((calm.phase_text(Monotonic::default()), calm.main_kind()), ("calm".to_owned(), None));
        assert_eq!(cookies(&calm), json!({ "mode": "off", "sysctl": 1, "original": 1 }));
        assert_eq!((calm.cookies_text(), calm.cookie_sender()), (None, CookieSender::Unchanged));
        assert_eq!(
            calm.kernel_text(true),
            "tcp_syncookies 1, tcp_timestamps 1: SYN cookies on demand, when a listen queue is full"
        );
        assert!(!calm.has_raised_sysctl());
        let mixed = ControlState {
            phase: Phase::Attack,
            since: Some(Monotonic::from_ns(1_000_000_000)),
            kind: Some(AttackKind::Mixed),
            kernel_cookies: true,
            cookies: SysctlValues { now: Some(2), original: Some(0) },
            ..calm.clone()
        };
        assert_eq!(
            mixed.phase_text(Monotonic::from_ns(91_999_999_999)),
            "attack (concentrated and distributed) for 1m30s"
        );
        assert_eq!((mixed.main_kind(), mixed.kinds().len()), (Some(AttackKindJson::Distributed), 2));
        assert_eq!(cookies(&mixed), json!({ "mode": "kernel", "sysctl": 2, "original": 0 }));
        assert_eq!(
            mixed.cookies_text().as_deref(),
            Some("the kernel replies to every SYN with a SYN cookie")
        );
        assert_eq!(mixed.cookie_sender(), CookieSender::Kernel);
        assert_eq!(
            mixed.kernel_text(true),
            "tcp_syncookies 2 (was 0), tcp_timestamps 1: restored after the attack"
        );
        assert!(mixed.kernel_text(false).ends_with("restored by the next `attach` or `detach`"));
        assert!(mixed.has_raised_sysctl());
        let options = XdpCookiesJson { options: true, first_syn: false, check_acks: true };
        let timestamps = SysctlValues { now: Some(2), original: Some(1) };
        let xdp = ControlState { xdp_cookies: Some(options), timestamps, ..mixed.clone() };
        assert_eq!(xdp.cookie_mode(), CookieModeJson::Xdp);
        assert_eq!(
            xdp.cookies_text().as_deref(),
            Some("XDP replies to SYNs with SYN cookies, with TCP options")
        );
        assert_eq!(xdp.cookie_sender(), CookieSender::Xdp { first_syn: false });
        assert_eq!(
            xdp.kernel_text(true),
            "tcp_syncookies 2 (was 0), tcp_timestamps 2 (was 1): restored after the attack"
        );
        let json = |value| serde_json::to_value(value).expect("serialises");
        let timestamps = serde_json::to_value(SysctlJson::from(xdp.timestamps)).expect("serialises");
        assert_eq!(timestamps, json!({ "sysctl": 2, "original": 1 }));
        let expected = json!({ "options": true, "first_syn": false, "check_acks": true });
        let found = (json(xdp.xdp_cookies_json()), json(mixed.xdp_cookies_json()));
        assert_eq!(found, (expected, serde_json::Value::Null));
        let unreadable = ControlState { cookies: SysctlValues::default(), ..calm };
        assert!(unreadable.kernel_text(true).starts_with("tcp_syncookies cannot be read"));
    }
}

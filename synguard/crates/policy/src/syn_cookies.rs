//! Decides who sends SYN cookies during a distributed flood, the kernel or XDP, and which kernel settings must change for
//! that. Pure.

use std::time::Duration;

use synguard_model::{
    attack::Phase,
    event::{AttackRates, Event, Sysctl},
    settings::{Cookies, DropFirstSyn, Settings},
    tcp_counters::TcpCounters,
    time::Monotonic,
};

use crate::{Action, Observation, phase::PhaseMachine, syn_retransmit::RetransmitSwitch};

/// SYNs per second up to which the kernel sends cookies cheaply: about a tenth of a core. With `cookies = auto` XDP sends
/// them from this rate on, until the rate falls below half of it.
const CHEAP: f64 = 20_000.0;
/// Delay before XDP cookies carry TCP options, if the kernel sent cookies before: those still in flight would
/// be decoded with the new timestamp setting.
const OPTIONS_DELAY: Duration = Duration::from_millis(500);
/// Time for which a cookie with options may be in flight; the timestamp setting stays for as long.
const IN_FLIGHT: Duration = Duration::from_secs(2);
/// Minimum observation window before judging whether cookies work.
const CHECK: Duration = Duration::from_secs(2);
/// Returned cookies that such a judgement needs.
const RETURNED_MIN: u64 = 10;

/// The place where the filter's program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attachment {
    /// On no interface, or on one in another network namespace, whose kernel settings are out of reach.
    #[default]
    None,
    /// On some interface in the kernel's slower generic path.
    Generic,
    /// In the driver of every interface.
    Native,
}

/// The mode in which XDP sends SYN cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CookieMode {
    /// Cookies carry TCP options in the timestamp, if the kernel decodes them.
    pub options: bool,
    /// A new SYN is dropped, and its retransmission gets a cookie.
    pub require_retransmit: bool,
}

/// The counts at the latest judgement of whether cookies work.
#[derive(Clone, Debug)]
struct CookieCheck {
    at: Monotonic,
    tcp: TcpCounters,
    xdp_cookies: u64,
    is_refusal_reported: bool,
}

/// The state of SYN cookies: what the kernel and XDP should do.
#[derive(Clone, Debug, Default)]
pub(super) struct SynCookies {
    wants_syncookies: bool,
    wants_timestamps: bool,
    mode: Option<CookieMode>,
    /// The phase of a load that is too expensive for the kernel.
    load: PhaseMachine,
    retransmit: RetransmitSwitch,
    options_from: Monotonic,
    /// Latest time at which a cookie with options may have been sent.
    options_sent: Monotonic,
    is_unavailable_reported: bool,
    check: Option<CookieCheck>,
    would: WouldBe,
}

/// The countermeasures that monitor mode prevented in this attack, each reported once.
#[derive(Clone, Copy, Debug, Default)]
struct WouldBe {
    raised: bool,
    sent: bool,
}

impl WouldBe {
    /// Reports what would be done in a `phase` of the distributed flood.
    fn step(&mut self, phase: Phase, sends: bool, rates: AttackRates, actions: &mut Vec<Action>) {
        if phase == Phase::Calm {
            *self = Self::default();
            return;
        }
        if !std::mem::replace(&mut self.raised, true) {
            actions.push(Action::WouldRaiseSyncookies(rates));
        }
        if sends && !std::mem::replace(&mut self.sent, true) {
            actions.push(Action::Report(Event::WouldSendXdpCookies { rates }));
        }
    }
}

impl SynCookies {
    pub(super) const fn wants_syncookies(&self) -> bool {
        self.wants_syncookies
    }

    /// Returns the mode in which XDP should send cookies, if it should.
    pub(super) const fn mode(&self) -> Option<CookieMode> {
        self.mode
    }

    /// Decides at `now`, in the phase of the distributed flood. Actions are in an order that is safe at each moment: the
    /// kernel is ready before XDP sends cookies, and its settings are restored after XDP stopped.
    pub(super) fn step(
        &mut self,
        observation: &Observation<'_>,
        (phase, hold): (Phase, Duration),
        rates: AttackRates,
        now: Monotonic,
        actions: &mut Vec<Action>,
    ) {
        let settings = observation.settings;
        let is_wanted = settings.cookies != Cookies::Off;
        let allowed = is_wanted && !settings.monitor;
        let wants_syncookies = allowed && phase != Phase::Calm;
        let is_for_xdp = self.is_for_xdp(observation, phase, &rates, hold, now);
        let sends = is_for_xdp && allowed;
        // The state of what would be done begins anew when monitor mode ends.
        let would_phase = if is_wanted && settings.monitor { phase } else { Phase::Calm };
        self.would.step(would_phase, is_for_xdp, rates, actions);
        let require_retransmit = self.step_retransmit(sends, settings, rates, now, actions);
        let options = self.step_options(sends, wants_syncookies, settings, &rates, now);
        let is_in_flight = now.since(self.options_sent) < IN_FLIGHT;
        let wants_timestamps = options || self.wants_timestamps && is_in_flight;
        let mode = sends.then_some(CookieMode { options, require_retransmit });
        if self.mode.is_some() && mode.is_none() {
            let why = match phase {
                _ if !allowed => "as set",
                Phase::Attack if settings.cookies == Cookies::Kernel => "as set",
                Phase::Attack if observation.attachment == Attachment::None => {
                    "the filter is on no interface here"
                }
                Phase::Attack => "SYN rate low again",
                Phase::Recovering | Phase::Calm => "flood stopped",
            };
            actions.push(Action::StopXdpCookies(why));
        }
        for (sysctl, before, now) in [
            (Sysctl::Syncookies, self.wants_syncookies, wants_syncookies),
            (Sysctl::Timestamps, self.wants_timestamps, wants_timestamps),
        ] {
            match (before, now) {
                (false, true) => actions.push(Action::RaiseSysctl(sysctl, rates)),
                (true, false) => actions.push(Action::RestoreSysctl(sysctl)),
                _ => {}
            }
        }
        if let Some(mode) = mode.filter(|mode| self.mode != Some(*mode)) {
            actions.push(Action::SendXdpCookies(mode, rates));
        }
        (self.wants_syncookies, self.wants_timestamps, self.mode) =
            (wants_syncookies, wants_timestamps, mode);
        self.check_connections(observation, now, actions);
        self.report_unavailable(observation, phase == Phase::Attack && allowed, actions);
    }

    /// Reports whether XDP should send the cookies. Only during the attack: when it recovers, the kernel takes over again.
    fn is_for_xdp(
        &mut self,
        observation: &Observation<'_>,
        phase: Phase,
        rates: &AttackRates,
        hold: Duration,
        now: Monotonic,
    ) -> bool {
        if phase == Phase::Calm {
            self.load = PhaseMachine::default();
        } else {
            let level = (rates.syn_rate - rates.excess_rate - rates.blocked_rate) / CHEAP;
            self.load.step_patiently(level, hold, now);
        }
        let setting = observation.settings.cookies;
        let is_wanted = match (setting, observation.attachment) {
            (Cookies::Xdp, attachment) => attachment != Attachment::None,
            // The generic path saves too little to change the kernel's timestamps without being asked to.
            (Cookies::Auto, Attachment::Native) => self.load.phase() == Phase::Attack,
            _ => false,
        };
        is_wanted && phase == Phase::Attack
    }

    fn step_retransmit(
        &mut self,
        sends: bool,
        settings: &Settings,
        rates: AttackRates,
        now: Monotonic,
        actions: &mut Vec<Action>,
    ) -> bool {
        let allowed = sends && settings.drop_first_syn == DropFirstSyn::Auto && settings.syn_cookie_rate != 0;
        let was_on = self.retransmit.is_on();
        let is_on = self.retransmit.step(allowed, &rates, now);
        match (was_on, is_on) {
            (false, true) => actions.push(Action::Report(Event::RetransmitRequired { rates })),
            (true, false) => actions.push(Action::Report(Event::RetransmitNotRequired { rates })),
            _ => {}
        }
        is_on
    }

    fn step_options(
        &mut self,
        sends: bool,
        wants_syncookies: bool,
        settings: &Settings,
        rates: &AttackRates,
        now: Monotonic,
    ) -> bool {
        if sends && self.mode.is_none() {
            let no_kernel_cookies =
                self.wants_timestamps || rates.cookies_sent_rate.is_some_and(|rate| rate == 0.0);
            self.options_from = now + if no_kernel_cookies { Duration::ZERO } else { OPTIONS_DELAY };
        }
        let options = sends && settings.syn_cookie_options && now >= self.options_from;
        // The kernel's own cookies carry options as well, and are decoded with the setting at the time of their return.
        if options || self.wants_timestamps && wants_syncookies && !sends {
            self.options_sent = now;
        }
        options
    }

    /// Reports once an attack that XDP should send cookies but runs nowhere.
    fn report_unavailable(
        &mut self,
        observation: &Observation<'_>,
        is_attack: bool,
        actions: &mut Vec<Action>,
    ) {
        if !is_attack {
            self.is_unavailable_reported = false;
            return;
        }
        let is_unavailable =
            observation.settings.cookies == Cookies::Xdp && observation.attachment == Attachment::None;
        if is_unavailable && !self.is_unavailable_reported {
            self.is_unavailable_reported = true;
            let why = "the filter is on no interface of this network namespace, or also on one of another";
            actions.push(Action::Report(Event::XdpCookiesUnavailable { why: why.to_owned() }));
        }
    }

    /// Reports once an attack if the kernel refuses most of the returned cookies, its own or XDP's.
    fn check_connections(
        &mut self,
        observation: &Observation<'_>,
        now: Monotonic,
        actions: &mut Vec<Action>,
    ) {
        let snapshot = observation.snapshot;
        let Some(tcp) = snapshot.tcp.filter(|_| self.wants_syncookies) else {
            self.check = None;
            return;
        };
        let xdp_cookies = snapshot.counters.xdp_cookies();
        let first = CookieCheck { at: now, tcp, xdp_cookies, is_refusal_reported: false };
        let check = self.check.get_or_insert(first);
        let delta = tcp.since(&check.tcp);
        let (received, failed) = (delta.cookies_received, delta.cookies_failed);
        if now.since(check.at) < CHECK || received + failed < RETURNED_MIN {
            return;
        }
        if failed > received && !check.is_refusal_reported {
            check.is_refusal_reported = true;
            let sent = delta.cookies_sent + xdp_cookies.saturating_sub(check.xdp_cookies);
            actions.push(Action::Report(Event::CookiesRefused { sent, received, failed }));
        }
        (check.at, check.tcp, check.xdp_cookies) = (now, tcp, xdp_cookies);
    }
}

#[cfg(test)]
#[path = "syn_cookies_tests.rs"]
mod tests;

//! Who answers SYNs with cookies while a distributed flood lasts, the kernel or the filter, and what the kernel has to
//! be told for that. Pure.

use synguard_common::reason::Reason;
use synguard_model::{
    attack::Phase,
    event::{AttackRates, Event},
    settings::{self, Cookies, Settings},
    tcp_counters::TcpCounters,
};

use crate::{Action, Observation, phase::Machine, syn_retransmit::FirstSyn};

/// SYNs a second up to which the kernel answers cheaply: about a tenth of a core. With `cookies = auto` the filter
/// answers from there on, until it is half of that.
const CHEAP: f64 = 20_000.0;
/// After the kernel has sent cookies, how long the filter's carry no options: so long those of the kernel may be on
/// their way, whose timestamps would be read wrongly once the setting is another. In nanoseconds.
const OPTIONS_DELAY_NS: u64 = 500_000_000;
/// How long a cookie with options may be on its way, in nanoseconds: so long the timestamps stay as they are.
const ON_ITS_WAY_NS: u64 = 2_000_000_000;
/// For how long at least it is looked whether cookies help, in nanoseconds.
const CHECK_NS: u64 = 2_000_000_000;
/// Cookies that came back by which it can be told.
const RETURNED_MIN: u64 = 10;
/// For how long the filter does not answer when what it answered came to nothing, in nanoseconds.
const GIVEN_UP_NS: u64 = 3_600_000_000_000;

/// Where the filter's program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attachment {
    /// On no interface, or on one in another network namespace, whose kernel settings are out of reach.
    #[default]
    None,
    /// On some interface in the kernel's slower generic path.
    Generic,
    /// In the driver of every interface, but behind it the packet filter may send what comes in to somewhere else, where
    /// an answer means nothing.
    NativeBehindNat,
    /// In the driver of every interface.
    Native,
}

/// How the filter is to answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CookieMode {
    /// Answers carry a connection's options, if the kernel reads them: in the timestamp.
    pub options: bool,
    /// A new SYN is dropped, and answered when it is sent again.
    pub second_syn: bool,
}

/// Whether cookies help, looked at now and then: what was counted when it last was.
#[derive(Clone, Debug)]
struct Check {
    at_ns: u64,
    tcp: TcpCounters,
    answered: u64,
    /// ACKs with a valid cookie that the filter has seen.
    acks: u64,
    has_complained: bool,
}

/// What is wanted of the kernel and of the filter.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    wants_cookies: bool,
    wants_timestamps: bool,
    orders: Option<CookieMode>,
    /// Whether it is more than the kernel answers cheaply.
    load: Machine,
    first_syn: FirstSyn,
    options_from_ns: u64,
    /// When a cookie with options may last have been sent.
    carried_ns: u64,
    has_said_unavailable: bool,
    check: Option<Check>,
    /// When what the filter answered came to nothing, and what was set then.
    given_up: Option<(u64, Cookies)>,
}

impl Answers {
    pub(super) const fn wants_cookies(&self) -> bool {
        self.wants_cookies
    }

    /// How the filter is to answer, if it is to.
    pub(super) const fn orders(&self) -> Option<CookieMode> {
        self.orders
    }

    /// Decides at `now_ns`, in the phase of the distributed flood. Actions are in an order that is safe at each moment:
    /// the kernel is ready before the filter answers, and is left as it was after it has ceased to.
    pub(super) fn decide(
        &mut self,
        seen: &Observation<'_>,
        (phase, hold_ns): (Phase, u64),
        numbers: AttackRates,
        now_ns: u64,
        actions: &mut Vec<Action>,
    ) {
        let may = seen.settings.cookies != Cookies::Off && !seen.settings.monitor;
        let wants_cookies = may && phase != Phase::Calm;
        let answers = self.is_for_the_filter(seen, phase, &numbers, hold_ns, now_ns) && may;
        let second_syn = self.decide_first_syn(answers, seen.settings, numbers, now_ns, actions);
        let options = self.decide_options(answers, wants_cookies, seen.settings, &numbers, now_ns);
        let wants_timestamps =
            options || self.wants_timestamps && now_ns.saturating_sub(self.carried_ns) < ON_ITS_WAY_NS;
        let orders = answers.then_some(CookieMode { options, second_syn });
        if self.orders.is_some() && orders.is_none() {
            let why = match phase {
                _ if !may => "as set",
                Phase::Attack if seen.settings.cookies == Cookies::Kernel => "as set",
                Phase::Attack if self.given_up.is_some() => "it does not lead to connections",
                Phase::Attack if seen.driver == Attachment::None => "the filter is on no interface here",
                Phase::Attack => "they are few enough",
                Phase::Recovering | Phase::Calm => "the flood seems to be over",
            };
            actions.push(Action::StopAnswering(why));
        }
        match (self.wants_cookies, wants_cookies) {
            (false, true) => actions.push(Action::RaiseCookies(numbers)),
            (true, false) => actions.push(Action::RestoreCookies),
            _ => {}
        }
        match (self.wants_timestamps, wants_timestamps) {
            (false, true) => actions.push(Action::RaiseTimestamps(numbers)),
            (true, false) => actions.push(Action::RestoreTimestamps),
            _ => {}
        }
        if let Some(orders) = orders.filter(|orders| self.orders != Some(*orders)) {
            actions.push(Action::Answer(orders, numbers));
        }
        (self.wants_cookies, self.wants_timestamps, self.orders) = (wants_cookies, wants_timestamps, orders);
        self.check(seen, now_ns, actions);
        if phase == Phase::Attack && may {
            self.tell_if_unavailable(seen, actions);
        } else {
            self.has_said_unavailable = false;
        }
    }

    /// Only while the flood is on: when it seems to be over the kernel takes over again.
    fn is_for_the_filter(
        &mut self,
        seen: &Observation<'_>,
        phase: Phase,
        numbers: &AttackRates,
        hold_ns: u64,
        now_ns: u64,
    ) -> bool {
        if phase == Phase::Calm {
            self.load = Machine::default();
        } else {
            let level = (numbers.syn_rate - numbers.unwanted_rate) / CHEAP;
            self.load.step_or_begin(level, false, hold_ns, now_ns);
        }
        self.given_up = self.given_up.filter(|(at_ns, cookies)| {
            now_ns.saturating_sub(*at_ns) < GIVEN_UP_NS && *cookies == seen.settings.cookies
        });
        let is_wanted = match (seen.settings.cookies, seen.driver) {
            _ if self.given_up.is_some() => false,
            (Cookies::Xdp, driver) => driver != Attachment::None,
            // What the generic path saves is not worth changing the kernel's timestamps unasked.
            (Cookies::Auto, Attachment::Native) => self.load.phase() == Phase::Attack,
            _ => false,
        };
        is_wanted && phase == Phase::Attack
    }

    fn decide_first_syn(
        &mut self,
        answers: bool,
        settings: &Settings,
        numbers: AttackRates,
        now_ns: u64,
        actions: &mut Vec<Action>,
    ) -> bool {
        let may = answers
            && settings.drop_first_syn == settings::DropFirstSyn::Auto
            && settings.syn_cookie_rate != 0;
        let was_on = self.first_syn.is_on();
        let is_on = self.first_syn.step(may, &numbers, now_ns);
        match (was_on, is_on) {
            (false, true) => actions.push(Action::Say(Event::FirstSynOn { numbers })),
            (true, false) => actions.push(Action::Say(Event::FirstSynOff { numbers })),
            _ => {}
        }
        is_on
    }

    fn decide_options(
        &mut self,
        answers: bool,
        wants_cookies: bool,
        settings: &Settings,
        numbers: &AttackRates,
        now_ns: u64,
    ) -> bool {
        if answers && self.orders.is_none() {
            let is_settled =
                self.wants_timestamps || numbers.cookies_sent_rate.is_some_and(|rate| rate == 0.0);
            self.options_from_ns = now_ns + if is_settled { 0 } else { OPTIONS_DELAY_NS };
        }
        let options = answers && settings.syn_cookie_options && now_ns >= self.options_from_ns;
        // The kernel's own cookies carry them as well, and are read as the setting is when they come back.
        if options || self.wants_timestamps && wants_cookies && !answers {
            self.carried_ns = now_ns;
        }
        options
    }

    fn tell_if_unavailable(&mut self, seen: &Observation<'_>, actions: &mut Vec<Action>) {
        let is_missed = seen.settings.cookies == Cookies::Xdp && seen.driver == Attachment::None;
        if is_missed && !self.has_said_unavailable {
            self.has_said_unavailable = true;
            let why = "the filter is on no interface of this network namespace, or also on one of another";
            actions.push(Action::Say(Event::AnsweringUnavailable { why: why.to_owned() }));
        }
    }

    /// Complains, once an attack, if most of the cookies that come back are refused, whoever has sent them. What the filter
    /// answers, and the kernel refuses or does not even get to see, would keep everybody out: so the kernel answers again.
    fn check(&mut self, seen: &Observation<'_>, now_ns: u64, actions: &mut Vec<Action>) {
        let snapshot = seen.snapshot;
        let Some(tcp) = snapshot.tcp.filter(|_| self.wants_cookies) else {
            self.check = None;
            return;
        };
        let (answered, acks) =
            (snapshot.counters.answered(), snapshot.counters.get(Reason::CookieAck).packets);
        let fresh = Check { at_ns: now_ns, tcp, answered, acks, has_complained: false };
        let check = self.check.get_or_insert(fresh);
        let delta = tcp.since(&check.tcp);
        let (received, failed) = (delta.cookies_received, delta.cookies_failed);
        let returned = acks.saturating_sub(check.acks);
        if now_ns.saturating_sub(check.at_ns) < CHECK_NS || returned.max(received + failed) < RETURNED_MIN {
            return;
        }
        if failed > received && !check.has_complained {
            check.has_complained = true;
            let sent = delta.cookies_sent + answered.saturating_sub(check.answered);
            actions.push(Action::Say(Event::CookiesRefused { sent, received, failed }));
        }
        // The filter counts such an ACK before the kernel does: half of them are not just on their way.
        let came_to_nothing = returned >= RETURNED_MIN && returned / 2 > received;
        if came_to_nothing && self.orders.is_some() {
            self.given_up = Some((now_ns, seen.settings.cookies));
            actions.push(Action::Say(Event::AnswersLost { returned, received, failed }));
        }
        (check.at_ns, check.tcp, check.answered, check.acks) = (now_ns, tcp, answered, acks);
    }
}

#[cfg(test)]
#[path = "syn_cookies_tests.rs"]
mod tests;

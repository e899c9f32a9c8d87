//! Events of the controller: one for each transition and each action, with the numbers that led to the decision.
//!
//! `events!` declares each event once: its name in the event log, its priority, its fields, and its text, which is the
//! same on standard error, in the journal and in `synguard events`. Pure.

mod actor;
mod attack_source;
mod change;
mod declare;
mod exemption;
mod foreign_namespace;
mod rates;
#[cfg(feature = "schemas")]
mod schemas;
mod sysctl;
mod text;

use std::fmt::{self, Display, Formatter};

use log::Level;
use serde::Serialize;

pub use self::{
    actor::Actor,
    attack_source::AttackSource,
    change::{ListChange, ListVerb, TARGETS_MAX},
    exemption::Exemption,
    foreign_namespace::ForeignNamespace,
    rates::AttackRates,
    sysctl::{Sysctl, SysctlChange, SysctlEvent},
    text::DETACH_COMMAND,
};
use self::{
    declare::events,
    text::{blocked_text, format_seconds, limited_text, stopped_text},
};
use crate::{
    attack::AttackKind,
    number::{Counted, grouped, grouped_rate},
    settings::SettingChange,
};

events! {
    /// The controller started; `adopted` if it took over the filter of an earlier controller.
    Started = "started", Info, {
        interfaces: Vec<String>,
        adopted: bool,
        #[serde(flatten)]
        actor: Actor,
    } => {
        let verb = if *adopted { "took over the filter on" } else { "filtering on" };
        format!("{verb} {}; by {actor}", interfaces.join(", "))
    };

    /// Somebody attached the filter without a controller; `adopted` if there was a filter already.
    Attached = "attached", Info, {
        interfaces: Vec<String>,
        adopted: bool,
        #[serde(flatten)]
        actor: Actor,
    } => format!("attached to {} without a controller; by {actor}", interfaces.join(", "));

    /// `detach` removed the filter from these interfaces; it stays on the remaining ones.
    Detached = "detached", Info, {
        interfaces: Vec<String>,
        remaining: Vec<String>,
        #[serde(flatten)]
        actor: Actor,
    } => {
        let remaining = match remaining.as_slice() {
            [] => String::new(),
            names => format!(", which stays on {}", names.join(", ")),
        };
        format!("`synguard detach` removed the filter from {}{remaining}; by {actor}", interfaces.join(", "))
    };

    /// `set` changed settings; `saved` is the file in which they were saved.
    SettingsChanged = "settings_changed", Info, {
        changes: Vec<SettingChange>,
        saved: Option<String>,
        #[serde(flatten)]
        actor: Actor,
    } => {
        let saved = saved.as_ref().map_or(String::new(), |file| format!("; saved in {file}"));
        format!("settings: {}{saved}; by {actor}", change::list_changes(changes, "none has changed"))
    };

    /// An operator changed a list.
    ListChanged = "list_changed", Info, {
        #[serde(flatten)]
        change: ListChange,
        #[serde(flatten)]
        actor: Actor,
    } => format!("{}; by {actor}", change.text());

    /// The controller's terminal was closed.
    TerminalClosed = "terminal_closed", Info, {} =>
        "the terminal was closed: filtering continues, and nothing was reloaded (`synguard detach` removes the filter)";

    /// The controller ended. The actor is the sender of the signal that ended it.
    Stopped = "stopped", Info, {
        why: String,
        detached: bool,
        #[serde(flatten)]
        actor: Option<Actor>,
    } => {
        let by = actor.as_ref().map_or(String::new(), |actor| format!("; by {actor}"));
        stopped_text(why, *detached) + &by
    };

    /// An attack began, or began `again` before it was over.
    AttackBegan = "attack_began", Warn, {
        kind: AttackKind,
        again: bool,
        top_sources: Vec<AttackSource>,
        #[serde(flatten)]
        rates: AttackRates,
    } => {
        let sources = attack_source::now_text(top_sources, kind.is_distributed());
        format!("attack{} ({kind}): {rates}{sources}", if *again { " again" } else { "" })
    };

    /// An attack became one of another kind.
    AttackKindChanged = "kind_changed", Warn, {
        kind: AttackKind,
        #[serde(flatten)]
        rates: AttackRates,
    } => format!("attack is now {kind}: {rates}");

    /// An attack continues; reported once a minute.
    AttackContinues = "attack_goes_on", Warn, {
        kind: AttackKind,
        seconds: u64,
        #[serde(rename = "unwanted")]
        excess_syns: u64,
        #[serde(rename = "blocked")]
        blocked_syns: u64,
        top_sources: Vec<AttackSource>,
        #[serde(flatten)]
        rates: AttackRates,
    } => {
        let (time, blocked) = (format_seconds(*seconds), blocked_text(*blocked_syns));
        let excess = Counted(*excess_syns, "SYN");
        let sources = attack_source::now_text(top_sources, kind.is_distributed());
        format!("attack continues after {time} ({kind}), {excess} over the limit{blocked} so far: {rates}{sources}")
    };

    /// The flood of an attack stopped. The measures against it stay in force for `watch_seconds` more, if it does not return.
    AttackRecovering = "recovering", Info, {
        kind: AttackKind,
        watch_seconds: u64,
        #[serde(flatten)]
        rates: AttackRates,
    } => format!("flood stopped; watching for {}", format_seconds(*watch_seconds));

    /// An attack is over. The sources that were `sources_blocked` during it are named, the first ones if there are many.
    AttackOver = "attack_over", Info, {
        kind: AttackKind,
        seconds: u64,
        syns: u64,
        #[serde(rename = "unwanted")]
        excess_syns: u64,
        #[serde(rename = "blocked")]
        blocked_syns: u64,
        #[serde(rename = "answered")]
        xdp_cookies: u64,
        #[serde(rename = "dropped")]
        dropped_syns: u64,
        would_drop: u64,
        peak_syn_rate: u64,
        peak_distinct_sources: u64,
        top_sources: Vec<AttackSource>,
        sources_blocked: u64,
        blocked_sources: Vec<String>,
        monitor: bool,
    } => {
        let (time, syns) = (format_seconds(*seconds), Counted(*syns, "SYN"));
        let peak = grouped(*peak_syn_rate);
        let from = Counted(*peak_distinct_sources, "source");
        let mut text = format!("attack over: {time}, {kind}, {syns} (peak {peak}/s, {from})");
        if *dropped_syns > 0 || !*monitor {
            text += &format!(", {} dropped", grouped(*dropped_syns));
        }
        if *would_drop > 0 {
            text += &format!(", {} would have been dropped", grouped(*would_drop));
        }
        if *xdp_cookies > 0 {
            text += &format!(", {} sent by XDP", Counted(*xdp_cookies, "SYN cookie"));
        }
        text + &attack_source::total_text(top_sources, kind.is_distributed())
            + &text::sources_blocked_text(*sources_blocked, blocked_sources, *monitor)
    };

    /// The kernel refuses most of the cookies that clients return.
    CookiesRefused = "cookies_refused", Warn, { sent: u64, received: u64, failed: u64 } => format!(
        "SYN cookies do not help: of the returned ones the kernel refused {} and accepted {} ({} sent)",
        grouped(*failed), grouped(*received), grouped(*sent),
    );

    /// XDP's cookies led to no connection where the kernel's did: the kernel replies for this listener for a while.
    XdpCookiesSuspended = "answers_lost", Warn, {
        listener: String,
        interface: String,
        seconds: u64,
        sent: u64,
        returned: u64,
        received: u64,
        kernel_sent: u64,
        kernel_received: u64,
    } => format!(
        "none of {sent} SYN cookies that XDP sent for {listener} led to a connection ({returned} came back), but {kernel_received} of \
         {kernel_sent} of the kernel's did: XDP's SYN-ACKs do not arrive through {interface}, or a firewall has to see the SYN. \
         The kernel sends the cookies for this listener for {seconds} s; others are not affected"
    );

    /// XDP should send cookies but cannot.
    XdpCookiesUnavailable = "answering_unavailable", Warn, { why: String } =>
        format!("XDP cannot send SYN cookies, so the kernel sends them: {why}");

    /// XDP began to send cookies, with the client's TCP `options` or with the maximum segment size only.
    XdpCookiesBegan = "answering_began", Warn, {
        options: bool,
        #[serde(flatten)]
        rates: AttackRates,
    } => {
        let contents = if *options { "with window scaling, SACK and timestamps" } else { "without window scaling and SACK" };
        format!("XDP sends SYN cookies, {contents}: {rates}")
    };

    /// XDP no longer sends cookies. `returned` is the number that clients returned to the kernel, if known.
    XdpCookiesEnded = "answering_ended", Info, {
        why: String,
        seconds: u64,
        #[serde(rename = "answered")]
        sent: u64,
        returned: Option<u64>,
    } => {
        let sent = Counted(*sent, "cookie");
        let returned = returned.map_or(String::new(), |n| format!(", {} returned by clients", grouped(n)));
        format!("XDP stopped sending SYN cookies after {} ({why}): {sent} sent{returned}", format_seconds(*seconds))
    };

    /// More SYNs arrive than `syn-cookie-rate` allows: XDP drops a new SYN and replies to its retransmission.
    RetransmitRequired = "first_syn_on", Warn, {
        #[serde(flatten)]
        rates: AttackRates,
    } => format!(
        "more SYNs than syn-cookie-rate allows ({}/s too many): a new SYN is dropped, and its retransmission gets a cookie: \
         {rates}",
        grouped_rate(rates.over_cookie_limit)
    );

    /// XDP replies to every new SYN again.
    RetransmitNotRequired = "first_syn_off", Info, {
        #[serde(flatten)]
        rates: AttackRates,
    } => format!("a new SYN gets a cookie at once again: {rates}");

    /// Programs listen in network namespaces that the raised sysctl does not reach.
    ListenersInOtherNamespaces = "listeners_elsewhere", Warn, { namespaces: Vec<ForeignNamespace>, more: usize } => {
        let list: Vec<String> = namespaces.iter().map(ForeignNamespace::to_string).collect();
        let more = if *more > 0 { format!("; and {more} more namespaces") } else { String::new() };
        format!("not covered by kernel SYN cookies: listeners in other network namespaces (containers): {}{more}", list.join("; "))
    };

    /// Sources exceeded their limit; `rates` has the SYNs per second of each. Several sources are named by rate, the highest first.
    OverLimit = "over_limit", Info, {
        sources: Vec<String>,
        rates: Vec<u64>,
        more: usize,
        limit: u32,
        hold_seconds: f64,
        monitor: bool,
    } => limited_text(&text::named_rates(sources, rates), *more, *limit, *hold_seconds, *monitor);

    /// A source is blocked for a while.
    Blocked = "blocked", Warn, {
        source: String,
        ttl_seconds: u64,
        strikes: u32,
        rate: u64,
        limit: u32,
        before: u32,
    } => text::block_text(source, "is", *ttl_seconds, (*strikes, *rate, *limit), *before);

    /// A source met the conditions for a block, and monitor mode is why it is not blocked.
    WouldBlock = "would_block", Warn, {
        source: String,
        ttl_seconds: u64,
        strikes: u32,
        rate: u64,
        limit: u32,
        before: u32,
    } => text::block_text(source, "would be", *ttl_seconds, (*strikes, *rate, *limit), *before);

    /// Monitor mode is why `net.ipv4.tcp_syncookies` is not raised; reported once an attack.
    WouldRaiseCookies = "would_raise_cookies", Warn, {
        #[serde(flatten)]
        rates: AttackRates,
    } => format!("net.ipv4.tcp_syncookies would be raised to 2 (monitor mode): {}; {rates}", rates.cookie_cause());

    /// Monitor mode is why XDP does not send SYN cookies; reported once an attack.
    WouldSendXdpCookies = "would_answer", Warn, {
        #[serde(flatten)]
        rates: AttackRates,
    } => format!("XDP would send SYN cookies (monitor mode): {rates}");

    /// A source met the conditions for a block but is exempt.
    Exempted = "spared", Info, { source: String, why: Exemption, rate: u64, limit: u32 } => {
        let why = match why {
            Exemption::Protected => "it is protected",
            Exemption::Allowed => "it is on the allowlist",
            Exemption::Connected => "it has connections to this host or through it; it stays limited",
            Exemption::Unreadable => "whether it is connected, protected or allowed cannot be read; it stays limited",
        };
        format!("{source} is not blocked at {} SYN/s (limit {}): {why}", grouped(*rate), grouped((*limit).into()))
    };

    /// A source could not be blocked.
    NotBlocked = "not_blocked", Warn, { source: String, why: String } =>
        format!("{source} could not be blocked: {why}");

    /// The number of automatic blocks reached its maximum.
    BlocksFull = "blocks_full", Warn, { in_force: usize } =>
        format!("{} are blocked, the maximum: no more until some blocks expire", Counted(*in_force as u64, "source"));

    /// An interface disappeared.
    InterfaceGone = "interface_gone", Warn, { interface: String } =>
        format!("{interface} is gone; the filter will be attached again when it returns");

    /// Somebody detached the filter from an interface that still exists.
    FilterRemoved = "filter_removed", Warn, { interface: String } =>
        format!("somebody removed the filter from {interface}; it will be attached again");

    /// No interface is filtered any more.
    Unprotected = "unprotected", Error, {} =>
        "NOT PROTECTED: the filter is on no interface";

    /// Somebody removed pins of the filter, and the controller made them again; the filter worked all the time.
    PinsRestored = "pins_restored", Warn, { pins: Vec<String> } =>
        format!("somebody removed pins from the BPF file system; made again: {}", pins.join(", "));

    /// Somebody removed the run directory, and the controller made it again.
    RunDirRestored = "run_dir_restored", Warn, { directory: String } =>
        format!("somebody removed {directory}: made again, with the lock");

    /// The filter is on an interface again.
    InterfaceBack = "interface_back", Info, { interface: String } =>
        format!("{interface}: attached again");

    /// The filter cannot be attached again to an interface that exists.
    InterfaceNotAttached = "interface_not_attached", Warn, { interface: String, why: String } =>
        format!("{interface}: the filter cannot be attached again: {why}");

    /// An interface has a new name.
    InterfaceRenamed = "interface_renamed", Warn, { interface: String, now: String } =>
        format!("{interface} is called {now} now; the filter stays attached");

    /// Changes of a list are in force, but its files cannot be written.
    ListNotSaved = "list_not_saved", Warn, { list: String, why: String, retry_seconds: u64 } =>
        format!("the {list}list is in force, but not saved: {why}; tried again every {retry_seconds} s");

    /// The files of a list that could not be written are written.
    ListSaved = "list_saved", Info, { list: String } => format!("the {list}list is saved");

    /// The filter was removed before changes of a list could be written.
    ListChangesLost = "list_changes_lost", Error, { list: String, why: String } =>
        format!("the last changes of the {list}list are lost with the filter, because they could not be saved: {why}");

    /// An operator confirmed the filter.
    Confirmed = "confirmed", Info, {
        #[serde(flatten)]
        actor: Actor,
    } => format!("confirmed: the filter stays; by {actor}");

    /// The controller read its settings again. Options in `at_next_attach` differ from those in use.
    Reloaded = "reloaded", Info, {
        changes: Vec<SettingChange>,
        at_next_attach: Vec<SettingChange>,
        #[serde(flatten)]
        actor: Actor,
    } => format!("{}; by {actor}", change::reload_text(changes, at_next_attach));

    /// The settings could not be read: the old ones stay in force.
    NotReloaded = "not_reloaded", Error, {
        why: String,
        #[serde(flatten)]
        actor: Actor,
    } => format!("settings not reloaded, the old ones stay in force: {why}; by {actor}");
}

impl From<SysctlEvent> for Event {
    fn from(event: SysctlEvent) -> Self {
        Self::Sysctl(event)
    }
}

#[cfg(test)]
mod tests;

//! A decision in words and in figures: every rule, in the order in which the datapath asks, and which one decides.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use synguard_common::{
    abi::FLAG_MONITOR,
    gcra::{self, RateLimit},
    ip_list::{ListEntry, ORIGIN_AUTO, ORIGIN_FEED, Prefix, SCOPE_SYN},
    reason::Reason,
    source::SourceState,
    syn_cookie::config::{SYN_COOKIE_OPTIONS, SYN_COOKIE_REQUIRE_RETRANSMIT},
};
use synguard_model::{
    duration,
    inspection::{Inspection, prefix_key, source_key},
    settings::Settings,
    source::{display, display_prefix, total},
};

use super::{Decision, View, decide};

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// How it stands, for people.
    pub text: String,
    /// The same for programs.
    pub figures: Value,
}

/// Every rule, and what comes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The source that the address belongs to.
    pub source: String,
    /// The network that it belongs to.
    pub network: String,
    /// In the order in which they are asked.
    pub rules: Vec<Rule>,
    /// What would be decided, and by which CPUs: mostly one decision of all. The most common comes first.
    pub decisions: Vec<(Decision, Vec<usize>)>,
}

impl Explanation {
    /// Explains what would become of a SYN to `port`, or to one that is guarded, that arrives at `now_ns`.
    pub fn new(
        read: &Inspection,
        settings: &Settings,
        port: Option<u16>,
        syncookies: Option<u8>,
        now_ns: u64,
    ) -> Self {
        let mut by_reason: BTreeMap<u32, (Decision, Vec<usize>)> = BTreeMap::new();
        for (i, cpu) in read.cpus.iter().enumerate() {
            let decision = decide(read, cpu, port, now_ns);
            by_reason.entry(decision.reason.index()).or_insert((decision, Vec::new())).1.push(i);
        }
        let mut decisions: Vec<_> = by_reason.into_values().collect();
        decisions.sort_by_key(|(_, cpus)| std::cmp::Reverse(cpus.len()));
        let length = settings.source_prefix_v6;
        Self {
            source: display(&source_key(read.address, &read.config), length),
            network: display_prefix(&prefix_key(read.address)),
            rules: vec![
                listed("allow", &read.allow, now_ns),
                listed("block", &read.block, now_ns),
                ports(read, settings, port),
                sketch(read, now_ns),
                entry("hold", read, now_ns),
                bucket("bucket", read.source.as_ref(), read.config.syn_limit(), now_ns),
                prefix(read, now_ns),
                answer(read, now_ns),
                arming(read, now_ns),
                cookies(syncookies),
            ],
            decisions,
        }
    }

    /// The name of the rule that decides, where this is the reason.
    pub const fn decider(reason: Reason) -> &'static str {
        match reason {
            Reason::Allowed => "allow",
            Reason::Blocked | Reason::WouldBlocked => "block",
            Reason::UnguardedPort => "port",
            Reason::Untracked => "sketch",
            Reason::Hold | Reason::WouldHold => "hold",
            Reason::PrefixExceeded | Reason::WouldPrefixExceeded => "prefix",
            Reason::SynCookieSent
            | Reason::CookieRateExceeded
            | Reason::CookiePrefixRateExceeded
            | Reason::FirstSyn
            | Reason::NoListener
            | Reason::CookieUnavailable
            | Reason::SynUnsupported
            | Reason::ValidatedSource
            | Reason::WouldCookieRateExceeded
            | Reason::WouldCookiePrefixRateExceeded
            | Reason::WouldFirstSyn => "answer",
            // Nothing else stands in the way of a SYN.
            _ => "bucket",
        }
    }
}

/// How much a bucket has left: SYNs that would conform at this moment.
pub(super) const fn left(tat_ns: u64, limit: RateLimit, now_ns: u64) -> u64 {
    match gcra::take(tat_ns, limit, now_ns) {
        None => 0,
        // What the state becomes tells what it counted as: full, or as it was.
        Some(after_ns) => {
            let ahead_ns = after_ns - limit.interval_ns - now_ns;
            (limit.tolerance_ns - ahead_ns) / limit.interval_ns + 1
        }
    }
}

fn seconds(ns: u64) -> f64 {
    (ns as f64 / 1e8).round() / 10.0
}

fn listed(name: &'static str, entries: &[(Prefix, ListEntry)], now_ns: u64) -> Rule {
    let holding: Vec<_> = entries.iter().filter(|(_, entry)| entry.is_effective(now_ns)).collect();
    let texts: Vec<String> = holding.iter().map(|(key, entry)| entry_text(key, entry, now_ns)).collect();
    let figures = holding.iter().map(|(key, entry)| {
        json!({
            "target": target(key),
            "origin": origin(entry),
            "scope": scope(entry),
            "hits": entry.hits,
            "seconds_left": (entry.expires_at_ns != 0).then(|| seconds(entry.expires_at_ns - now_ns)),
        })
    });
    let text = if texts.is_empty() { "no entry covers it".to_owned() } else { texts.join("; ") };
    Rule { name, text, figures: figures.collect() }
}

fn entry_text(key: &Prefix, entry: &ListEntry, now_ns: u64) -> String {
    let time = match entry.expires_at_ns {
        0 => "for good".to_owned(),
        at_ns => {
            let left = Duration::from_secs((at_ns - now_ns).div_ceil(1_000_000_000));
            format!("for another {}", duration::format(left))
        }
    };
    let what = if entry.scope == SCOPE_SYN { "its SYNs" } else { "everything" };
    format!("{}, {what}, by {}, {time}, {} packets so far", target(key), origin(entry), entry.hits)
}

fn target(key: &Prefix) -> String {
    let address =
        synguard_model::source::address(&synguard_common::source::SourceKey { address: key.address });
    let length = if key.is_v4() { key.length - 96 } else { key.length };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    if length == whole { address.to_string() } else { format!("{address}/{length}") }
}

const fn origin(entry: &ListEntry) -> &'static str {
    match entry.origin {
        ORIGIN_AUTO => "auto",
        ORIGIN_FEED => "feed",
        _ => "operator",
    }
}

const fn scope(entry: &ListEntry) -> &'static str {
    if entry.scope == SCOPE_SYN { "syn" } else { "all" }
}

fn ports(read: &Inspection, settings: &Settings, port: Option<u16>) -> Rule {
    let guarded = &settings.ports;
    let text = match port {
        Some(port) if read.ports.contains(port) || *guarded == synguard_model::ports::Ports::All => {
            format!("{port} is guarded")
        }
        Some(port) => format!("{port} is not guarded ({guarded} are)"),
        None => format!("guarded: {guarded}; a SYN to one of them is meant here"),
    };
    Rule { name: "port", text, figures: json!({ "port": port, "guarded": guarded.to_string() }) }
}

fn sketch(read: &Inspection, now_ns: u64) -> Rule {
    let crowded: Vec<usize> = read
        .cpus
        .iter()
        .enumerate()
        .filter(|(_, cpu)| cpu.sources.is_under_pressure(now_ns))
        .map(|(i, _)| i)
        .collect();
    let estimate = read.cpus.first().map_or(0, |cpu| View::of_source(read, cpu).estimate(now_ns));
    let marks =
        crowded.iter().filter_map(|&i| read.cpus.get(i)).map(|cpu| cpu.sources.promotion_threshold(now_ns));
    let mark = marks.max().unwrap_or(0);
    let text = if crowded.is_empty() {
        "calm: every source is looked up, and a new one is given an entry".to_owned()
    } else {
        let cpus: Vec<String> = crowded.iter().map(usize::to_string).collect();
        format!(
            "crowded on CPU {}: only sources with an estimate of {mark} or more are looked up, this one has {estimate}",
            cpus.join(", ")
        )
    };
    Rule {
        name: "sketch",
        text,
        figures: json!({ "crowded_cpus": crowded, "mark": mark, "estimate": estimate }),
    }
}

fn entry(name: &'static str, read: &Inspection, now_ns: u64) -> Rule {
    let hold_ns = read.config.hold_ns;
    let held = |state: &SourceState| gcra::is_held(state.hold_until_ns, hold_ns, now_ns);
    let left = read.source.filter(|state| held(state)).map(|state| seconds(state.hold_until_ns - now_ns));
    let text = match (&read.source, left) {
        (None, _) => "it has no entry in the table".to_owned(),
        (Some(_), Some(left)) => format!("in hold for another {left:.1} s"),
        (Some(state), None) => {
            format!("not in hold; {} SYNs so far, {} dropped", total(state), state.dropped)
        }
    };
    Rule {
        name,
        text,
        figures: json!({
            "tracked": read.source.is_some(),
            "seconds_left": left,
            "syn_total": read.source.as_ref().map(total),
            "dropped": read.source.map(|state| state.dropped),
        }),
    }
}

fn bucket(name: &'static str, state: Option<&SourceState>, limit: RateLimit, now_ns: u64) -> Rule {
    if limit.interval_ns == 0 {
        return Rule { name, text: "no rate is configured".to_owned(), figures: Value::Null };
    }
    let burst = limit.tolerance_ns / limit.interval_ns + 1;
    let left = state.map_or(burst, |state| left(state.tat_ns, limit, now_ns));
    let rate = 1_000_000_000 / limit.interval_ns;
    Rule {
        name,
        text: format!("{left} of {burst} SYNs left, {rate} more a second"),
        figures: json!({ "left": left, "burst": burst, "rate": rate }),
    }
}

fn prefix(read: &Inspection, now_ns: u64) -> Rule {
    let limit = read.config.prefix_limit();
    if limit.interval_ns == 0 {
        let text = "networks are not limited (prefix-rate is 0)".to_owned();
        return Rule { name: "prefix", text, figures: Value::Null };
    }
    let rule = bucket("prefix", read.prefix.as_ref(), limit, now_ns);
    Rule { text: format!("{}: {}", display_prefix(&prefix_key(read.address)), rule.text), ..rule }
}

/// Answered is only what nothing else has anything against.
fn answer(read: &Inspection, now_ns: u64) -> Rule {
    let answering = &read.syn_cookies;
    let name = "answer";
    if !answering.is_on(now_ns) {
        let text = "SYNs are not answered in the driver".to_owned();
        return Rule { name, text, figures: json!({ "on": false }) };
    }
    let [options, second_syn] =
        [SYN_COOKIE_OPTIONS, SYN_COOKIE_REQUIRE_RETRANSMIT].map(|flag| answering.has(flag));
    let proven = super::syn_cookie::is_proven(read, now_ns);
    let limit = answering.limit();
    let lefts = read.cpus.iter().map(|cpu| left(cpu.cookie_tat_ns, limit, now_ns));
    let left = if limit.interval_ns == 0 { None } else { lefts.min() };
    let how = if options { "keeping its options" } else { "with the MSS only" };
    let mut text = format!("a SYN to a listener of this host is answered with a cookie, {how}");
    if second_syn {
        text += ", when it is sent again";
    }
    if let Some(left) = left {
        text += &format!("; {left} answers left on the busiest CPU");
    }
    if proven {
        text += "; it has returned a cookie lately, and passes where others are dropped";
    }
    let figures = json!({
        "on": true,
        "options": options,
        "first_syn": second_syn,
        "left": left,
        "proven": proven,
    });
    Rule { name, text, figures }
}

fn arming(read: &Inspection, now_ns: u64) -> Rule {
    let config = &read.config;
    let left_ns = config.disarm_at_ns.saturating_sub(now_ns);
    let (text, drops) = match (config.has(FLAG_MONITOR), config.disarm_at_ns, left_ns) {
        (true, ..) => ("monitor: nothing is dropped, only counted".to_owned(), false),
        (false, 0, _) => ("the filter drops".to_owned(), true),
        (false, _, 0) => ("not confirmed in time: nothing is dropped".to_owned(), false),
        (false, _, left) => {
            (format!("the filter drops; to be confirmed within {:.0} s", seconds(left)), true)
        }
    };
    Rule { name: "armed", text, figures: json!({ "drops": drops }) }
}

fn cookies(syncookies: Option<u8>) -> Rule {
    let text = match syncookies {
        Some(0) => "what passes gets no cookie: tcp_syncookies is 0",
        Some(1) => "what passes gets a cookie when the server's queue is full: tcp_syncookies is 1",
        Some(_) => "what passes is answered with a cookie: tcp_syncookies is 2",
        None => "the kernel does not say what tcp_syncookies is",
    };
    Rule { name: "cookies", text: text.to_owned(), figures: json!({ "sysctl": syncookies }) }
}

#[cfg(test)]
#[path = "explanation_tests.rs"]
mod tests;

//! An explanation of a decision in text and values: every rule, in the order in which the datapath applies them, and the one
//! that decides.

use std::{collections::BTreeMap, time::Duration};

use synguard_common::{
    abi::FLAG_MONITOR,
    gcra::{self, RateLimit},
    ip_list::{ListEntry, Prefix, SCOPE_SYN},
    reason::Reason,
    source::SourceState,
    syn_cookie::config::{SYN_COOKIE_OPTIONS, SYN_COOKIE_REQUIRE_RETRANSMIT},
};
use synguard_model::{
    duration,
    inspection::{Inspection, prefix_key, source_key},
    ports::Ports,
    settings::Settings,
    source::{display, display_prefix, total_syns},
};

use super::{
    ChargeState, Decision, decide,
    labels::{origin, target},
    syn_cookie,
    values::{
        ArmedValues, BucketValues, CookieValues, CoveringEntry, HoldValues, KernelCookieValues, PortValues,
        Rule, Rules, SketchValues,
    },
};

const SECOND_NS: u64 = 1_000_000_000;

/// Every rule, and the decision that they lead to.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The source of the address.
    pub source: String,
    /// The prefix of the address.
    pub prefix: String,
    pub rules: Rules,
    /// The decisions, each with the CPUs that make it; mostly one for all CPUs. The most common comes first.
    pub decisions: Vec<(Decision, Vec<usize>)>,
}

impl Explanation {
    /// Explains the decision about a SYN to `port`, or to a guarded port, that arrives at `now_ns`. `syncookies` is the value of
    /// the sysctl.
    pub fn new(
        inspection: &Inspection,
        settings: &Settings,
        port: Option<u16>,
        syncookies: Option<u8>,
        now_ns: u64,
    ) -> Self {
        let mut by_reason: BTreeMap<u32, (Decision, Vec<usize>)> = BTreeMap::new();
        for (i, cpu) in inspection.cpus.iter().enumerate() {
            let decision = decide(inspection, cpu, port, now_ns);
            by_reason.entry(decision.reason.index()).or_insert((decision, Vec::new())).1.push(i);
        }
        let mut decisions: Vec<_> = by_reason.into_values().collect();
        decisions.sort_by_key(|(_, cpus)| std::cmp::Reverse(cpus.len()));
        let Inspection { address, config, .. } = inspection;
        Self {
            source: display(&source_key(*address, config), settings.v6_length()),
            prefix: display_prefix(&prefix_key(*address)),
            rules: Rules {
                allow: list_rule("allow", &inspection.allow, now_ns),
                block: list_rule("block", &inspection.block, now_ns),
                port: port_rule(inspection, settings, port),
                sketch: sketch_rule(inspection, now_ns),
                hold: hold_rule(inspection, now_ns),
                bucket: source_bucket_rule(inspection, now_ns),
                prefix: prefix_rule(inspection, now_ns),
                answer: cookie_rule(inspection, now_ns),
                armed: arming_rule(inspection, now_ns),
                cookies: syncookies_rule(syncookies),
            },
            decisions,
        }
    }

    /// Corrects the decisions if nobody listens on the port, which the maps do not show: XDP sends no SYN cookie then.
    #[must_use]
    pub fn without_listener(self) -> Self {
        let mut decisions: Vec<(Decision, Vec<usize>)> = Vec::new();
        for (mut decision, cpus) in self.decisions {
            if Self::decider(decision.reason) == "answer" {
                decision.reason = Reason::NoListener;
            }
            match decisions.iter_mut().find(|(known, _)| known.reason == decision.reason) {
                Some((_, known)) => known.extend(cpus),
                None => decisions.push((decision, cpus)),
            }
        }
        Self { decisions, ..self }
    }

    /// Returns the name of the rule that decides with this reason.
    pub const fn decider(reason: Reason) -> &'static str {
        match reason {
            Reason::Allowed | Reason::AllowedSyn => "allow",
            Reason::Blocked | Reason::WouldBlocked | Reason::BlockedSyn | Reason::WouldBlockedSyn => "block",
            Reason::UnguardedPort => "port",
            Reason::Untracked => "sketch",
            Reason::Hold | Reason::WouldHold => "hold",
            Reason::PrefixExceeded | Reason::WouldPrefixExceeded => "prefix",
            Reason::SynCookieSent
            | Reason::CookieLimitExceeded
            | Reason::CookiePrefixLimitExceeded
            | Reason::FirstSyn
            | Reason::NoListener
            | Reason::CookieUnavailable
            | Reason::SynUnsupported
            | Reason::ValidatedSource
            | Reason::WouldCookieLimitExceeded
            | Reason::WouldCookiePrefixLimitExceeded
            | Reason::WouldFirstSyn => "answer",
            // No other rule applies to a SYN.
            _ => "bucket",
        }
    }
}

/// Returns the number of SYNs that would conform at this moment.
pub(super) const fn remaining_syns(tat_ns: u64, limit: RateLimit, now_ns: u64) -> u64 {
    match gcra::take(tat_ns, limit, now_ns) {
        None => 0,
        // The new TAT shows whether the old one counted, or the bucket was full.
        Some(after_ns) => {
            let ahead_ns = after_ns - limit.interval_ns - now_ns;
            (limit.tolerance_ns - ahead_ns) / limit.interval_ns + 1
        }
    }
}

/// Converts nanoseconds to seconds with one decimal.
fn to_seconds(ns: u64) -> f64 {
    (ns as f64 / 1e8).round() / 10.0
}

fn list_rule(name: &'static str, entries: &[(Prefix, ListEntry)], now_ns: u64) -> Rule<Vec<CoveringEntry>> {
    let values: Vec<CoveringEntry> = entries
        .iter()
        .filter(|(_, entry)| entry.is_effective(now_ns))
        .map(|&(prefix, entry)| CoveringEntry {
            prefix,
            entry,
            seconds_left: (entry.expires_at_ns != 0).then(|| to_seconds(entry.expires_at_ns - now_ns)),
        })
        .collect();
    let texts: Vec<String> =
        values.iter().map(|value| entry_text(&value.prefix, &value.entry, now_ns)).collect();
    let text = if texts.is_empty() { "no entry covers it".to_owned() } else { texts.join("; ") };
    Rule { name, text, values }
}

fn entry_text(key: &Prefix, entry: &ListEntry, now_ns: u64) -> String {
    let time = match entry.expires_at_ns {
        0 => "never expires".to_owned(),
        at_ns => {
            let remaining = Duration::from_secs((at_ns - now_ns).div_ceil(SECOND_NS));
            format!("expires in {}", duration::format(remaining))
        }
    };
    let packets = if entry.scope == SCOPE_SYN { "SYNs only" } else { "all packets" };
    let origin = match origin(entry) {
        "operator" => "manual",
        other => other,
    };
    format!("{} ({packets}, {origin}, {time}), {} packets so far", target(key), entry.hits)
}

fn port_rule(inspection: &Inspection, settings: &Settings, port: Option<u16>) -> Rule<PortValues> {
    let guarded = &settings.ports;
    let text = match port {
        Some(port) if inspection.ports.contains(port) || *guarded == Ports::All => {
            format!("{port} is guarded")
        }
        Some(port) => format!("{port} is not guarded ({guarded} are)"),
        None => format!("guarded: {guarded}; this is about a SYN to one of them"),
    };
    Rule { name: "port", text, values: PortValues { port, guarded: guarded.to_string() } }
}

fn sketch_rule(inspection: &Inspection, now_ns: u64) -> Rule<SketchValues> {
    let cpus = inspection.cpus.iter().enumerate();
    let under_pressure: Vec<usize> =
        cpus.filter(|(_, cpu)| cpu.sources.is_under_pressure(now_ns)).map(|(i, _)| i).collect();
    let first = inspection.cpus.first();
    let estimate = first.map_or(0, |cpu| ChargeState::for_source(inspection, cpu).estimate(now_ns));
    let thresholds = under_pressure
        .iter()
        .filter_map(|&i| inspection.cpus.get(i))
        .map(|cpu| cpu.sources.promotion_threshold(now_ns));
    let threshold = thresholds.max().unwrap_or(0);
    let text = if under_pressure.is_empty() {
        "normal: every source is looked up, and a new one gets an entry".to_owned()
    } else {
        let cpus: Vec<String> = under_pressure.iter().map(usize::to_string).collect();
        format!(
            "under pressure on CPU {}: only sources with an estimate of {threshold} or more are looked up, this one has \
             {estimate}",
            cpus.join(", ")
        )
    };
    Rule {
        name: "sketch",
        text,
        values: SketchValues {
            cpus_under_pressure: under_pressure,
            promotion_threshold: threshold,
            estimate,
        },
    }
}

fn hold_rule(inspection: &Inspection, now_ns: u64) -> Rule<HoldValues> {
    let hold_ns = inspection.config.hold_ns;
    let source = inspection.source.as_ref();
    let held = source.filter(|state| gcra::is_held(state.hold_until_ns, hold_ns, now_ns));
    let seconds_left = held.map(|state| to_seconds(state.hold_until_ns - now_ns));
    let text = match (source, seconds_left) {
        (None, _) => "it has no entry in the table".to_owned(),
        (Some(_), Some(seconds)) => format!("in hold for another {seconds:.1} s"),
        (Some(state), None) => {
            format!("not in hold; {} SYNs so far, {} dropped", total_syns(state), state.dropped)
        }
    };
    Rule {
        name: "hold",
        text,
        values: HoldValues {
            is_tracked: source.is_some(),
            seconds_left,
            syn_total: source.map(total_syns),
            dropped: source.map(|state| state.dropped),
        },
    }
}

/// Explains the bucket of the source. While the source is in hold, the program does not consult it.
fn source_bucket_rule(inspection: &Inspection, now_ns: u64) -> Rule<Option<BucketValues>> {
    let source = inspection.source.as_ref();
    let rule = bucket_rule("bucket", source, inspection.config.syn_limit(), now_ns);
    let is_held =
        source.is_some_and(|state| gcra::is_held(state.hold_until_ns, inspection.config.hold_ns, now_ns));
    if is_held { Rule { text: "not consulted while the source is in hold".to_owned(), ..rule } } else { rule }
}

fn bucket_rule(
    name: &'static str,
    state: Option<&SourceState>,
    limit: RateLimit,
    now_ns: u64,
) -> Rule<Option<BucketValues>> {
    if limit.interval_ns == 0 {
        return Rule { name, text: "no rate is configured".to_owned(), values: None };
    }
    let burst = limit.tolerance_ns / limit.interval_ns + 1;
    let left = state.map_or(burst, |state| remaining_syns(state.tat_ns, limit, now_ns));
    let rate = SECOND_NS / limit.interval_ns;
    Rule {
        name,
        text: format!("{left} of {burst} SYNs left, {rate} more a second"),
        values: Some(BucketValues { left, burst, rate }),
    }
}

fn prefix_rule(inspection: &Inspection, now_ns: u64) -> Rule<Option<BucketValues>> {
    let limit = inspection.config.prefix_limit();
    if limit.interval_ns == 0 {
        let text = "prefixes are not limited (prefix-rate is 0)".to_owned();
        return Rule { name: "prefix", text, values: None };
    }
    let rule = bucket_rule("prefix", inspection.prefix.as_ref(), limit, now_ns);
    Rule { text: format!("{}: {}", display_prefix(&prefix_key(inspection.address)), rule.text), ..rule }
}

/// Explains XDP cookies, which are sent to SYNs that every other rule lets pass.
fn cookie_rule(inspection: &Inspection, now_ns: u64) -> Rule<Option<CookieValues>> {
    let config = &inspection.syn_cookies;
    let name = "answer";
    if !config.is_on(now_ns) {
        let text = "XDP sends no SYN cookies".to_owned();
        return Rule { name, text, values: None };
    }
    let [options, require_retransmit] =
        [SYN_COOKIE_OPTIONS, SYN_COOKIE_REQUIRE_RETRANSMIT].map(|flag| config.has(flag));
    let is_validated = syn_cookie::is_validated(inspection, now_ns);
    let limit = config.limit();
    let remaining = inspection.cpus.iter().map(|cpu| remaining_syns(cpu.cookie_tat_ns, limit, now_ns));
    let left = if limit.interval_ns == 0 { None } else { remaining.min() };
    let contents = if options { "with TCP options" } else { "without window scaling and SACK" };
    let mut text = format!("a SYN to a listener of this host gets a SYN cookie from XDP, {contents}");
    if require_retransmit {
        text += ", when it is retransmitted";
    }
    if let Some(left) = left {
        text += &format!("; syn-cookie-rate lets the busiest CPU send {left} more cookies at once");
    }
    if is_validated {
        text += "; the source returned a cookie lately, and passes where others are dropped";
    }
    let values =
        CookieValues { has_options: options, requires_retransmit: require_retransmit, left, is_validated };
    Rule { name, text, values: Some(values) }
}

fn arming_rule(inspection: &Inspection, now_ns: u64) -> Rule<ArmedValues> {
    let config = &inspection.config;
    let left_ns = config.disarm_at_ns.saturating_sub(now_ns);
    let (text, drops) = match (config.has(FLAG_MONITOR), config.disarm_at_ns, left_ns) {
        (true, ..) => ("monitor: nothing is dropped, only counted".to_owned(), false),
        (false, 0, _) => ("enforcing".to_owned(), true),
        (false, _, 0) => ("not confirmed in time: nothing is dropped".to_owned(), false),
        (false, _, left) => (format!("enforcing; to be confirmed within {:.0} s", to_seconds(left)), true),
    };
    Rule { name: "armed", text, values: ArmedValues { drops } }
}

fn syncookies_rule(syncookies: Option<u8>) -> Rule<KernelCookieValues> {
    let text = match syncookies {
        Some(0) => "a SYN that passes gets no cookie from the kernel: tcp_syncookies is 0",
        Some(1) => {
            "a SYN that passes gets a cookie from the kernel when the server's queue is full: tcp_syncookies is 1"
        }
        Some(_) => "a SYN that passes gets a cookie from the kernel: tcp_syncookies is 2",
        None => "tcp_syncookies cannot be read",
    };
    Rule { name: "cookies", text: text.to_owned(), values: KernelCookieValues { sysctl: syncookies } }
}

#[cfg(test)]
#[path = "explanation_tests.rs"]
mod tests;

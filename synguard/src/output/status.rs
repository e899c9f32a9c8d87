//! `status --json`, most of which is also in `top --json`.

use std::collections::BTreeMap;

use serde::Serialize;
use synguard_datapath::{Attached, ListSize};
use synguard_model::{
    settings::Settings,
    situation::{Measure, TopSource, Visitors},
};

use super::{
    SchemaVersion,
    names::{AttackKindJson, CookieModeJson, InterfaceModeJson, PhaseJson, SourceStateJson},
};

/// Output of `synguard status --json`: the state of the filter and its counters.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StatusJson {
    #[serde(flatten)]
    pub(crate) head: HeadJson,
    /// Table of sources.
    pub(crate) sources: SourceTableJson,
}

/// The keys that `status` and `top` share.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct HeadJson {
    pub(crate) schema: SchemaVersion,
    /// Name of the instance.
    pub(crate) instance: String,
    /// At least one interface is filtered.
    pub(crate) attached: bool,
    pub(crate) interfaces: Vec<InterfaceJson>,
    pub(crate) controller: ControllerJson,
    pub(crate) visitors: VisitorsJson,
    pub(crate) response: ResponseJson,
    /// The step to take next, with the command to type.
    pub(crate) next: String,
    /// The busiest sources and blocked prefixes, by rate: three at most.
    pub(crate) top_sources: Vec<TopSourceJson>,
    pub(crate) phase: PhaseJson,
    /// Seconds since the phase began; null without a controller that responds.
    pub(crate) phase_seconds: Option<u64>,
    /// Kind of the attack in one word; an attack of both kinds is `distributed`. Null without an attack.
    pub(crate) attack_kind: Option<AttackKindJson>,
    /// Every kind of the attack; empty without an attack.
    pub(crate) attack_kinds: &'static [AttackKindJson],
    /// Monitor mode: packets are counted under `would_…` reasons and none is dropped.
    pub(crate) monitor: bool,
    /// Address families of which nothing is dropped, because the allowlist covers every address: `ipv4`, `ipv6`.
    pub(crate) allowed_families: Vec<String>,
    /// Seconds left for `synguard confirm`, 0 when they have run out; null if nothing has to be confirmed.
    pub(crate) confirm_seconds_left: Option<f64>,
    #[cfg_attr(test, schemars(schema_with = "super::schema_tests::settings"))]
    pub(crate) settings: Settings,
    pub(crate) counters: CountersJson,
    pub(crate) syn: SynJson,
    pub(crate) cookies: CookiesJson,
    /// `net.ipv4.tcp_timestamps`.
    pub(crate) timestamps: SysctlJson,
    /// SYN cookies of the XDP program; null while it sends none.
    pub(crate) answering: Option<XdpCookiesJson>,
    /// Table of prefixes (/24 and /48).
    pub(crate) prefixes: PrefixTableJson,
    pub(crate) events: EventCountsJson,
    pub(crate) blocklist: ListStateJson,
    pub(crate) allowlist: ListStateJson,
}

/// Connections of the server's network namespace. Null where nothing is known, as without a controller that responds.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct VisitorsJson {
    /// Connections that clients opened and completed, a second; a mean of two seconds.
    #[serde(rename = "accepted_rate")]
    pub(crate) accepted: Option<f64>,
    /// Mean of `accepted_rate` in calm times; null until it has seen ten seconds of them.
    #[serde(rename = "calm_rate")]
    pub(crate) calm: Option<f64>,
    /// SYNs and last ACKs that listeners dropped, a second; a mean of two seconds.
    #[serde(rename = "lost_rate")]
    pub(crate) lost: Option<f64>,
}

/// The response to the SYNs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ResponseJson {
    /// Measures that have an effect at this moment.
    pub(crate) measures: Vec<Measure>,
    /// The measures in words, with their rates.
    pub(crate) text: String,
}

/// A source, or a prefix in the blocklist.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TopSourceJson {
    /// An address or a prefix.
    pub(crate) source: String,
    /// SYNs a second, in tenths.
    pub(crate) rate: f64,
    pub(crate) status: SourceStateJson,
}

/// An interface with the program.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct InterfaceJson {
    /// Name of the interface when it was attached.
    pub(crate) name: String,
    /// Index of the interface in its network namespace; 0 if the interface is gone.
    pub(crate) ifindex: u32,
    pub(crate) mode: InterfaceModeJson,
    pub(crate) prog_id: u32,
}

/// The controller's process.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ControllerJson {
    pub(crate) running: bool,
    /// Null if no controller is running.
    pub(crate) pid: Option<u32>,
    /// False if the process runs but has given no sign of life for two seconds; null if no controller is running.
    pub(crate) responding: Option<bool>,
    /// Seconds since its last sign of life; null if there has been none.
    pub(crate) seen_seconds_ago: Option<f64>,
}

/// Counters since the filter was loaded.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CountersJson {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Packets.
    pub(crate) passed: u64,
    /// Packets.
    pub(crate) dropped: u64,
    /// SYNs to which the XDP program replied.
    pub(crate) answered: u64,
    /// Packets by reason. Each packet has exactly one reason.
    #[cfg_attr(test, schemars(schema_with = "super::schema_tests::packets_by_reason"))]
    pub(crate) reasons: BTreeMap<&'static str, u64>,
}

/// SYNs to guarded ports.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SynJson {
    /// All of them: `passed`, `dropped`, `answered` and `blocked`.
    pub(crate) total: u64,
    pub(crate) passed: u64,
    /// SYNs over a limit.
    pub(crate) dropped: u64,
    /// SYNs to which the XDP program replied.
    pub(crate) answered: u64,
    /// SYNs dropped because their address is in the blocklist.
    pub(crate) blocked: u64,
    /// Those of `passed` that would have been dropped or blocked outside monitor mode.
    pub(crate) would_drop: u64,
    /// SYNs a second, measured over a moment.
    pub(crate) rate: f64,
    /// Estimate for the last complete window of about a second.
    pub(crate) distinct_sources: u64,
    /// The setting `distinct-limit`; 0 means no limit.
    pub(crate) distinct_limit: u32,
}

/// SYN cookies, and `net.ipv4.tcp_syncookies`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CookiesJson {
    pub(crate) mode: CookieModeJson,
    #[serde(flatten)]
    pub(crate) syncookies: SysctlJson,
}

/// A kernel setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SysctlJson {
    /// Present value; null if it cannot be read.
    pub(crate) sysctl: Option<u8>,
    /// Value before synguard raised it, or the present one.
    pub(crate) original: Option<u8>,
}

/// SYN cookies of the XDP program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct XdpCookiesJson {
    /// The cookies carry TCP options besides the MSS.
    pub(crate) options: bool,
    /// A new SYN is dropped and its retransmission gets a cookie.
    pub(crate) first_syn: bool,
    /// ACKs that return no valid cookie are dropped.
    pub(crate) check_acks: bool,
}

/// Table of sources.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SourceTableJson {
    /// Entries in use.
    pub(crate) tracked: u64,
    pub(crate) capacity: u32,
    /// Entries in hold.
    pub(crate) in_hold: u64,
    pub(crate) inserts: u64,
    /// Sources that were not admitted to the table while it was under pressure.
    pub(crate) insert_skips: u64,
    /// Sources that were admitted while the table was under pressure.
    pub(crate) promotions: u64,
    /// The table is under pressure: new sources arrive too fast to insert each of them.
    pub(crate) crowded: bool,
}

/// Table of prefixes.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PrefixTableJson {
    pub(crate) capacity: u32,
    pub(crate) inserts: u64,
    /// Prefixes that were not admitted to the table while it was under pressure.
    pub(crate) insert_skips: u64,
    /// Prefixes that were admitted while the table was under pressure.
    pub(crate) promotions: u64,
    /// The table is under pressure.
    pub(crate) crowded: bool,
}

/// Events of the XDP program.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct EventCountsJson {
    pub(crate) sent: u64,
    /// Events over the limit of each CPU.
    pub(crate) suppressed: u64,
}

/// Size of a list, and whether it is on the disk.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ListStateJson {
    /// Entries in use, expired ones that were not collected yet included.
    pub(crate) entries: u64,
    pub(crate) capacity: u64,
    /// False while changes of the list are in force but not in its files, because these could not be written.
    pub(crate) saved: bool,
}

impl From<Visitors> for VisitorsJson {
    fn from(visitors: Visitors) -> Self {
        let Visitors { accepted_rate, calm_rate, lost_rate } = visitors;
        let [accepted, calm, lost] = [accepted_rate, calm_rate, lost_rate].map(|rate| rate.map(tenths));
        Self { accepted, calm, lost }
    }
}

impl From<&TopSource> for TopSourceJson {
    fn from(TopSource { source, rate, status }: &TopSource) -> Self {
        Self { source: source.clone(), rate: tenths(*rate), status: (*status).into() }
    }
}

/// Rounds to tenths: more would be noise.
fn tenths(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

impl From<&Attached> for InterfaceJson {
    fn from(link: &Attached) -> Self {
        let Attached { name, ifindex, place, program_id } = link;
        Self { name: name.clone(), ifindex: *ifindex, mode: (*place).into(), prog_id: *program_id }
    }
}

impl ListStateJson {
    pub(crate) const fn new(ListSize { entries, capacity }: ListSize, is_unsaved: bool) -> Self {
        Self { entries, capacity, saved: !is_unsaved }
    }
}

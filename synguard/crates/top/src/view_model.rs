//! The view model of `top` as plain data: one [`TopView`] of the filter at one instant.

use synguard_model::{attack::Phase, snapshot::Counters, source::SourceStatus};

use crate::sources::{Row, Sort, SourceFilter};

/// An interface with the filter on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceRow {
    /// Name as the kernel has it: any characters but slash and white space.
    pub name: String,
    /// Attachment of the program: native, generic, or the reason why it is not attached.
    pub place: String,
}

/// The state of SYN cookies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CookieState {
    /// Mode: off, kernel or xdp.
    pub mode: String,
    /// Value of `net.ipv4.tcp_syncookies`, if it can be read.
    pub sysctl: Option<u8>,
    /// Value of `net.ipv4.tcp_timestamps`, if it can be read.
    pub timestamps: Option<u8>,
}

/// Drops of listening sockets since their network namespace was created (`TcpExt`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenDrops {
    /// SYNs and last ACKs that listeners dropped.
    pub drops: u64,
    /// SYNs that found a listener's queue of half-open connections full.
    pub queue_full: u64,
}

/// The fill level of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauge {
    /// Entries in use.
    pub used: u64,
    /// Capacity in entries; 0 if the table does not exist.
    pub capacity: u64,
}

/// An entry of one of the operator's lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListRow {
    /// The list: blocked or allowed.
    pub status: SourceStatus,
    /// An address or prefix.
    pub target: String,
    /// Origin: operator, auto or feed.
    pub origin: String,
    /// Scope: all or syn.
    pub scope: String,
    /// Packets that it matched.
    pub hits: u64,
    /// Matched packets a second.
    pub rate: f64,
    /// Seconds until it expires; `None` for never.
    pub seconds_left: Option<u64>,
    /// Reason as entered: any text.
    pub reason: String,
}

impl ListRow {
    /// Reports whether both are the entry of the same target on the same list.
    pub(crate) fn has_same_target(&self, other: &Self) -> bool {
        self.status == other.status && self.target == other.target
    }
}

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventRow {
    /// Day and time for display.
    pub at: String,
    /// Name of the event.
    pub kind: String,
    /// Text: what happened, the reason, and the action taken.
    pub text: String,
}

/// The cost of a refresh.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// CPU time since the previous refresh, as a share of one core.
    pub cpu: f64,
    /// Milliseconds spent reading the tables.
    pub reading_ms: f64,
}

/// The selection of sources for a refresh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopQuery {
    /// Order in which the busiest are selected.
    pub sort: Sort,
    /// Maximum number of sources.
    pub limit: usize,
    /// Condition on the sources.
    pub filter: SourceFilter,
}

/// Everything that the screen shows.
#[expect(clippy::struct_excessive_bools, reason = "each is shown on its own, and any of them may hold")]
#[derive(Clone, Debug, Default)]
pub struct TopView {
    /// Time of the refresh, in nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// The instance's name.
    pub instance: String,
    /// Interfaces of the filter.
    pub interfaces: Vec<InterfaceRow>,
    /// Process id of the controller, if one runs.
    pub controller: Option<u32>,
    /// Seconds since the last sign of life of a controller that does not respond.
    pub controller_silence: Option<u64>,
    /// The phase.
    pub phase: Phase,
    /// Kind of the attack, during one.
    pub kind: Option<String>,
    /// Seconds since the phase began, if known.
    pub phase_seconds: Option<u64>,
    /// Monitor mode: the filter drops nothing.
    pub monitor: bool,
    /// Reason why the filter drops nothing, if so.
    pub arming: Option<String>,
    /// The counters.
    pub counters: Counters,
    /// Distinct sources of SYNs in the last second.
    pub distinct: u64,
    /// Number of distinct sources that counts as an attack; 0 for no limit.
    pub distinct_limit: u64,
    /// State of SYN cookies.
    pub cookies: CookieState,
    /// Drops of listening sockets, if the kernel reports them.
    pub listeners: Option<ListenDrops>,
    /// Fill level of the table of sources.
    pub tracked: Gauge,
    /// Sources in hold.
    pub in_hold: u64,
    /// Set while a CPU is under pressure: only sources above the promotion threshold get an entry.
    pub under_pressure: bool,
    /// The lists.
    pub blocklist: Gauge,
    /// The lists.
    pub allowlist: Gauge,
    /// Leading bits of an IPv6 address that identify a source.
    pub v6_length: u8,
    /// The busiest sources, busiest first.
    pub sources: Vec<Row>,
    /// The share of the table of sources that was read, 0 to 1.
    pub coverage: f64,
    /// The busiest prefixes, busiest first.
    pub prefixes: Vec<Row>,
    /// Set if prefixes have a limit and these are their own counts; otherwise these are sums over sources.
    pub prefixes_limited: bool,
    /// Entries of the lists; of very many, only the busiest.
    pub list_rows: Vec<ListRow>,
    /// Set if reasons were left unread because reading would take too long.
    pub reasons_unread: bool,
    /// Events, newest first.
    pub events: Vec<EventRow>,
    /// Cost of this refresh.
    pub cost: Cost,
}

//! The view model of `top` as plain data: one [`TopView`] of the filter at one instant.

use synguard_common::source::SourceKey;
use synguard_model::{situation::Situation, snapshot::Counters, source::SourceStatus};

use crate::sources::{Row, Sort, SourceFilter};

/// An interface with the filter on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceRow {
    /// Name as the kernel has it: any characters but slash and white space.
    pub name: String,
    /// Attachment of the program: native, generic, or the reason why it is not attached.
    pub place: String,
}

/// Counts of listening sockets since their network namespace was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerCounts {
    /// Connections that clients opened and completed (`PassiveOpens`).
    pub accepted: u64,
    /// SYNs and last ACKs that listeners dropped (`ListenDrops`).
    pub drops: u64,
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
    /// Origin: manual, auto or feed.
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
    /// Day and time for display, in the zone of [`TopView::zone`].
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
    /// CPU time of this refresh for reading the table of sources, in nanoseconds; 0 if it was not read.
    pub table_cpu_ns: u64,
}

/// The explanation of the verdict on a SYN from a source, as `synguard why` prints it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceExplanation {
    pub key: SourceKey,
    /// Lines of the text: the verdict and the rules. Those that decide are marked `=>`.
    pub lines: Vec<String>,
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
    /// A source that is to be in the view and explained, whatever its rate.
    pub kept: Option<SourceKey>,
}

impl TopQuery {
    /// Reports whether both select the same sources, apart from the one that is to be in the view in any case.
    pub fn selects_like(&self, other: &Self) -> bool {
        (self.sort, self.limit, &self.filter) == (other.sort, other.limit, &other.filter)
    }
}

/// Everything that the screen shows.
#[expect(clippy::struct_excessive_bools, reason = "each is shown on its own, and any of them may hold")]
#[derive(Clone, Debug, Default)]
pub struct TopView {
    /// Time of the refresh, in nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// Time at which the table of sources was read, in nanoseconds of `CLOCK_MONOTONIC`.
    pub read_ns: u64,
    /// Seconds between two readings of the table of sources, if it is large and therefore read less often.
    pub read_seconds: Option<u64>,
    /// Time of day, and its zone.
    pub clock: String,
    pub zone: String,
    /// The situation: the phase, the response, the visitors and the next step.
    pub situation: Situation,
    /// The instance's name.
    pub instance: String,
    /// Interfaces of the filter.
    pub interfaces: Vec<InterfaceRow>,
    /// Set if a controller runs.
    pub has_controller: bool,
    /// The counters.
    pub counters: Counters,
    /// Distinct sources of SYNs in the last second.
    pub distinct: u64,
    /// Value of `net.ipv4.tcp_syncookies`, if it can be read.
    pub syncookies: Option<u8>,
    /// Counts of listening sockets, if the kernel reports them.
    pub listeners: Option<ListenerCounts>,
    /// Fill level of the table of sources.
    pub tracked: Gauge,
    /// Sources in hold.
    pub in_hold: u64,
    /// Set while a CPU is under pressure: only sources above the promotion threshold get an entry.
    pub under_pressure: bool,
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

impl TopView {
    /// Reports whether the filter drops nothing, as in monitor mode: then rows and totals are what it would have done.
    pub fn drops_nothing(&self) -> bool {
        self.situation.enforcement.is_off()
    }
}

//! What there is to show, as plain data: one [`Survey`] of the filter at one instant.

use synguard_model::{attack::Phase, snapshot::Counters, source::SourceStatus};

use crate::sources::{Filter, Row, Sort};

/// An interface with the filter on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name, as the kernel has it: it may hold anything but a slash and white space.
    pub name: String,
    /// Where the program runs: native, generic, or why it does not.
    pub place: String,
}

/// How SYN cookies are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    /// What the filter does: off, kernel or xdp.
    pub mode: String,
    /// `net.ipv4.tcp_syncookies`, if it can be read.
    pub sysctl: Option<u8>,
    /// `net.ipv4.tcp_timestamps`, likewise.
    pub timestamps: Option<u8>,
}

/// What the kernel's TCP has counted since its network namespace was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listeners {
    /// SYNs and last ACKs that listeners dropped.
    pub drops: u64,
    /// SYNs that found a listener's queue of half-open connections full.
    pub queue_full: u64,
}

/// How full something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauge {
    /// Entries in use.
    pub used: u64,
    /// Entries there is room for; 0 if it does not exist.
    pub capacity: u64,
}

/// An entry of one of the operator's lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// On which list it is: blocked or allowed.
    pub standing: SourceStatus,
    /// An address or network.
    pub target: String,
    /// Who put it there: operator, auto or feed.
    pub origin: String,
    /// What of its traffic it is about: all or syn.
    pub scope: String,
    /// Packets it decided about.
    pub hits: u64,
    /// Those a second.
    pub rate: f64,
    /// Seconds until it ends; `None` for never.
    pub seconds_left: Option<u64>,
    /// Why it is there; whatever somebody wrote.
    pub reason: String,
}

impl Listed {
    /// Whether it is the entry of the same target on the same list.
    pub(crate) fn is_about_the_same(&self, other: &Self) -> bool {
        self.standing == other.standing && self.target == other.target
    }
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Happening {
    /// When, as people write it.
    pub at: String,
    /// What kind of event.
    pub kind: String,
    /// What, why, and what was done.
    pub text: String,
}

/// What looking costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// CPU time used since the look before, as a share of one core.
    pub cpu: f64,
    /// Milliseconds that reading the tables took.
    pub reading_ms: f64,
}

/// What is wanted of a look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Want {
    /// By what sources are chosen.
    pub sort: Sort,
    /// How many at most.
    pub limit: usize,
    /// Which of them.
    pub filter: Filter,
}

/// Everything there is to show.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// When, in nanoseconds of CLOCK_MONOTONIC.
    pub at_ns: u64,
    /// The instance's name.
    pub instance: String,
    /// Where the filter is.
    pub interfaces: Vec<Interface>,
    /// The controller's process, if one runs.
    pub controller: Option<u32>,
    /// The situation.
    pub phase: Phase,
    /// What kind of attack it is, if it is one.
    pub kind: Option<String>,
    /// For how many seconds the phase has lasted, if that is known.
    pub phase_seconds: Option<u64>,
    /// Whether the filter drops at all, or why not.
    pub arming: Option<String>,
    /// The counters.
    pub counters: Counters,
    /// Distinct sources of SYNs in the last second.
    pub distinct: u64,
    /// How many of them count as an attack; 0 if that is not watched.
    pub distinct_limit: u64,
    /// SYN cookies.
    pub cookies: Cookies,
    /// What listeners have dropped, if the kernel says so.
    pub listeners: Option<Listeners>,
    /// The table of sources.
    pub tracked: Gauge,
    /// Sources in hold.
    pub in_hold: u64,
    /// Whether only conspicuous sources are given an entry.
    pub crowded: bool,
    /// The lists.
    pub blocklist: Gauge,
    /// The lists.
    pub allowlist: Gauge,
    /// Leading bits of an IPv6 address that make one source.
    pub v6_length: u8,
    /// The busiest sources, busiest first.
    pub sources: Vec<Row>,
    /// The share of the table of sources that was read, 0 to 1.
    pub coverage: f64,
    /// The busiest networks, busiest first.
    pub networks: Vec<Row>,
    /// Whether networks are limited as such, and these are their own counts; else they are sums over sources.
    pub networks_limited: bool,
    /// Entries of the lists; of very many, the busiest.
    pub listed: Vec<Listed>,
    /// Why they are there was not read: it would take too long.
    pub reasons_unread: bool,
    /// What happened, latest first.
    pub happenings: Vec<Happening>,
    /// What it cost to find all this out.
    pub cost: Cost,
}

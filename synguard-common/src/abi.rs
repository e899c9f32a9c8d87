//! Keys and values of the BPF maps. Every type is plain bytes of a fixed size. All times are nanoseconds of
//! `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_coarse_ns`.

use crate::{
    addr::{Addr, HashSeed, Mask},
    admission::Admission,
    gcra::RateLimit,
    hold_cache::{self, HoldCache},
    ip_list::{
        IpLists, ListEntry, Prefix,
        cache::{self, ListCache},
    },
    reason::Reason,
    source::SourceKey,
    syn_cookie::{
        config::SynCookieConfig,
        handshake::Handshake,
        listener::{ListenerPath, PathState},
        prefix_limit::PrefixRateSketch,
        seen_syns::SeenSyns,
        template::SynAckTemplate,
        template_cache::TemplatePair,
    },
};

/// Version of these layouts and of the names of the pins. A loader takes over the pinned maps of another version only if
/// it knows how to.
pub const ABI_VERSION: u32 = 3;

/// [`Config::flags`]: drop nothing, and count each would-be drop under [`Reason::monitored`].
pub const FLAG_MONITOR: u32 = 1 << 0;
/// [`Config::flags`]: guard every port and ignore [`PortSet`].
pub const FLAG_ALL_PORTS: u32 = 1 << 1;
/// [`Config::flags`]: drop packets with combinations of TCP flags that no host sends.
pub const FLAG_DROP_BAD_FLAGS: u32 = 1 << 2;
/// [`Config::flags`]: the controller may change the kernel's timestamp setting so that SYN cookies keep a connection's
/// options. The datapath reads neither this flag nor the next two: its SYN cookie settings are in `SYN_COOKIES`.
pub const FLAG_COOKIE_OPTIONS: u32 = 1 << 3;
/// [`Config::flags`]: while XDP sends SYN cookies, drop ACKs to a listener that return no valid cookie.
pub const FLAG_CHECK_ACKS: u32 = 1 << 4;
/// [`Config::flags`]: the controller may make XDP drop first SYNs.
pub const FLAG_DROP_FIRST_SYN: u32 = 1 << 5;

/// All live settings, at index 0 of `CONFIG`. All zeros: no limits, every packet passes.
///
/// An update as a whole is not atomic, but the update of each field of eight bytes or fewer is. No two fields depend on
/// each other in such a way that a packet between the two writes could be harmed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// [`ABI_VERSION`] of the loader that wrote this value.
    pub abi: u32,
    /// Union of `FLAG_*`.
    pub flags: u32,
    /// [`RateLimit::interval_ns`] of a source; 0: no rate is configured.
    pub syn_interval_ns: u64,
    /// [`RateLimit::tolerance_ns`] of a source.
    pub syn_tolerance_ns: u64,
    /// Duration of the hold after a source exceeds its limit, in nanoseconds; 0 disables holds.
    pub hold_ns: u64,
    /// Time after which the program only monitors (an unconfirmed `attach --confirm`); 0: never.
    pub disarm_at_ns: u64,
    /// Mask of the part of an IPv6 address that identifies the source, see [`Mask::of_length`].
    pub source_mask_v6: Mask,
    /// [`RateLimit::interval_ns`] of a prefix; 0: prefixes are not limited.
    pub prefix_interval_ns: u64,
    /// [`RateLimit::tolerance_ns`] of a prefix.
    pub prefix_tolerance_ns: u64,
    /// Secret that determines which addresses share cells and registers, see [`crate::hash`].
    pub hash_seed: HashSeed,
    /// The rate as configured, in SYNs a second: for display, the datapath does not read it.
    pub syn_rate: u32,
    /// The burst as configured, in SYNs: for display.
    pub syn_burst: u32,
    /// Length of `source_mask_v6`, 1 to 128: for display.
    pub source_prefix_v6: u32,
    /// The prefix rate as configured, in SYNs a second, 0 for none: for display.
    pub prefix_rate: u32,
    /// Number of distinct sources in a window from which on a flood counts as distributed, 0 for no limit: for the
    /// controller.
    pub distinct_limit: u32,
    /// The controller's means against a distributed flood, one of `COOKIES_*`.
    pub cookies: u32,
    /// SYN cookies a second in all, 0 for no limit: for the controller.
    pub cookie_rate: u32,
    /// SYN cookies a second to one /24 or /48, 0 for no limit: for the controller.
    pub cookie_prefix_rate: u32,
}

/// [`Config::cookies`]: no SYN cookies.
pub const COOKIES_OFF: u32 = 0;
/// [`Config::cookies`]: the best means available.
pub const COOKIES_AUTO: u32 = 1;
/// [`Config::cookies`]: the kernel sends SYN cookies.
pub const COOKIES_KERNEL: u32 = 2;
/// [`Config::cookies`]: XDP sends SYN cookies.
pub const COOKIES_XDP: u32 = 3;

impl Config {
    /// Returns the rate limit of one source.
    #[inline(always)]
    pub const fn syn_limit(&self) -> RateLimit {
        RateLimit { interval_ns: self.syn_interval_ns, tolerance_ns: self.syn_tolerance_ns }
    }

    /// Returns the rate limit of one prefix.
    #[inline(always)]
    pub const fn prefix_limit(&self) -> RateLimit {
        RateLimit { interval_ns: self.prefix_interval_ns, tolerance_ns: self.prefix_tolerance_ns }
    }

    /// Reports whether all bits of `flag` are set.
    #[inline(always)]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }
}

pub const PORT_WORDS: usize = 65_536 / 64;

/// A set of TCP ports, one bit each: port `p` is bit `p % 64` of word `p / 64`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortSet {
    pub words: [u64; PORT_WORDS],
}

impl PortSet {
    pub const EMPTY: Self = Self { words: [0; PORT_WORDS] };

    pub const fn insert(&mut self, port: u16) {
        self.words[(port >> 6) as usize] |= 1 << (port & 63);
    }

    #[inline(always)]
    pub const fn contains(&self, port: u16) -> bool {
        self.words[(port >> 6) as usize] >> (port & 63) & 1 != 0
    }
}

/// Number of slots in `COUNTERS`: more than there are reasons, so that a later version with further reasons can still take
/// over the counters of this one.
pub const COUNTER_SLOTS: u32 = 64;

/// One CPU's count of the packets with one [`Reason`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    pub packets: u64,
    /// Bytes of those packets as the program sees them: from the Ethernet header on, without the frame checksum; of a
    /// packet in several buffers, only the first one.
    pub bytes: u64,
}

/// A rare event in the datapath, which the controller reads from `EVENTS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatapathEvent {
    pub at_ns: u64,
    pub source: SourceKey,
    /// [`Reason::index`] of the event.
    pub reason: u32,
    /// Destination port of the packet.
    pub port: u16,
    /// Zero.
    pub reserved: u16,
}

/// The state of one CPU besides its counters.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuState {
    /// State of [`EVENT_LIMIT`], see [`crate::gcra::take`].
    pub event_tat_ns: u64,
    /// Events written to the ring buffer.
    pub events_sent: u64,
    /// Events over the limit, or for which the ring buffer had no room.
    pub events_suppressed: u64,
    /// Admission to the table of sources.
    pub sources: Admission,
    /// Admission to the table of prefixes.
    pub prefixes: Admission,
    /// Timer tick of the clock reading.
    pub clock_tick: u64,
    /// Clock reading of that tick, in nanoseconds.
    pub clock_ns: u64,
    /// State of this CPU's SYN cookie limit, see [`SynCookieConfig::limit`].
    pub cookie_tat_ns: u64,
    /// Scratch space through which a value becomes unknown to the verifier.
    pub scratch: u64,
    /// State of this CPU's limit on retransmitted SYNs that go to the kernel as samples.
    pub sample_tat_ns: u64,
    /// State of this CPU's limit on ACKs without a connection that pass.
    pub reset_tat_ns: u64,
    /// Zero.
    pub reserved: u64,
}

/// Events that one CPU may send: 20 a second, in bursts of up to 40.
pub const EVENT_LIMIT: RateLimit = RateLimit::new(20, 40);

const _: () = {
    assert!(size_of::<Addr>() == 16);
    assert!(size_of::<Config>() == 120);
    assert!(size_of::<PortSet>() == 8192);
    assert!(size_of::<Counter>() == 16);
    assert!(size_of::<DatapathEvent>() == 32);
    assert!(size_of::<CpuState>() == 192);
    assert!(size_of::<SynCookieConfig>() == 72);
    assert!(size_of::<HoldCache>() == hold_cache::SLOTS * 32);
    assert!(size_of::<ListCache>() == cache::SLOTS * 80);
    assert!(size_of::<ListenerPath>() == 32);
    assert!(size_of::<PathState>() == 88);
    assert!(size_of::<SynAckTemplate>() == 32);
    assert!(size_of::<Handshake>() == 40);
    assert!(size_of::<TemplatePair>() == 128);
    assert!(size_of::<PrefixRateSketch>() == 32 << 10);
    assert!(size_of::<SeenSyns>() == 4 << 20);
    assert!(size_of::<Prefix>() == 24);
    assert!(size_of::<ListEntry>() == 24);
    assert!(size_of::<IpLists>() == 16 + 2 * (2 * (8 + 64 * (1 + 16 + 4)) + 8));
    assert!(Reason::ALL.len() <= COUNTER_SLOTS as usize);
};

#[cfg(feature = "user")]
mod user {
    use super::{
        Addr, Config, Counter, CpuState, DatapathEvent, Handshake, HoldCache, IpLists, ListCache, ListEntry,
        ListenerPath, PathState, PortSet, Prefix, PrefixRateSketch, SourceKey, SynAckTemplate,
        SynCookieConfig, TemplatePair,
    };
    use crate::{hyperloglog::HyperLogLog, source::SourceState};

    macro_rules! pod {
        ($($type:ty),+) => {$(
            // SAFETY: repr(C), integers only, every bit pattern valid, and no padding: the asserted size is the sum of
            // the fields.
            unsafe impl aya::Pod for $type {}
        )+};
    }

    pod!(
        Addr,
        Config,
        PortSet,
        Counter,
        SourceKey,
        SourceState,
        DatapathEvent,
        CpuState,
        SynCookieConfig,
        ListenerPath,
        PathState,
        SynAckTemplate,
        Handshake,
        TemplatePair,
        PrefixRateSketch,
        HyperLogLog,
        HoldCache,
        ListCache,
        Prefix,
        ListEntry,
        IpLists
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_set_contains_exactly_its_ports() {
        let mut set = PortSet::EMPTY;
        for port in [0, 63, 64, 443, 65_535] {
            set.insert(port);
        }
        for port in 0..=u16::MAX {
            assert_eq!(set.contains(port), [0, 63, 64, 443, 65_535].contains(&port), "{port}");
        }
    }
}

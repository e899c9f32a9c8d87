//! Keys and values of the BPF maps. Every type is plain bytes of a fixed size; all times are nanoseconds of
//! CLOCK_MONOTONIC, the clock of `bpf_ktime_get_coarse_ns`.

use crate::{
    addr::Halves,
    admission::Admission,
    gcra::RateLimit,
    hold_cache::{self, HoldCache},
    ip_list::{
        IpLists, ListEntry, Prefix,
        cache::{self, ListCache},
    },
    reason::Reason,
    source::{SourceKey, SourceState},
    syn_cookie::{
        config::SynCookieConfig, listener_cache::ListenerPair, prefix_limit::PrefixRateSketch,
        seen_syns::SeenSyns,
    },
};

/// Version of these layouts. A loader takes over the pinned maps of another synguard only if it is the same.
pub const ABI_VERSION: u32 = 3;

/// [`Config::flags`]: nothing is dropped; drops are counted under [`Reason::monitored`].
pub const FLAG_MONITOR: u32 = 1 << 0;
/// [`Config::flags`]: every port is guarded, whatever [`PortSet`] says.
pub const FLAG_ALL_PORTS: u32 = 1 << 1;
/// [`Config::flags`]: combinations of TCP flags that no host sends are dropped.
pub const FLAG_DROP_BAD_FLAGS: u32 = 1 << 2;
/// [`Config::flags`]: the controller may change the kernel's timestamps so that answers keep a connection's options. The
/// datapath reads neither this nor the next two: what it has to know of answering is in `SYN_COOKIES`.
pub const FLAG_COOKIE_OPTIONS: u32 = 1 << 3;
/// [`Config::flags`]: while SYNs are answered, ACKs that return no valid cookie are dropped.
pub const FLAG_CHECK_ACKS: u32 = 1 << 4;
/// [`Config::flags`]: the controller may have first SYNs dropped.
pub const FLAG_DROP_FIRST_SYN: u32 = 1 << 5;

/// Every live setting, at index 0 of `CONFIG`. All zeros means: nothing is limited, everything passes.
///
/// An update is not atomic as a whole, but each field of eight bytes or fewer is; no two fields depend on
/// each other in a way that a packet between two writes could suffer from.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// [`ABI_VERSION`] of the loader that wrote this.
    pub abi: u32,
    /// A union of `FLAG_*`.
    pub flags: u32,
    /// [`RateLimit::interval_ns`] of a source; 0 means that no rate is configured.
    pub syn_interval_ns: u64,
    /// [`RateLimit::tolerance_ns`] of a source.
    pub syn_tolerance_ns: u64,
    /// How long a source over its limit stays in hold, in nanoseconds; 0 means that each SYN is judged.
    pub hold_ns: u64,
    /// After this moment nothing is dropped any more (an unconfirmed `attach --confirm`); 0 means never.
    pub disarm_at_ns: u64,
    /// Mask of the part of an IPv6 address that is the source, see [`crate::addr::mask`].
    pub source_mask_v6: Halves,
    /// [`RateLimit::interval_ns`] of a prefix; 0 means that prefixes are not limited.
    pub prefix_interval_ns: u64,
    /// [`RateLimit::tolerance_ns`] of a prefix.
    pub prefix_tolerance_ns: u64,
    /// Secret that decides which addresses share cells and registers, see [`crate::hash::mix`].
    pub hash_seed: Halves,
    /// The rate as it was set, in SYNs a second: for display, the datapath does not read it.
    pub syn_rate: u32,
    /// The burst as it was set, in SYNs: for display.
    pub syn_burst: u32,
    /// Length of `source_mask_v6`, 1 to 128: for display.
    pub source_prefix_v6: u32,
    /// The prefix rate as it was set, in SYNs a second, 0 for none: for display.
    pub prefix_rate: u32,
    /// Distinct sources a window from which on a flood counts as distributed, 0 for no limit: for the controller.
    pub distinct_limit: u32,
    /// What the controller may do about a distributed flood, one of `COOKIES_*`.
    pub cookies: u32,
    /// Answers a second in all, 0 for any number: for the controller.
    pub cookie_rate: u32,
    /// Answers a second to one /24 or /48, 0 for any number: for the controller.
    pub cookie_prefix_rate: u32,
}

/// [`Config::cookies`]: nothing.
pub const COOKIES_OFF: u32 = 0;
/// [`Config::cookies`]: the best there is.
pub const COOKIES_AUTO: u32 = 1;
/// [`Config::cookies`]: have the kernel answer with SYN cookies.
pub const COOKIES_KERNEL: u32 = 2;
/// [`Config::cookies`]: answer with SYN cookies in the driver.
pub const COOKIES_XDP: u32 = 3;

impl Config {
    /// The rate limit of one source.
    #[inline(always)]
    pub const fn syn_limit(&self) -> RateLimit {
        RateLimit { interval_ns: self.syn_interval_ns, tolerance_ns: self.syn_tolerance_ns }
    }

    /// The rate limit of one prefix.
    #[inline(always)]
    pub const fn prefix_limit(&self) -> RateLimit {
        RateLimit { interval_ns: self.prefix_interval_ns, tolerance_ns: self.prefix_tolerance_ns }
    }

    /// Whether all bits of `flag` are set.
    #[inline(always)]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }
}

/// Words in a [`PortSet`].
pub const PORT_WORDS: usize = 65_536 / 64;

/// A set of TCP ports, one bit each: port `p` is bit `p % 64` of word `p / 64`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortSet {
    /// The bits.
    pub words: [u64; PORT_WORDS],
}

impl PortSet {
    /// No port.
    pub const EMPTY: Self = Self { words: [0; PORT_WORDS] };

    /// Adds a port.
    pub const fn insert(&mut self, port: u16) {
        self.words[(port >> 6) as usize] |= 1 << (port & 63);
    }

    /// Whether the port is in the set.
    #[inline(always)]
    pub const fn contains(&self, port: u16) -> bool {
        self.words[(port >> 6) as usize] >> (port & 63) & 1 != 0
    }
}

/// Slots in `COUNTERS`, more than there are reasons, so that a later version can add some and still take
/// over the counters of this one.
pub const COUNTER_SLOTS: u32 = 64;

/// One CPU's count of the packets with one [`Reason`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes of those packets as seen by the program: from the Ethernet header, without the checksum, and of
    /// a packet spread over several buffers only the first.
    pub bytes: u64,
}

/// Something rare that happened in the datapath, read by the controller from `EVENTS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatapathEvent {
    /// When.
    pub at_ns: u64,
    /// Who.
    pub source: SourceKey,
    /// What, as [`Reason::index`].
    pub reason: u32,
    /// The port it was after.
    pub port: u16,
    /// Zero.
    pub reserved: u16,
}

/// What one CPU keeps besides the counters.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuState {
    /// The bucket that bounds events to [`EVENT_LIMIT`], see [`crate::gcra::take`].
    pub event_tat_ns: u64,
    /// Events written to the ring buffer.
    pub events_sent: u64,
    /// Events that were over the limit or found the ring buffer full.
    pub events_suppressed: u64,
    /// Who gets an entry among the sources.
    pub sources: Admission,
    /// Who gets an entry among the prefixes.
    pub prefixes: Admission,
    /// The timer tick at which `clock_ns` was read.
    pub clock_tick: u64,
    /// The clock at that tick, in nanoseconds.
    pub clock_ns: u64,
    /// The bucket of this CPU's answers, see [`SynCookieConfig::limit`].
    pub cookie_tat_ns: u64,
    /// Of no meaning: values are put here to be taken back.
    pub scratch: u64,
    /// Zero.
    pub reserved: [u64; 3],
}

/// Events a CPU may emit: 20 a second, bursts of 40.
pub const EVENT_LIMIT: RateLimit = RateLimit::new(20, 40);

const _: () = {
    assert!(size_of::<Config>() == 120);
    assert!(size_of::<PortSet>() == 8192);
    assert!(size_of::<Counter>() == 16);
    assert!(size_of::<SourceKey>() == 16);
    assert!(size_of::<SourceState>() == 48);
    assert!(size_of::<DatapathEvent>() == 32);
    assert!(size_of::<CpuState>() == 192);
    assert!(size_of::<SynCookieConfig>() == 72);
    assert!(size_of::<HoldCache>() == hold_cache::SLOTS * 32);
    assert!(size_of::<ListCache>() == cache::SLOTS * 80);
    assert!(size_of::<ListenerPair>() == 64);
    assert!(size_of::<PrefixRateSketch>() == 32 << 10);
    assert!(size_of::<SeenSyns>() == 4 << 20);
    assert!(size_of::<Prefix>() == 24);
    assert!(size_of::<ListEntry>() == 24);
    assert!(size_of::<IpLists>() == 16 + 2 * (2 * (8 + 64 * (1 + 16 + 4)) + 8));
    assert!(Reason::ALL.len() <= COUNTER_SLOTS as usize);
};

#[cfg(feature = "user")]
mod user {
    use super::*;
    use crate::hyperloglog::HyperLogLog;

    macro_rules! pod {
        ($($type:ty),+) => {$(
            // SAFETY: repr(C), integers only, no padding (the size is asserted above and is the sum of the
            // fields), every bit pattern valid.
            unsafe impl aya::Pod for $type {}
        )+};
    }

    pod!(
        Config,
        PortSet,
        Counter,
        SourceKey,
        SourceState,
        DatapathEvent,
        CpuState,
        SynCookieConfig,
        ListenerPair,
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
    fn a_port_set_holds_exactly_its_ports() {
        let mut set = PortSet::EMPTY;
        for port in [0, 63, 64, 443, 65_535] {
            set.insert(port);
        }
        for port in 0..=u16::MAX {
            assert_eq!(set.contains(port), [0, 63, 64, 443, 65_535].contains(&port), "{port}");
        }
    }
}

//! The settings of SYN cookies in XDP, which userspace writes.

use crate::gcra::RateLimit;

/// [`SynCookieConfig::flags`]: XDP sends SYN cookies to SYNs for guarded ports with a listener.
pub const SYN_COOKIE_ON: u32 = 1 << 0;
/// [`SynCookieConfig::flags`]: `net.ipv4.tcp_timestamps` is 2, so a SYN-ACK may carry the connection's options in its
/// timestamp. Without this flag it carries an MSS only: the kernel would read a wrong window scale. The flag also requires
/// `tcp_sack` and `tcp_window_scaling`, which are on unless somebody switched them off: otherwise the kernel drops an ACK
/// whose timestamp says that they are in use.
pub const SYN_COOKIE_OPTIONS: u32 = 1 << 1;
/// [`SynCookieConfig::flags`]: XDP drops the first SYN of a new source, and replies only to its retransmission.
pub const SYN_COOKIE_REQUIRE_RETRANSMIT: u32 = 1 << 2;
/// [`SynCookieConfig::flags`]: XDP drops ACKs to a listener that belong to no connection and carry no valid cookie. Must be
/// clear where a port may be redirected: connections to it then belong to sockets elsewhere. Valid cookies are counted
/// with and without this flag.
pub const SYN_COOKIE_CHECK_ACKS: u32 = 1 << 3;
/// [`SynCookieConfig::flags`]: `net.ipv4.tcp_ecn` is not 0, so a SYN-ACK with options may agree to ECN. Without this flag
/// none does: the kernel would drop the connection.
pub const SYN_COOKIE_ECN: u32 = 1 << 4;

/// The settings of SYN cookies, at index 0 of `SYN_COOKIES`. All zeros: XDP sends none, and reads no other field.
///
/// Userspace fills [`LOCAL_ADDRS`](crate::map_names::LOCAL_ADDRS) and writes all other fields before it sets
/// [`SYN_COOKIE_ON`], and raises `net.ipv4.tcp_syncookies` and `tcp_timestamps` before that.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SynCookieConfig {
    /// Union of `SYN_COOKIE_*`.
    pub flags: u32,
    /// Zeros. Earlier versions announced one window scale, MSS and hop limit in all SYN-ACKs.
    pub reserved: [u32; 4],
    /// SYN cookies a second from one CPU to addresses of one /24 (IPv6: /48); 0: no limit. SYNs over the rate are dropped.
    /// A sketch keeps the counts: no prefix exceeds the limit, but one that shares cells with busy prefixes may get less.
    pub prefix_rate: u32,
    /// [`RateLimit::interval_ns`] of each CPU's SYN cookies; 0: no limit. SYNs over the rate are dropped.
    pub interval_ns: u64,
    /// [`RateLimit::tolerance_ns`] of each CPU's SYN cookies.
    pub tolerance_ns: u64,
    /// Time for which a returned valid cookie validates its source, in nanoseconds; 0 disables this. SYNs of a validated
    /// source are never dropped for a rate, nor as first SYNs. XDP sends cookies to them as to others, but only after a look
    /// at the kernel's connections: only the kernel may replace a connection that lingers (`TIME_WAIT`). The time should
    /// therefore exceed the minute for which connections linger.
    pub validated_ns: u64,
    /// Time for which a listener stays in the cache before the next lookup, in nanoseconds.
    pub listener_ns: u64,
    /// End of the lease: XDP sends no cookies from then on, whatever the flags are. The controller, which checks that the
    /// kernel accepts the returned cookies, extends the lease in each tick; if the controller dies, the lease expires. 0 is
    /// in the past.
    pub lease_until_ns: u64,
    /// [`RateLimit::interval_ns`] of the ACKs without a connection that one CPU passes, so that the kernel replies with a
    /// reset; 0: none pass.
    pub reset_interval_ns: u64,
}

impl SynCookieConfig {
    /// Returns the limit of one CPU's SYN cookies.
    #[inline(always)]
    pub const fn limit(&self) -> RateLimit {
        RateLimit { interval_ns: self.interval_ns, tolerance_ns: self.tolerance_ns }
    }

    /// Returns the limit of the ACKs without a connection that one CPU passes: a second's worth at once.
    #[inline(always)]
    pub const fn reset_limit(&self) -> RateLimit {
        const SECOND_NS: u64 = 1_000_000_000;
        RateLimit { interval_ns: self.reset_interval_ns, tolerance_ns: SECOND_NS }
    }

    /// Reports whether all bits of `flag` are set.
    #[inline(always)]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }

    /// Reports whether XDP sends SYN cookies at `now_ns`.
    #[inline(always)]
    pub const fn is_on(&self, now_ns: u64) -> bool {
        self.has(SYN_COOKIE_ON) && now_ns < self.lease_until_ns
    }
}

//! SYNs answered by the XDP program itself, with SYN cookies: what userspace tells it.

use crate::gcra::RateLimit;

/// [`SynCookieConfig::flags`]: SYNs to listening, guarded ports are answered.
pub const SYN_COOKIE_ON: u32 = 1 << 0;
/// [`SynCookieConfig::flags`]: `net.ipv4.tcp_timestamps` is 2, so an answer may carry the connection's options in its
/// timestamp. Without it an answer has an MSS only: the kernel would read a wrong window scale. It also needs `tcp_sack` and
/// `tcp_window_scaling`, which are on unless somebody switched them off: the kernel drops an ACK that says otherwise.
pub const SYN_COOKIE_OPTIONS: u32 = 1 << 1;
/// [`SynCookieConfig::flags`]: a new source's first SYN is dropped, and the one it sends again is answered.
pub const SYN_COOKIE_REQUIRE_RETRANSMIT: u32 = 1 << 2;
/// [`SynCookieConfig::flags`]: ACKs to a listener that belong to no connection and carry no valid cookie are dropped. Not where a
/// port may be redirected: connections to it then belong to sockets elsewhere. Valid cookies are counted in any case.
pub const SYN_COOKIE_CHECK_ACKS: u32 = 1 << 3;
/// [`SynCookieConfig::flags`]: `net.ipv4.tcp_ecn` is not 0, so an answer with options may agree to ECN. Without it none does:
/// the kernel would drop the connection.
pub const SYN_COOKIE_ECN: u32 = 1 << 4;

/// How SYNs are answered, at index 0 of `ANSWERING`. All zeros: none is, and the rest is not looked at.
///
/// Userspace fills [`LOCALS`](crate::map_names::LOCAL_ADDRS) and writes everything else before it sets [`SYN_COOKIE_ON`], and raises
/// `net.ipv4.tcp_syncookies` and `tcp_timestamps` before that.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SynCookieConfig {
    /// A union of `ANSWER_*`.
    pub flags: u32,
    /// The window scale that answers announce, 0 to 14: at most the kernel's own.
    pub window_scale: u32,
    /// The MSS that answers over IPv4 announce, in bytes: what the smallest interface's MTU has room for.
    pub mss_v4: u32,
    /// The same over IPv6.
    pub mss_v6: u32,
    /// Time to live, or hop limit, of answers: 1 to 255.
    pub hop_limit: u32,
    /// Answers a second that addresses of one /24 (IPv6: /48) may get from one CPU; 0: any number. What is over it is
    /// dropped. Judged by a sketch: an upper bound is exact, a network in bad company may get less.
    pub prefix_rate: u32,
    /// [`RateLimit::interval_ns`] of each CPU's answers, 0: any number. What is over it is dropped.
    pub interval_ns: u64,
    /// [`RateLimit::tolerance_ns`] of each CPU's answers.
    pub tolerance_ns: u64,
    /// How long a source that has returned a valid cookie counts as proven, in nanoseconds; 0: not at all. Its SYNs are
    /// never dropped for a budget, nor for being the first. They are answered like others, but not before the kernel's
    /// connections have been looked at: one that lingers (TIME_WAIT) may be replaced by the kernel only. So it should be
    /// more than the minute that they do.
    pub validated_ns: u64,
    /// For how long a listener that was looked up is answered for before it is looked up again, in nanoseconds.
    pub listener_ns: u64,
    /// From this moment on nothing is answered, whatever the flags say. The controller, which watches that the kernel
    /// accepts what is answered, moves it on with each of its ticks; killed, it does so no more. Zero is long ago.
    pub lease_until_ns: u64,
    /// Zero.
    pub reserved: u64,
}

impl SynCookieConfig {
    /// The limit of one CPU's answers.
    #[inline(always)]
    pub const fn limit(&self) -> RateLimit {
        RateLimit { interval_ns: self.interval_ns, tolerance_ns: self.tolerance_ns }
    }

    /// Whether all bits of `flag` are set.
    #[inline(always)]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }

    /// Whether SYNs are answered at `now_ns`.
    #[inline(always)]
    pub const fn is_on(&self, now_ns: u64) -> bool {
        self.has(SYN_COOKIE_ON) && now_ns < self.lease_until_ns
    }
}

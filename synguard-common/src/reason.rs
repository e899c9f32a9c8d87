//! The table of reasons for which a packet passes, is dropped, or gets a SYN cookie. Every packet has exactly one
//! [`Reason`], which is also the index of its counter, so the counters add up to the number of packets.

/// The action on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it to the network stack.
    Pass,
    /// Discard it in the driver.
    Drop,
    /// Send it back from the driver, rewritten into its own reply.
    Transmit,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $index:literal, $label:literal, $verdict:ident;)+) => {
        /// The reason for a packet's verdict. The value is the index into the `COUNTERS` map.
        #[must_use]
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name = $index,)+
        }

        impl Reason {
            /// Every reason, in the order of the counters.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Returns the name in JSON, metrics and tables.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label),+ }
            }

            /// Returns the documentation of the reason, a sentence or two, links included.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+)),+ }
            }

            /// Returns the reason with this counter.
            #[inline(always)]
            pub const fn from_index(index: u32) -> Option<Self> {
                match index { $($index => Some(Self::$name),)+ _ => None }
            }

            /// Returns the action on a packet for this reason.
            #[inline(always)]
            pub const fn verdict(self) -> Verdict {
                match self { $(Self::$name => Verdict::$verdict),+ }
            }
        }
    };
}

reasons! {
    /// Neither IPv4 nor IPv6: ARP, LLDP, spanning tree, `PPPoE` and the like.
    NotIp = 0, "not_ip", Pass;
    /// Too short for its headers, inconsistent, or with more VLAN tags than the parser follows.
    Malformed = 1, "malformed", Pass;
    /// IP, but not TCP: UDP, ICMP, neighbour discovery, tunnels.
    NotTcp = 2, "not_tcp", Pass;
    /// A fragment other than the first: it carries no ports.
    Fragment = 3, "fragment", Pass;
    /// TCP, but not a SYN: established traffic, SYN-ACK, ACK, RST, FIN.
    NotSyn = 4, "not_syn", Pass;
    /// A SYN to a port that is not guarded.
    UnguardedPort = 5, "unguarded_port", Pass;
    /// A SYN to a guarded port from a source within its rate.
    SynPassed = 6, "syn_passed", Pass;
    /// A SYN to a guarded port, or a possible SYN to an unknown port, while no rate is configured.
    Unconfigured = 7, "unconfigured", Pass;
    /// A SYN from a source without an entry in the table: too many new sources arrive and this one has not sent enough SYNs
    /// to be promoted, or the table had no room.
    Untracked = 8, "untracked", Pass;
    /// A SYN over the rate of its source.
    RateExceeded = 9, "rate_exceeded", Drop;
    /// A SYN from a source in hold.
    Hold = 10, "hold", Drop;
    /// A combination of TCP flags that no host sends (only with `drop-bad-flags`).
    BadFlags = 11, "bad_flags", Drop;
    /// As [`RateExceeded`](Self::RateExceeded), in monitor mode.
    WouldRateExceeded = 12, "would_rate_exceeded", Pass;
    /// As [`Hold`](Self::Hold), in monitor mode.
    WouldHold = 13, "would_hold", Pass;
    /// As [`BadFlags`](Self::BadFlags), in monitor mode.
    WouldBadFlags = 14, "would_bad_flags", Pass;
    /// A SYN over the rate of its prefix (/24 or /48).
    PrefixExceeded = 15, "prefix_exceeded", Drop;
    /// As [`PrefixExceeded`](Self::PrefixExceeded), in monitor mode.
    WouldPrefixExceeded = 16, "would_prefix_exceeded", Pass;
    /// From an address in the allowlist: any packet but a SYN to a guarded port.
    Allowed = 17, "allowed", Pass;
    /// From an address in the blocklist: any packet but a SYN to a guarded port.
    Blocked = 18, "blocked", Drop;
    /// As [`Blocked`](Self::Blocked), in monitor mode.
    WouldBlocked = 19, "would_blocked", Pass;
    /// A SYN to which XDP replied with a SYN cookie.
    SynCookieSent = 20, "syn_cookie_sent", Transmit;
    /// A SYN over the rate of SYN cookies in all.
    CookieLimitExceeded = 21, "cookie_limit_exceeded", Drop;
    /// A SYN over the rate of SYN cookies to its prefix (/24 or /48).
    CookiePrefixLimitExceeded = 22, "cookie_prefix_limit_exceeded", Drop;
    /// A SYN seen for the first time, while XDP sends cookies only to retransmitted SYNs.
    FirstSyn = 23, "first_syn", Drop;
    /// A SYN to a port on which this host has no listener at that address, or to an address of another host.
    NoListener = 24, "no_listener", Pass;
    /// A SYN for which the kernel gave no cookie: the accept queue is full, or `tcp_syncookies` is not 2.
    CookieUnavailable = 25, "cookie_unavailable", Pass;
    /// A SYN that XDP leaves to the kernel: with IP options, extension headers or fragments, with unreadable TCP options or
    /// TCP signatures, with FIN, from an address that no host has, or for a connection that already exists.
    SynUnsupported = 26, "syn_unsupported", Pass;
    /// A SYN that a SYN cookie limit would drop, but from a source that was validated recently. The kernel replies to it.
    ValidatedSource = 27, "validated_source", Pass;
    /// An ACK that returns a valid cookie.
    CookieAck = 28, "cookie_ack", Pass;
    /// An ACK to a listener that belongs to no connection and returns no valid cookie.
    AckWithoutConnection = 29, "ack_without_connection", Drop;
    /// As [`CookieLimitExceeded`](Self::CookieLimitExceeded), in monitor mode.
    WouldCookieLimitExceeded = 30, "would_cookie_limit_exceeded", Pass;
    /// As [`CookiePrefixLimitExceeded`](Self::CookiePrefixLimitExceeded), in monitor mode.
    WouldCookiePrefixLimitExceeded = 31, "would_cookie_prefix_limit_exceeded", Pass;
    /// As [`FirstSyn`](Self::FirstSyn), in monitor mode.
    WouldFirstSyn = 32, "would_first_syn", Pass;
    /// As [`AckWithoutConnection`](Self::AckWithoutConnection), in monitor mode.
    WouldAckWithoutConnection = 33, "would_ack_without_connection", Pass;
    /// A SYN to a guarded port, or a possible SYN, from an address in the blocklist.
    BlockedSyn = 34, "blocked_syn", Drop;
    /// As [`BlockedSyn`](Self::BlockedSyn), in monitor mode.
    WouldBlockedSyn = 35, "would_blocked_syn", Pass;
    /// A SYN to a guarded port, or a possible SYN, from an address in the allowlist.
    AllowedSyn = 36, "allowed_syn", Pass;
    /// A SYN that XDP could reply to, passed as a sample: the kernel's SYN-ACK shows whether and how the kernel replies.
    KernelSample = 37, "kernel_sample", Pass;
    /// A SYN on a path for which the kernel's own SYN-ACK was not seen lately, or left another way, or was not this host's.
    UnverifiedPath = 38, "unverified_path", Pass;
    /// An ACK to a listener that belongs to no connection, passed so that the kernel replies with a reset.
    AckForReset = 39, "ack_for_reset", Pass;
}

impl Reason {
    /// Returns the index of the reason's counter.
    #[inline(always)]
    pub const fn index(self) -> u32 {
        self as u32
    }

    /// Returns the reason to record instead when nothing may be dropped: in monitor mode, or after an attach that was not
    /// confirmed in time. Its verdict is always [`Verdict::Pass`].
    #[inline(always)]
    pub const fn monitored(self) -> Self {
        match self {
            Self::RateExceeded => Self::WouldRateExceeded,
            Self::Hold => Self::WouldHold,
            Self::BadFlags => Self::WouldBadFlags,
            Self::PrefixExceeded => Self::WouldPrefixExceeded,
            Self::Blocked => Self::WouldBlocked,
            Self::BlockedSyn => Self::WouldBlockedSyn,
            Self::CookieLimitExceeded => Self::WouldCookieLimitExceeded,
            Self::CookiePrefixLimitExceeded => Self::WouldCookiePrefixLimitExceeded,
            Self::FirstSyn => Self::WouldFirstSyn,
            Self::AckWithoutConnection => Self::WouldAckWithoutConnection,
            other => other,
        }
    }

    /// Reports whether a packet would have been dropped, outside monitor mode.
    pub fn is_monitored_drop(self) -> bool {
        Self::ALL.iter().any(|&reason| reason.is_drop() && reason.monitored() == self)
    }

    /// Reports whether a packet is dropped for this reason.
    #[inline(always)]
    pub const fn is_drop(self) -> bool {
        matches!(self.verdict(), Verdict::Drop)
    }

    /// Reports whether the packet was a SYN, or a possible SYN, to a guarded port.
    pub const fn is_guarded_syn(self) -> bool {
        match self {
            Self::SynPassed
            | Self::Unconfigured
            | Self::Untracked
            | Self::RateExceeded
            | Self::Hold
            | Self::WouldRateExceeded
            | Self::WouldHold
            | Self::PrefixExceeded
            | Self::WouldPrefixExceeded
            | Self::SynCookieSent
            | Self::CookieLimitExceeded
            | Self::CookiePrefixLimitExceeded
            | Self::FirstSyn
            | Self::NoListener
            | Self::CookieUnavailable
            | Self::SynUnsupported
            | Self::ValidatedSource
            | Self::WouldCookieLimitExceeded
            | Self::WouldCookiePrefixLimitExceeded
            | Self::WouldFirstSyn
            | Self::BlockedSyn
            | Self::WouldBlockedSyn
            | Self::AllowedSyn
            | Self::KernelSample
            | Self::UnverifiedPath => true,
            Self::NotIp
            | Self::Malformed
            | Self::NotTcp
            | Self::Fragment
            | Self::NotSyn
            | Self::UnguardedPort
            | Self::BadFlags
            | Self::WouldBadFlags
            | Self::Allowed
            | Self::Blocked
            | Self::WouldBlocked
            | Self::CookieAck
            | Self::AckWithoutConnection
            | Self::AckForReset
            | Self::WouldAckWithoutConnection => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::COUNTER_SLOTS;

    #[test]
    fn indexes_are_dense_and_labels_unique() {
        for (i, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index() as usize, i);
            assert_eq!(Reason::from_index(reason.index()), Some(*reason));
            let same = Reason::ALL.iter().filter(|r| r.label() == reason.label()).count();
            assert_eq!(same, 1, "{}", reason.label());
        }
        assert!(Reason::ALL.len() <= COUNTER_SLOTS as usize);
        assert_eq!(Reason::from_index(Reason::ALL.len() as u32), None);
    }

    #[test]
    fn monitored_never_drops_and_changes_only_drops() {
        for &reason in Reason::ALL {
            assert!(!reason.monitored().is_drop(), "{reason:?}");
            assert_eq!(reason.monitored() != reason, reason.is_drop(), "{reason:?}");
            assert_eq!(reason.monitored().is_guarded_syn(), reason.is_guarded_syn(), "{reason:?}");
        }
    }
}

//! The kernel's TCP counters of a network namespace: full listener queues, SYN cookies and completed handshakes.

/// Counts since the namespace was created; they only grow. The kernel's names are in parentheses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpCounters {
    /// SYNs that were dropped because a queue of half-open connections was full (`TCPReqQFullDrop`).
    pub queue_full_drops: u64,
    /// SYNs that got a cookie because a queue of half-open connections was full (`TCPReqQFullDoCookies`).
    pub queue_full_cookies: u64,
    /// SYNs and last ACKs that listeners dropped for any reason (`ListenDrops`).
    pub listen_drops: u64,
    /// SYNs and last ACKs that were dropped because the queue of accepted connections was full (`ListenOverflows`).
    pub listen_overflows: u64,
    /// Cookies sent (`SyncookiesSent`).
    pub cookies_sent: u64,
    /// Valid cookies that clients returned (`SyncookiesRecv`).
    pub cookies_received: u64,
    /// Returned cookies that the kernel refused (`SyncookiesFailed`).
    pub cookies_failed: u64,
    /// Connections that clients opened and completed (`PassiveOpens`).
    pub passive_opens: u64,
}

impl TcpCounters {
    /// Returns the counts since `earlier`; 0 where a count decreased.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            queue_full_drops: self.queue_full_drops.saturating_sub(earlier.queue_full_drops),
            queue_full_cookies: self.queue_full_cookies.saturating_sub(earlier.queue_full_cookies),
            listen_drops: self.listen_drops.saturating_sub(earlier.listen_drops),
            listen_overflows: self.listen_overflows.saturating_sub(earlier.listen_overflows),
            cookies_sent: self.cookies_sent.saturating_sub(earlier.cookies_sent),
            cookies_received: self.cookies_received.saturating_sub(earlier.cookies_received),
            cookies_failed: self.cookies_failed.saturating_sub(earlier.cookies_failed),
            passive_opens: self.passive_opens.saturating_sub(earlier.passive_opens),
        }
    }
}

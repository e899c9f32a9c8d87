//! A source of SYNs and what is known of it.

use crate::addr::Halves;

/// A source: an IPv4 address (IPv4-mapped), or an IPv6 address masked to the configured prefix.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceKey {
    /// The address's halves as they lie in a packet.
    pub address: Halves,
}

/// What is known of one source. Fields are updated on several CPUs at once, each by a single atomic
/// operation or, where a lost update only makes a display older by one packet, a plain store.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// The bucket, see [`crate::gcra::take`].
    pub tat_ns: u64,
    /// The source is in hold until then; 0 if it never was.
    pub hold_until_ns: u64,
    /// SYNs that were within the rate.
    pub passed: u64,
    /// SYNs that were over the rate or in hold (in monitor mode: that would have been dropped).
    pub dropped: u64,
    /// First SYN.
    pub first_seen_ns: u64,
    /// Latest SYN.
    pub last_seen_ns: u64,
}

//! Sources of SYNs: their keys, and the state of each.

use crate::addr::Addr;

/// The key of a source: an IPv4 address in IPv4-mapped form, or an IPv6 address masked to the configured prefix. It is
/// also the key of a prefix (/24 or /48).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceKey {
    pub address: Addr,
}

/// The state of one source. Several CPUs update a field at the same time: by a single atomic operation or, where a lost
/// update makes a display older by just one packet, by a plain store.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// State of the rate limit, see [`crate::gcra::take`].
    pub tat_ns: u64,
    /// End of the hold; 0 if the source has never been in hold.
    pub hold_until_ns: u64,
    /// SYNs within the rate.
    pub passed: u64,
    /// SYNs over the rate or in hold. In monitor mode these passed as well.
    pub dropped: u64,
    /// Time of the first SYN.
    pub first_seen_ns: u64,
    /// Time of the latest SYN.
    pub last_seen_ns: u64,
}

const _: () = {
    assert!(size_of::<SourceKey>() == 16);
    assert!(size_of::<SourceState>() == 48);
};

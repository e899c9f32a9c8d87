//! The rate limits of sources and prefixes. Decides about every packet that the operator's lists do not decide about;
//! other packets than SYNs leave before the first map lookup. [`charge`] charges a SYN to the buckets of its source and prefix.

pub mod charge;

use synguard_common::{
    abi::{Config, FLAG_DROP_BAD_FLAGS},
    addr::{Addr, Mask},
    hash,
    reason::Reason,
    source::SourceKey,
};

use self::charge::{ChargeOutcome, ChargeParams, Prefixes, Sources};
use crate::{
    cardinality, clock, events, maps,
    parse::{Family, Packet, PacketClass},
    settings,
};

/// Decides about a packet. Reads the clock only for SYNs and for packets with impossible flags.
#[inline(always)]
pub fn check(packet: &Packet) -> Reason {
    match packet.class {
        PacketClass::NotIp => Reason::NotIp,
        PacketClass::Malformed => Reason::Malformed,
        PacketClass::NotTcp => Reason::NotTcp,
        PacketClass::Fragment => Reason::Fragment,
        PacketClass::Tcp if packet.is_syn() || packet.has_bad_flags() => check_tcp(packet),
        PacketClass::Tcp => Reason::NotSyn,
        PacketClass::PossibleSyn => check_tcp(packet),
    }
}

/// Decides about a SYN, a possible SYN, or a packet with impossible flags.
#[inline(always)]
fn check_tcp(packet: &Packet) -> Reason {
    let config = maps::config();
    let now_ns = clock::now_ns();
    settings::enforce(reason_of_tcp(packet, config, now_ns), config, || now_ns)
}

#[inline(always)]
fn reason_of_tcp(packet: &Packet, config: &Config, now_ns: u64) -> Reason {
    if matches!(packet.class, PacketClass::Tcp) {
        if config.has(FLAG_DROP_BAD_FLAGS) && packet.has_bad_flags() {
            return Reason::BadFlags;
        }
        if !packet.is_syn() {
            return Reason::NotSyn;
        }
        if !settings::is_guarded(packet.port, config) {
            return Reason::UnguardedPort;
        }
    }
    if config.syn_interval_ns == 0 {
        return Reason::Unconfigured;
    }
    let key = SourceKey { address: source_address(packet, config.source_mask_v6) };
    let hash = hash::address(key.address, config.hash_seed);
    let slot = maps::hold_slot(hash);
    let mut pending = 0;
    if let Some(slot) = slot {
        if slot.hit(&key, now_ns) {
            // The distinct count has seen this source in the same tick already.
            return Reason::Hold;
        }
        pending = slot.take_pending(&key);
    }
    cardinality::observe(hash, now_ns);
    let params = ChargeParams { limit: config.syn_limit(), hold_ns: config.hold_ns, pending };
    let reason = match charge::charge::<Sources>(&key, hash, params, now_ns) {
        ChargeOutcome::Conforms => Reason::SynPassed,
        ChargeOutcome::Untracked => {
            charge::restore_pending(&key, hash, pending);
            Reason::Untracked
        }
        ChargeOutcome::Held => {
            charge::cache_hold(&key, hash, now_ns);
            return Reason::Hold;
        }
        ChargeOutcome::Exceeds => {
            events::rate_exceeded(&key, packet.port, now_ns);
            return Reason::RateExceeded;
        }
    };
    if config.prefix_interval_ns != 0 && exceeds_prefix(packet, config, now_ns) {
        return Reason::PrefixExceeded;
    }
    reason
}

/// Charges the /24 or /48 of a source that conforms to its own limit, or has no entry. A prefix is never in hold: the
/// program drops only the SYNs over its rate, because its other sources have done nothing.
#[inline(always)]
fn exceeds_prefix(packet: &Packet, config: &Config, now_ns: u64) -> bool {
    let address = match packet.family {
        Family::V6 => packet.source.masked(Mask::PREFIX_V6),
        Family::V4 | Family::None => packet.source.masked(Mask::PREFIX_V4),
    };
    let key = SourceKey { address };
    let hash = hash::address(key.address, config.hash_seed);
    let params = ChargeParams { limit: config.prefix_limit(), hold_ns: 0, pending: 0 };
    matches!(
        charge::charge::<Prefixes>(&key, hash, params, now_ns),
        ChargeOutcome::Exceeds | ChargeOutcome::Held
    )
}

/// Returns the part of the packet's source address that identifies the source: all of an IPv4 address.
#[inline(always)]
fn source_address(packet: &Packet, mask_v6: Mask) -> Addr {
    match packet.family {
        Family::V6 => packet.source.masked(mask_v6),
        Family::V4 | Family::None => packet.source,
    }
}

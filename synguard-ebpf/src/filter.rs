//! From a [`Packet`] to a [`Reason`]. Packets that are no SYN leave before the first map is looked at.

use aya_ebpf::{
    helpers::generated::{bpf_jiffies64, bpf_ktime_get_coarse_ns},
    programs::XdpContext,
};
use synguard_common::{
    abi::{Config, FLAG_ALL_PORTS, FLAG_DROP_BAD_FLAGS, FLAG_MONITOR, SourceKey},
    hash,
    prefix::{self, Halves},
    verdict::Reason,
};

use crate::{
    answer, distinct, events,
    limit::{self, Charged, Prefixes, Sources, Terms},
    lists, maps,
    packet::{self, Class, Family, Packet},
};

/// Nanoseconds of CLOCK_MONOTONIC, in steps of a timer tick.
///
/// Between two ticks the clock stands still, so one reading a tick is enough. The verifier replaces the helper
/// that counts ticks by a load; the one that reads the clock stays a call, of three functions deep, and would be
/// a third of what a SYN costs. Ticks are counted a moment before the clock is moved on: a reading in between is
/// one tick old, and stays so for one tick.
#[inline(always)]
pub fn clock() -> u64 {
    // SAFETY: the helper takes no arguments and only reads a counter.
    let tick = unsafe { bpf_jiffies64() };
    // SAFETY: as above, a clock.
    let read = || unsafe { bpf_ktime_get_coarse_ns() };
    let Some(cpu) = maps::cpu_state() else { return read() };
    if cpu.clock_tick != tick {
        cpu.clock_tick = tick;
        cpu.clock_ns = read();
    }
    cpu.clock_ns
}

/// The length of a packet that nothing awaits but being counted as [`Reason::NotSyn`]: it is a plain ACK, and neither lists
/// nor answers have to do with it. [`judge`] would say the same, but laying out what that needs to know costs an
/// established packet as much as all else.
#[inline(always)]
pub fn expected(ctx: &XdpContext) -> Option<u64> {
    packet::plain_ack(ctx).filter(|_| lists::are_empty() && !answer::is_on())
}

/// Decides about a packet. `clock` is read only for a SYN, and for what the lists have something against.
#[inline(always)]
pub fn judge(ctx: &XdpContext, packet: &Packet, clock: impl FnOnce() -> u64) -> Reason {
    match lists::judge(packet) {
        None => {}
        Some(Reason::Blocked) => return armed(Reason::Blocked, maps::config(), clock),
        Some(reason) => return reason,
    }
    match packet.class {
        Class::NotIp => Reason::NotIp,
        Class::Malformed => Reason::Malformed,
        Class::NotTcp => Reason::NotTcp,
        Class::Fragment => Reason::Fragment,
        Class::Tcp if packet.is_syn() || packet.has_bad_flags() => judge_tcp(packet, clock),
        Class::Tcp => answer::judge_other(ctx, packet),
        Class::HiddenSyn => judge_tcp(packet, clock),
    }
}

/// Decides about a SYN, a packet that may hide one, or one with impossible flags.
#[inline(always)]
fn judge_tcp(packet: &Packet, clock: impl FnOnce() -> u64) -> Reason {
    let config = maps::config();
    let now_ns = clock();
    armed(reason_of_tcp(packet, config, now_ns), config, || now_ns)
}

/// The reason itself, or what takes its place while nothing may be dropped.
#[inline(always)]
fn armed(reason: Reason, config: &Config, clock: impl FnOnce() -> u64) -> Reason {
    if is_watching(config, clock) { reason.watched() } else { reason }
}

/// Whether nothing may be dropped, nor answered.
#[inline(always)]
pub(crate) fn is_watching(config: &Config, clock: impl FnOnce() -> u64) -> bool {
    config.has(FLAG_MONITOR) || config.disarm_at_ns != 0 && clock() >= config.disarm_at_ns
}

#[inline(always)]
fn reason_of_tcp(packet: &Packet, config: &Config, now_ns: u64) -> Reason {
    if matches!(packet.class, Class::Tcp) {
        if config.has(FLAG_DROP_BAD_FLAGS) && packet.has_bad_flags() {
            return Reason::BadFlags;
        }
        if !packet.is_syn() {
            return Reason::NotSyn;
        }
        if !is_guarded(packet.port, config) {
            return Reason::UnguardedPort;
        }
    }
    if config.syn_interval_ns == 0 {
        return Reason::Unconfigured;
    }
    let key = SourceKey { address: masked(packet, V4_ALL, config.source_mask_v6) };
    let hash = hash::mix(key.address, config.hash_seed);
    let held = maps::held(hash);
    let mut uncounted = 0;
    if let Some(slot) = held {
        if slot.repeats(&key, now_ns) {
            // In this tick it was also noted in the distinct count already.
            return Reason::Hold;
        }
        uncounted = slot.take_uncounted(&key);
    }
    distinct::observe(hash, now_ns);
    let terms = Terms { limit: config.syn_limit(), hold_ns: config.hold_ns, uncounted };
    let reason = match limit::charge::<Sources>(&key, hash, terms, now_ns) {
        Charged::Conforms => Reason::SynPassed,
        Charged::Untracked => {
            limit::keep_uncounted(&key, hash, uncounted);
            Reason::Untracked
        }
        Charged::Held => {
            limit::remember_held(&key, hash, now_ns);
            return Reason::Hold;
        }
        Charged::Exceeds => {
            events::exceeded(&key, packet.port, now_ns);
            return Reason::RateExceeded;
        }
    };
    if config.prefix_interval_ns != 0 && exceeds_prefix(packet, config, now_ns) {
        return Reason::PrefixExceeded;
    }
    reason
}

/// Charges the /24 or /48 of a source that is within its own limit, or too inconspicuous to have one. A prefix
/// is never held: only what is over its rate is dropped, for others in it have done nothing.
#[inline(always)]
fn exceeds_prefix(packet: &Packet, config: &Config, now_ns: u64) -> bool {
    let key = SourceKey { address: masked(packet, prefix::NETWORK_V4, prefix::NETWORK_V6) };
    let hash = hash::mix(key.address, config.hash_seed);
    let terms = Terms { limit: config.prefix_limit(), hold_ns: 0, uncounted: 0 };
    matches!(limit::charge::<Prefixes>(&key, hash, terms, now_ns), Charged::Exceeds | Charged::Held)
}

/// Whether SYNs to a port are of interest.
#[inline(always)]
pub(crate) fn is_guarded(port: u16, config: &Config) -> bool {
    config.has(FLAG_ALL_PORTS) || maps::ports().contains(port)
}

const V4_ALL: Halves = prefix::mask(128);

/// The packet's source under the mask of its family.
#[inline(always)]
fn masked(packet: &Packet, v4: Halves, v6: Halves) -> Halves {
    match packet.family {
        Family::V6 => prefix::apply(packet.source, v6),
        Family::V4 | Family::None => prefix::apply(packet.source, v4),
    }
}

//! From a [`Packet`] to a [`Reason`]. Packets that are no SYN leave before the first map is looked at.

use synguard_common::{
    abi::{Config, FLAG_ALL_PORTS, FLAG_DROP_BAD_FLAGS, FLAG_MONITOR, SourceKey, SourceState},
    prefix, rate,
    verdict::Reason,
};

use crate::{
    atomic::Shared,
    events, maps,
    packet::{Class, Family, Packet},
};

/// How often charging a source is tried again when another CPU charged it in between. When all tries are
/// used up the SYN passes uncharged: each failed try means that another SYN of this source was charged, so
/// what passes in excess is at most one SYN a CPU for each that conforms.
const CHARGE_TRIES: usize = 4;

/// Nanoseconds of CLOCK_MONOTONIC, in steps of a timer tick.
#[inline(always)]
pub fn clock() -> u64 {
    // SAFETY: the helper takes no arguments and only reads a clock.
    unsafe { aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns() }
}

/// Decides about a packet. `clock` is read only for a SYN.
#[inline(always)]
pub fn judge(packet: &Packet, clock: impl FnOnce() -> u64) -> Reason {
    match packet.class {
        Class::NotIp => Reason::NotIp,
        Class::Malformed => Reason::Malformed,
        Class::NotTcp => Reason::NotTcp,
        Class::Fragment => Reason::Fragment,
        Class::Tcp if packet.is_syn() || packet.has_bad_flags() => judge_tcp(packet, clock),
        Class::Tcp => Reason::NotSyn,
        Class::HiddenSyn => judge_tcp(packet, clock),
    }
}

/// Decides about a SYN, a packet that may hide one, or one with impossible flags.
#[inline(always)]
fn judge_tcp(packet: &Packet, clock: impl FnOnce() -> u64) -> Reason {
    let Some(config) = maps::config() else { return Reason::Unconfigured };
    let now_ns = clock();
    let reason = reason_of_tcp(packet, config, now_ns);
    let disarmed = config.disarm_at_ns != 0 && now_ns >= config.disarm_at_ns;
    if config.has(FLAG_MONITOR) || disarmed { reason.watched() } else { reason }
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
    let key = SourceKey { address: source_address(packet, config) };
    let reason = match maps::source(&key) {
        Some(source) => charge(source, config, now_ns),
        None => admit(&key, config, now_ns),
    };
    if matches!(reason, Reason::RateExceeded) {
        events::exceeded(&key, packet.port, now_ns);
    }
    reason
}

#[inline(always)]
fn is_guarded(port: u16, config: &Config) -> bool {
    config.has(FLAG_ALL_PORTS) || maps::ports().is_some_and(|ports| ports.contains(port))
}

#[inline(always)]
fn source_address(packet: &Packet, config: &Config) -> prefix::Halves {
    match packet.family {
        Family::V6 => prefix::apply(packet.source, config.source_mask_v6),
        Family::V4 | Family::None => packet.source,
    }
}

/// Gives a source that is not in the table an entry, charged with its first SYN.
#[inline(always)]
fn admit(key: &SourceKey, config: &Config, now_ns: u64) -> Reason {
    let state = SourceState {
        // A burst is at least one SYN, so the first always conforms.
        tat_ns: now_ns + config.syn_interval_ns,
        hold_until_ns: 0,
        passed: 1,
        dropped: 0,
        first_seen_ns: now_ns,
        last_seen_ns: now_ns,
    };
    if maps::insert_source(key, &state).is_ok() {
        if let Some(cpu) = maps::cpu_state() {
            cpu.source_inserts += 1;
        }
        return Reason::SynPassed;
    }
    // Another CPU added it meanwhile, or there is no room.
    match maps::source(key) {
        Some(source) => charge(source, config, now_ns),
        None => Reason::Untracked,
    }
}

/// Charges a known source with a SYN.
#[inline(always)]
fn charge(source: *mut SourceState, config: &Config, now_ns: u64) -> Reason {
    // SAFETY: the verifier has seen the null check; the entry's memory stays valid, if not its meaning, for
    // the rest of the program run, and all its fields are u64 that are only ever accessed atomically.
    let (tat, hold_until, passed, dropped, last_seen) = unsafe {
        (
            Shared::new(&raw mut (*source).tat_ns),
            Shared::new(&raw mut (*source).hold_until_ns),
            Shared::new(&raw mut (*source).passed),
            Shared::new(&raw mut (*source).dropped),
            Shared::new(&raw mut (*source).last_seen_ns),
        )
    };
    last_seen.store(now_ns);
    let held_until_ns = hold_until.load();
    // A hold longer than the setting allows was begun under another one, which no longer holds.
    if now_ns < held_until_ns && held_until_ns - now_ns <= config.hold_ns {
        dropped.add(1);
        return Reason::Hold;
    }
    if conforms(tat, config.syn_limit(), now_ns) {
        passed.add(1);
        return Reason::SynPassed;
    }
    hold_until.store(now_ns + config.hold_ns);
    dropped.add(1);
    Reason::RateExceeded
}

/// Takes a SYN from the bucket, in competition with other CPUs.
#[inline(always)]
fn conforms(tat: Shared, limit: rate::Limit, now_ns: u64) -> bool {
    let mut seen_ns = tat.load();
    for _ in 0..CHARGE_TRIES {
        let Some(new_ns) = rate::take(seen_ns, limit, now_ns) else { return false };
        match tat.replace(seen_ns, new_ns) {
            Ok(()) => return true,
            Err(other_ns) => seen_ns = other_ns,
        }
    }
    true
}

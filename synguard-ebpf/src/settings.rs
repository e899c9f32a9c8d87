//! Questions about the settings that several stages of the pipeline ask.

use synguard_common::{
    abi::{Config, FLAG_ALL_PORTS, FLAG_MONITOR},
    reason::Reason,
};

use crate::{
    maps,
    parse::{Packet, PacketClass},
};

/// Reports whether SYNs to a port are limited.
#[inline(always)]
pub(crate) fn is_guarded(port: u16, config: &Config) -> bool {
    config.has(FLAG_ALL_PORTS) || maps::ports().contains(port)
}

/// Reports whether a packet is a SYN to a guarded port. A possible SYN, whose port may be hidden, counts as one.
#[inline(always)]
pub(crate) fn is_guarded_syn(packet: &Packet, config: &Config) -> bool {
    match packet.class {
        PacketClass::Tcp => packet.is_syn() && is_guarded(packet.port, config),
        PacketClass::PossibleSyn => true,
        _ => false,
    }
}

/// Reports whether the program only monitors: it drops nothing and sends no SYN cookies. Calls `now_ns` only if the
/// settings have a deadline after which this is so.
#[inline(always)]
pub(crate) fn is_monitoring(config: &Config, now_ns: impl FnOnce() -> u64) -> bool {
    config.has(FLAG_MONITOR) || config.disarm_at_ns != 0 && now_ns() >= config.disarm_at_ns
}

/// Returns the reason itself, or its `would_…` counterpart while the program only monitors.
#[inline(always)]
pub(crate) fn enforce(reason: Reason, config: &Config, now_ns: impl FnOnce() -> u64) -> Reason {
    if is_monitoring(config, now_ns) { reason.monitored() } else { reason }
}

//! Model of the filter: computes the expected reason for a frame. It is written a second time, from the specification
//! and without a look at the program: etherparse reads the headers that it reads in the same way, plain slices the
//! rest. The tests compare the program with it, frame by frame.

mod frame;

use std::{collections::HashMap, net::IpAddr};

use synguard_common::{
    abi::{Config, FLAG_ALL_PORTS, FLAG_DROP_BAD_FLAGS, FLAG_MONITOR, PortSet},
    addr::Addr,
    gcra,
    reason::Reason,
    source::{SourceKey, SourceState},
};

pub use self::frame::{FrameClass, ParsedFrame, parse};

/// The filter's state. It classifies one frame after the other.
#[derive(Clone, Debug)]
pub struct Model {
    /// The settings in force.
    pub config: Config,
    /// The guarded ports.
    pub ports: PortSet,
    /// State of each source. If `now_ns` is not the program's clock, its times differ from the program's.
    pub sources: HashMap<SourceKey, SourceState>,
}

impl Model {
    /// Makes a filter without known sources.
    #[must_use]
    pub fn new(config: Config, ports: PortSet) -> Self {
        Self { config, ports, sources: HashMap::new() }
    }

    /// Returns the reason for a frame at `now_ns`. The table has room for every source.
    pub fn classify(&mut self, frame: &[u8], now_ns: u64) -> Reason {
        let reason = self.enforced_reason(&parse(frame), now_ns);
        let disarmed = self.config.disarm_at_ns != 0 && self.config.disarm_at_ns <= now_ns;
        if disarmed || self.config.has(FLAG_MONITOR) { reason.monitored() } else { reason }
    }

    fn enforced_reason(&mut self, parsed: &ParsedFrame, now_ns: u64) -> Reason {
        match parsed.class {
            FrameClass::NotIp => return Reason::NotIp,
            FrameClass::Malformed => return Reason::Malformed,
            FrameClass::NotTcp => return Reason::NotTcp,
            FrameClass::Fragment => return Reason::Fragment,
            FrameClass::PossibleSyn => {}
            FrameClass::Tcp { port, flags } => {
                if self.config.has(FLAG_DROP_BAD_FLAGS) && is_impossible(flags) {
                    return Reason::BadFlags;
                }
                if !is_syn(flags) {
                    return Reason::NotSyn;
                }
                if !self.config.has(FLAG_ALL_PORTS) && !self.ports.contains(port) {
                    return Reason::UnguardedPort;
                }
            }
        }
        if self.config.syn_interval_ns == 0 {
            return Reason::Unconfigured;
        }
        match parsed.source {
            Some(source) => self.charge(source, now_ns),
            None => unreachable!("there is no TCP without IP: {parsed:?}"),
        }
    }

    fn charge(&mut self, source: IpAddr, now_ns: u64) -> Reason {
        let config = &self.config;
        let entry = self.sources.entry(key(source, config));
        let state = entry.or_insert(SourceState { first_seen_ns: now_ns, ..SourceState::default() });
        state.last_seen_ns = now_ns;
        let left_ns = state.hold_until_ns.saturating_sub(now_ns);
        if left_ns > 0 && left_ns <= config.hold_ns {
            state.dropped += 1;
            return Reason::Hold;
        }
        if let Some(tat_ns) = gcra::take(state.tat_ns, config.syn_limit(), now_ns) {
            state.tat_ns = tat_ns;
            state.passed += 1;
            return Reason::SynPassed;
        }
        state.hold_until_ns = now_ns + config.hold_ns;
        state.dropped += 1;
        Reason::RateExceeded
    }
}

/// Returns the key of the entry that counts an address.
#[must_use]
pub fn key(source: IpAddr, config: &Config) -> SourceKey {
    let bytes = match source {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => {
            let mask = u128::from_be_bytes(config.source_mask_v6.to_bytes());
            (u128::from(address) & mask).to_be_bytes()
        }
    };
    SourceKey { address: Addr::from_bytes(bytes) }
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// Reports whether TCP flags are those of a SYN: SYN is set, ACK and RST are not.
#[must_use]
pub fn is_syn(flags: u8) -> bool {
    flags & SYN != 0 && flags & ACK == 0 && flags & RST == 0
}

/// Reports whether no host sends this combination of SYN, ACK, RST and FIN, one of sixteen.
#[must_use]
pub fn is_impossible(flags: u8) -> bool {
    const FIN_ACK: u8 = FIN | ACK;
    const SYN_ACK: u8 = SYN | ACK;
    const RST_ACK: u8 = RST | ACK;
    !matches!(flags & (FIN | SYN | RST | ACK), SYN | RST | ACK | FIN_ACK | SYN_ACK | RST_ACK)
}

#[cfg(test)]
mod tests;

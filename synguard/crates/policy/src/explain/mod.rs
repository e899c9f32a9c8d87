//! What would happen to a SYN from an address now, and why: the datapath's decision, taken again over what was
//! read from its maps. Pure. The arithmetic is the datapath's own (`synguard_common`); the order in which it is
//! asked is this file's, and `tests/tests/kernel_why.rs` holds it against the program.

mod charge;
mod explanation;
mod syn_cookie;

use synguard_common::{
    abi::{FLAG_ALL_PORTS, FLAG_MONITOR},
    ip_list::{ListEntry, Prefix},
    reason::Reason,
};
use synguard_model::inspection::{Inspection, PerCpu, source_key};

pub use self::{
    charge::{Charged, View},
    explanation::Explanation,
};

/// The decision about one SYN on one CPU, and what led to it. What was not asked any more is `None`.
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The reason it would be counted under.
    pub reason: Reason,
    /// The entry of a list that decided.
    pub entry: Option<(Prefix, ListEntry)>,
    /// What the table of sources said.
    pub source: Option<Charged>,
    /// What the table of prefixes said.
    pub network: Option<Charged>,
}

impl Decision {
    fn of(reason: Reason) -> Self {
        Self { reason, entry: None, source: None, network: None }
    }
}

/// Decides about a SYN from the address to `port` that arrives at `now_ns` on the CPU with this view. Without a
/// port: to one that is guarded. Where SYNs are answered it is taken to be an ordinary one, new, to a listener of this
/// host's: what else it may be only the program can tell.
pub fn decide(read: &Inspection, cpu: &PerCpu, port: Option<u16>, now_ns: u64) -> Decision {
    let decision = undisguised(read, cpu, port, now_ns);
    let config = &read.config;
    let disarmed = config.disarm_at_ns != 0 && now_ns >= config.disarm_at_ns;
    let watched = config.has(FLAG_MONITOR) || disarmed;
    let reason = match decision.reason {
        passing @ (Reason::SynPassed | Reason::Untracked) if read.syn_cookies.is_on(now_ns) => {
            match syn_cookie::judge(read, cpu, now_ns) {
                Reason::SynCookieSent if watched => passing,
                answered => answered,
            }
        }
        other => other,
    };
    Decision { reason: if watched { reason.monitored() } else { reason }, ..decision }
}

fn undisguised(read: &Inspection, cpu: &PerCpu, port: Option<u16>, now_ns: u64) -> Decision {
    let config = &read.config;
    for (entries, reason) in [(&read.allow, Reason::Allowed), (&read.block, Reason::Blocked)] {
        let decides = |entry: &&(Prefix, ListEntry)| entry.1.is_effective(now_ns) && entry.1.applies_to(true);
        if let Some(&entry) = entries.iter().find(decides) {
            return Decision { entry: Some(entry), ..Decision::of(reason) };
        }
    }
    let guarded = port.is_none_or(|port| config.has(FLAG_ALL_PORTS) || read.ports.contains(port));
    if !guarded {
        return Decision::of(Reason::UnguardedPort);
    }
    if config.syn_interval_ns == 0 {
        return Decision::of(Reason::Unconfigured);
    }
    let key = source_key(read.address, config);
    let mut held = cpu.hold_slot;
    if held.hit(&key, now_ns) {
        return Decision { source: Some(Charged::Held), ..Decision::of(Reason::Hold) };
    }
    let source = View::of_source(read, cpu).charge(config.syn_limit(), config.hold_ns, now_ns);
    let network = || {
        let (entry, cells, admission) = (read.prefix, read.prefix_cells, cpu.prefixes);
        View { entry, cells, admission, uncounted: 0 }.charge(config.prefix_limit(), 0, now_ns)
    };
    let passing = match source {
        Charged::Held => return Decision { source: Some(source), ..Decision::of(Reason::Hold) },
        Charged::Exceeds => return Decision { source: Some(source), ..Decision::of(Reason::RateExceeded) },
        Charged::Conforms => Reason::SynPassed,
        Charged::Untracked => Reason::Untracked,
    };
    if config.prefix_interval_ns == 0 {
        return Decision { source: Some(source), ..Decision::of(passing) };
    }
    let network = network();
    let over = matches!(network, Charged::Exceeds | Charged::Held);
    let reason = if over { Reason::PrefixExceeded } else { passing };
    Decision { source: Some(source), network: Some(network), ..Decision::of(reason) }
}

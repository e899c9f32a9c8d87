//! Predicts the program's verdict for a SYN from one address, and explains it: repeats the decision on the contents of the
//! maps. Pure. The arithmetic is the program's own (`synguard_common`). The order of the rules is written here again, and
//! `tests/tests/kernel_why` compares it with the program.

mod charge;
mod explanation;
mod labels;
mod syn_cookie;
mod values;
mod words;

use synguard_common::{
    abi::{FLAG_ALL_PORTS, FLAG_MONITOR},
    ip_list::{ListEntry, Prefix},
    reason::Reason,
};
use synguard_model::inspection::{Inspection, PerCpu, source_key};

pub use self::{
    charge::{ChargeState, PredictedCharge},
    explanation::Explanation,
    values::{
        ArmedValues, BucketValues, CookieValues, CoveringEntry, HoldValues, KernelCookieValues, PortValues,
        Rule, Rules, SketchValues,
    },
    words::reason_text,
};

/// The decision about one SYN on one CPU, and its inputs. Inputs that the decision did not need are `None`.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The reason that would be counted.
    pub reason: Reason,
    /// The list entry that decided.
    pub entry: Option<(Prefix, ListEntry)>,
    /// The outcome of the table of sources.
    pub source: Option<PredictedCharge>,
    /// The outcome of the table of prefixes.
    pub prefix: Option<PredictedCharge>,
}

impl From<Reason> for Decision {
    fn from(reason: Reason) -> Self {
        Self { reason, entry: None, source: None, prefix: None }
    }
}

/// Decides about a SYN from the inspected address that arrives at `now_ns` on this CPU. It is a SYN to `port`, or to a guarded
/// port if that is `None`. While XDP sends cookies it counts as an ordinary SYN, new, to a listener of this host: only the
/// program can know better.
pub fn decide(inspection: &Inspection, cpu: &PerCpu, port: Option<u16>, now_ns: u64) -> Decision {
    let decision = decide_enforcing(inspection, cpu, port, now_ns);
    let config = &inspection.config;
    let is_disarmed = config.disarm_at_ns != 0 && now_ns >= config.disarm_at_ns;
    let is_monitoring = config.has(FLAG_MONITOR) || is_disarmed;
    let reason = match decision.reason {
        passing @ (Reason::SynPassed | Reason::Untracked) if inspection.syn_cookies.is_on(now_ns) => {
            match syn_cookie::predict(inspection, cpu, now_ns) {
                Reason::SynCookieSent if is_monitoring => passing,
                reason => reason,
            }
        }
        reason => reason,
    };
    Decision { reason: if is_monitoring { reason.monitored() } else { reason }, ..decision }
}

/// Decides about a SYN as if the filter enforced and XDP sent no cookies.
fn decide_enforcing(inspection: &Inspection, cpu: &PerCpu, port: Option<u16>, now_ns: u64) -> Decision {
    let config = &inspection.config;
    let is_guarded = port.is_none_or(|port| config.has(FLAG_ALL_PORTS) || inspection.ports.contains(port));
    let [allowed, blocked] = if is_guarded {
        [Reason::AllowedSyn, Reason::BlockedSyn]
    } else {
        [Reason::Allowed, Reason::Blocked]
    };
    for (entries, reason) in [(&inspection.allow, allowed), (&inspection.block, blocked)] {
        let decides = |entry: &&(Prefix, ListEntry)| entry.1.is_effective(now_ns) && entry.1.applies_to(true);
        if let Some(&entry) = entries.iter().find(decides) {
            return Decision { entry: Some(entry), ..Decision::from(reason) };
        }
    }
    if !is_guarded {
        return Decision::from(Reason::UnguardedPort);
    }
    if config.syn_interval_ns == 0 {
        return Decision::from(Reason::Unconfigured);
    }
    let mut slot = cpu.hold_slot;
    if slot.hit(&source_key(inspection.address, config), now_ns) {
        return Decision { source: Some(PredictedCharge::Held), ..Decision::from(Reason::Hold) };
    }
    let source = ChargeState::for_source(inspection, cpu).predict(config.syn_limit(), config.hold_ns, now_ns);
    let after_source = |reason| Decision { source: Some(source), ..Decision::from(reason) };
    let passing = match source {
        PredictedCharge::Held => return after_source(Reason::Hold),
        PredictedCharge::Exceeds => return after_source(Reason::RateExceeded),
        PredictedCharge::Conforms => Reason::SynPassed,
        PredictedCharge::Untracked => Reason::Untracked,
    };
    if config.prefix_interval_ns == 0 {
        return after_source(passing);
    }
    let prefix = ChargeState::for_prefix(inspection, cpu).predict(config.prefix_limit(), 0, now_ns);
    let exceeds = matches!(prefix, PredictedCharge::Exceeds | PredictedCharge::Held);
    let reason = if exceeds { Reason::PrefixExceeded } else { passing };
    Decision { prefix: Some(prefix), ..after_source(reason) }
}

//! Whether an ordinary SYN that nothing else has anything against would be answered, without charging it.

use synguard_common::{answer::ANSWER_SECOND_SYN, hash, network, proven, rate, verdict::Reason};
use synguard_model::inspection::{CpuView, Read, source_key};

/// What becomes of it at `now_ns`, while SYNs are answered. It is seen for the first time.
pub(super) fn judge(read: &Read, cpu: &CpuView, now_ns: u64) -> Reason {
    match refusal(read, cpu, now_ns) {
        None => Reason::Answered,
        Some(_) if is_proven(read, now_ns) => Reason::Proven,
        Some(refusal) => refusal,
    }
}

/// Whether its source has returned a cookie lately.
pub(super) const fn is_proven(read: &Read, now_ns: u64) -> bool {
    let Read { address, config, answering, proven_cell, .. } = read;
    let hash = hash::mix(source_key(*address, config).address, config.hash_seed);
    answering.proven_ns != 0 && proven::holds(*proven_cell, hash, answering.proven_ns, now_ns)
}

fn refusal(read: &Read, cpu: &CpuView, now_ns: u64) -> Option<Reason> {
    let answering = &read.answering;
    if answering.has(ANSWER_SECOND_SYN) {
        return Some(Reason::FirstSyn);
    }
    if answering.interval_ns != 0 && rate::take(cpu.answer_tat_ns, answering.limit(), now_ns).is_none() {
        return Some(Reason::AnswerBudget);
    }
    let is_over = network::take(cpu.network_tats, answering.network_rate, now_ns).is_none();
    is_over.then_some(Reason::AnswerNetworkBudget)
}

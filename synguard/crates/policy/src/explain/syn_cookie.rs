//! Whether an ordinary SYN that nothing else has anything against would be answered, without charging it.

use synguard_common::{
    gcra, hash,
    reason::Reason,
    syn_cookie::{config::SYN_COOKIE_REQUIRE_RETRANSMIT, prefix_limit, validated_sources},
};
use synguard_model::inspection::{Inspection, PerCpu, source_key};

/// What becomes of it at `now_ns`, while SYNs are answered. It is seen for the first time.
pub(super) fn judge(read: &Inspection, cpu: &PerCpu, now_ns: u64) -> Reason {
    match refusal(read, cpu, now_ns) {
        None => Reason::SynCookieSent,
        Some(_) if is_proven(read, now_ns) => Reason::ValidatedSource,
        Some(refusal) => refusal,
    }
}

/// Whether its source has returned a cookie lately.
pub(super) const fn is_proven(read: &Inspection, now_ns: u64) -> bool {
    let Inspection { address, config, syn_cookies: answering, validated_cell, .. } = read;
    let hash = hash::mix(source_key(*address, config).address, config.hash_seed);
    answering.validated_ns != 0
        && validated_sources::is_valid(*validated_cell, hash, answering.validated_ns, now_ns)
}

fn refusal(read: &Inspection, cpu: &PerCpu, now_ns: u64) -> Option<Reason> {
    let answering = &read.syn_cookies;
    if answering.has(SYN_COOKIE_REQUIRE_RETRANSMIT) {
        return Some(Reason::FirstSyn);
    }
    if answering.interval_ns != 0 && gcra::take(cpu.cookie_tat_ns, answering.limit(), now_ns).is_none() {
        return Some(Reason::CookieRateExceeded);
    }
    let is_over = prefix_limit::take(cpu.prefix_tats, answering.prefix_rate, now_ns).is_none();
    is_over.then_some(Reason::CookiePrefixRateExceeded)
}

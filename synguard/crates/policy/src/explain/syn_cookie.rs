//! Predicts whether XDP would reply to an ordinary SYN with a cookie.

use synguard_common::{
    gcra, hash,
    reason::Reason,
    syn_cookie::{config::SYN_COOKIE_REQUIRE_RETRANSMIT, prefix_limit, validated_sources},
};
use synguard_model::inspection::{Inspection, PerCpu, source_key};

/// Predicts the reason for a SYN that passed all other rules at `now_ns`, while XDP sends cookies. The SYN counts as new.
pub(super) fn predict(inspection: &Inspection, cpu: &PerCpu, now_ns: u64) -> Reason {
    match refusal(inspection, cpu, now_ns) {
        None => Reason::SynCookieSent,
        Some(_) if is_validated(inspection, now_ns) => Reason::ValidatedSource,
        Some(refusal) => refusal,
    }
}

/// Reports whether the source returned a cookie lately.
pub(super) const fn is_validated(inspection: &Inspection, now_ns: u64) -> bool {
    let Inspection { address, config, syn_cookies, validated_cell, .. } = inspection;
    let hash = hash::address(source_key(*address, config).address, config.hash_seed);
    syn_cookies.validated_ns != 0
        && validated_sources::is_valid(*validated_cell, hash, syn_cookies.validated_ns, now_ns)
}

fn refusal(inspection: &Inspection, cpu: &PerCpu, now_ns: u64) -> Option<Reason> {
    let config = &inspection.syn_cookies;
    if config.has(SYN_COOKIE_REQUIRE_RETRANSMIT) {
        return Some(Reason::FirstSyn);
    }
    if config.interval_ns != 0 && gcra::take(cpu.cookie_tat_ns, config.limit(), now_ns).is_none() {
        return Some(Reason::CookieLimitExceeded);
    }
    let exceeds = prefix_limit::take(cpu.prefix_tats, config.prefix_rate, now_ns).is_none();
    exceeds.then_some(Reason::CookiePrefixLimitExceeded)
}

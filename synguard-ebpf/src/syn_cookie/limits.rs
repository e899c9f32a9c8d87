//! The limits on SYN cookies: a rate in all, a rate per prefix, and, while those do not suffice, a required
//! retransmission of each SYN.

use synguard_common::{
    abi::Config,
    addr::Mask,
    gcra::{self, RateLimit},
    hash,
    reason::Reason,
    syn_cookie::{
        config::{SYN_COOKIE_REQUIRE_RETRANSMIT, SynCookieConfig},
        prefix_limit::{self, ROWS},
        seen_syns::{self, WINDOWS},
    },
};

use super::scratch::SynHeaders;
use crate::maps;

/// Retransmitted SYNs that one CPU passes to the kernel as samples while a path is unproven: 400 a second.
const SAMPLES: RateLimit = RateLimit::new(400, 40);

/// Reports whether a retransmitted SYN on an unproven path goes to the kernel as a sample, and charges it. A client that
/// retransmits may not have received XDP's SYN-ACK; the kernel's, if it leads to a connection, shows it. If a cookie requires
/// a retransmission, only half of them go to the kernel, or XDP would send none at all.
#[inline(always)]
pub(super) fn takes_sample(sequence: u32, requires_retransmit: bool, now_ns: u64) -> bool {
    if requires_retransmit && sequence & 1 == 0 {
        return false;
    }
    maps::cpu_state().is_some_and(|cpu| take(&mut cpu.sample_tat_ns, SAMPLES, now_ns))
}

/// Reports whether an ACK without a connection passes, so that the kernel resets the connection, and charges it.
#[inline(always)]
pub(super) fn takes_reset(cookies: &SynCookieConfig, now_ns: u64) -> bool {
    cookies.reset_interval_ns != 0
        && maps::cpu_state().is_some_and(|cpu| take(&mut cpu.reset_tat_ns, cookies.reset_limit(), now_ns))
}

/// Charges one packet to a limit of this CPU. Returns `false` if the limit is exceeded.
#[inline(always)]
fn take(tat_ns: &mut u64, limit: RateLimit, now_ns: u64) -> bool {
    let taken = gcra::take(*tat_ns, limit, now_ns);
    if let Some(taken) = taken {
        *tat_ns = taken;
    }
    taken.is_some()
}

/// Returns the reason against a cookie for this SYN. If there is none, charges the cookie to both rates.
#[inline(always)]
pub(super) fn check<const V6: bool>(
    config: &Config,
    cookies: &SynCookieConfig,
    syn: &SynHeaders,
    is_first: bool,
    now_ns: u64,
) -> Option<Reason> {
    if cookies.has(SYN_COOKIE_REQUIRE_RETRANSMIT) && is_first {
        return Some(Reason::FirstSyn);
    }
    let cpu = maps::cpu_state()?;
    let taken = match cookies.interval_ns {
        0 => Some(0),
        _ => gcra::take(cpu.cookie_tat_ns, cookies.limit(), now_ns),
    };
    // A prefix is not charged while others use up the whole rate, nor the whole rate with what a prefix is refused.
    let Some(taken) = taken else { return Some(Reason::CookieLimitExceeded) };
    if cookies.prefix_rate != 0 && !take_from_prefix::<V6>(config, cookies, syn, now_ns) {
        return Some(Reason::CookiePrefixLimitExceeded);
    }
    cpu.cookie_tat_ns = taken;
    None
}

/// Charges the prefix of a SYN's source. Returns `false` if the prefix has exceeded its rate.
#[inline(always)]
fn take_from_prefix<const V6: bool>(
    config: &Config,
    cookies: &SynCookieConfig,
    syn: &SynHeaders,
    now_ns: u64,
) -> bool {
    let Some(sketch) = maps::cookie_prefix_sketch() else { return true };
    let mask = if V6 { Mask::PREFIX_V6 } else { Mask::PREFIX_V4 };
    let hash = hash::address(syn.source.masked(mask), config.hash_seed);
    let at: [usize; ROWS] = [prefix_limit::index(hash, 0), prefix_limit::index(hash, 1)];
    let before = [sketch.tats[0][at[0]], sketch.tats[1][at[1]]];
    match prefix_limit::take(before, cookies.prefix_rate, now_ns) {
        Some(after) => {
            sketch.tats[0][at[0]] = after[0];
            sketch.tats[1][at[1]] = after[1];
            true
        }
        None => false,
    }
}

/// Reports whether a SYN is seen for the first time, and records it. If two CPUs write the same word at the same time,
/// one of the two SYNs may be lost; its client then has to send it a third time.
#[inline(always)]
pub(super) fn is_first(config: &Config, syn: &SynHeaders, now_ns: u64) -> bool {
    let Some(filters) = maps::seen_syns() else { return false };
    let fields = &syn.fields;
    let hash =
        seen_syns::syn_hash(syn.source, syn.destination, fields.ports, fields.sequence, config.hash_seed);
    let (window, at) = (seen_syns::window(now_ns), seen_syns::index(hash));
    let before = window.wrapping_sub(1);
    // SAFETY: `index` stays within a window, and the window within the windows; the map's value lives as long as the
    // program. The accesses are volatile because other CPUs make them too; each is a single instruction.
    unsafe {
        let word = &raw mut (*filters).windows[window as usize % WINDOWS][at];
        let value = word.read_volatile();
        if seen_syns::contains(value, hash, window) {
            return false;
        }
        word.write_volatile(seen_syns::add(value, hash, window));
        let last = (&raw const (*filters).windows[before as usize % WINDOWS][at]).read_volatile();
        !seen_syns::contains(last, hash, before)
    }
}

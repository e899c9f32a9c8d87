//! How many SYNs are answered: so many in all, so many of a network, and while that is not enough, only those that are
//! sent again.

use synguard_common::{
    abi::Config,
    answer::{ANSWER_SECOND_SYN, Answering},
    first_syn::{self, WINDOWS},
    hash,
    network::{self, ROWS},
    prefix, rate,
    verdict::Reason,
};

use super::syn::Seen;
use crate::maps;

/// What speaks against answering a SYN. If nothing does, the answer is charged.
#[inline(always)]
pub(super) fn refusal<const V6: bool>(
    config: &Config,
    answering: &Answering,
    seen: &Seen,
    now_ns: u64,
) -> Option<Reason> {
    if answering.has(ANSWER_SECOND_SYN) && is_first(config, seen, now_ns) {
        return Some(Reason::FirstSyn);
    }
    let cpu = maps::cpu_state()?;
    let taken = match answering.interval_ns {
        0 => Some(0),
        _ => rate::take(cpu.answer_tat_ns, answering.limit(), now_ns),
    };
    // A network is not charged with what others use up, nor the whole with what it may not have.
    let Some(taken) = taken else { return Some(Reason::AnswerBudget) };
    if answering.network_rate != 0 && !take_network::<V6>(config, answering, seen, now_ns) {
        return Some(Reason::AnswerNetworkBudget);
    }
    cpu.answer_tat_ns = taken;
    None
}

/// Charges the network of a SYN's source, if it has something left.
#[inline(always)]
fn take_network<const V6: bool>(config: &Config, answering: &Answering, seen: &Seen, now_ns: u64) -> bool {
    let Some(sketch) = maps::answer_sketch() else { return true };
    let mask = if V6 { prefix::NETWORK_V6 } else { prefix::NETWORK_V4 };
    let hash = hash::mix(prefix::apply(seen.source, mask), config.hash_seed);
    let at: [usize; ROWS] = [network::index(hash, 0), network::index(hash, 1)];
    let before = [sketch.tats[0][at[0]], sketch.tats[1][at[1]]];
    match network::take(before, answering.network_rate, now_ns) {
        Some(after) => {
            sketch.tats[0][at[0]] = after[0];
            sketch.tats[1][at[1]] = after[1];
            true
        }
        None => false,
    }
}

/// Whether a SYN is seen for the first time; from now on it is not. Two CPUs that write the same word at once may lose
/// one of two SYNs, which then has to be sent a third time.
#[inline(always)]
fn is_first(config: &Config, seen: &Seen, now_ns: u64) -> bool {
    let Some(filters) = maps::first_syns() else { return false };
    let syn = &seen.syn;
    let hash = first_syn::hash(seen.source, seen.destination, syn.ports, syn.sequence, config.hash_seed);
    let (window, at) = (first_syn::window(now_ns), first_syn::index(hash));
    let before = window.wrapping_sub(1);
    // SAFETY: `index` keeps within a window, and the window within the windows; the map's value lives as long as the
    // program. The accesses are volatile because other CPUs make them too; each is a single instruction.
    unsafe {
        let word = &raw mut (*filters).windows[window as usize % WINDOWS][at];
        let value = word.read_volatile();
        if first_syn::knows(value, hash, window) {
            return false;
        }
        word.write_volatile(first_syn::add(value, hash, window));
        let last = (&raw const (*filters).windows[before as usize % WINDOWS][at]).read_volatile();
        !first_syn::knows(last, hash, before)
    }
}

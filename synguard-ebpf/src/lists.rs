//! Looks a packet's source up in the operator's lists, see `synguard_common::list`. While they are empty that is
//! one load.

use synguard_common::{
    list::{self, FILTER_V6_LENGTHS, FILTER_WORDS, LENGTHS_MAX, List},
    prefix::Halves,
    verdict::Reason,
};

use crate::{
    atomic::Shared,
    filter::clock,
    maps,
    packet::{Class, Family, Packet},
};

/// What the lists say of a packet, if anything.
#[inline(always)]
pub fn judge(packet: &Packet) -> Option<Reason> {
    let used = maps::lists()?.used as u32;
    if used == 0 || matches!(packet.family, Family::None) {
        return None;
    }
    let syn = match packet.class {
        Class::Tcp => packet.is_syn(),
        Class::HiddenSyn => true,
        _ => false,
    };
    let kind = u32::from(syn) | u32::from(matches!(packet.family, Family::V6)) << 1;
    if is_listed(used, List::Allow, packet.source, kind) {
        return Some(Reason::Allowed);
    }
    is_listed(used, List::Block, packet.source, kind).then_some(Reason::Blocked)
}

/// A function and no closure, which cannot be made to be inlined: a call here costs every packet as much as all else.
#[inline(always)]
fn is_listed(used: u32, list: List, source: Halves, kind: u32) -> bool {
    let [high, low] = source;
    // What the filter has nothing against costs no call.
    used & list.bit() != 0
        && admits(list as u32, source, kind)
        && synguard_listed(list as u32, high, low, kind) != 0
}

const KIND_SYN: u32 = 1 << 0;
const KIND_V6: u32 = 1 << 1;

/// Whether an entry of a list holds for packets of this kind from this address; it counts the hit.
///
/// A global function: the verifier examines it once, for any arguments, and not once for each state that parsing
/// can leave behind, which would be 400 000 instructions.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_listed(list: u32, high: u64, low: u64, kind: u32) -> u32 {
    let address = [high, low];
    let list = list & 1;
    let (Some(lists), Some(entries)) = (maps::lists(), maps::list_entries(list)) else { return 0 };
    let info = &lists.info[list as usize];
    let lengths = if kind & KIND_V6 != 0 { &info.v6 } else { &info.v4 };
    for place in 0..LENGTHS_MAX {
        if place as u64 >= lengths.count {
            break;
        }
        let Some(entry) = entries.get_ptr_mut(lengths.key(place, address)) else { continue };
        // SAFETY: the verifier has seen the null check; the entry's memory stays valid, if not its meaning, for
        // the rest of the program run. Userspace writes an entry whole, before it can be found.
        let known = unsafe { entry.read() };
        if known.speaks_of(kind & KIND_SYN != 0) && (known.expires_at_ns == 0 || known.holds(clock())) {
            // SAFETY: as above, and the field is only ever accessed atomically here.
            unsafe { Shared::new(&raw mut (*entry).hits) }.add(1);
            return 1;
        }
    }
    0
}

/// Whether the filter has anything against looking the address up.
#[inline(always)]
fn admits(list: u32, address: Halves, kind: u32) -> bool {
    if kind & KIND_V6 == 0 {
        return is_set(list, list::filter_bit_v4(address));
    }
    let Some(config) = maps::config() else { return false };
    let [short, long] = FILTER_V6_LENGTHS;
    is_set(list, list::filter_bit_v6(address, long, config.hash_seed))
        || is_set(list, list::filter_bit_v6(address, short, config.hash_seed))
}

#[inline(always)]
fn is_set(list: u32, bit: usize) -> bool {
    let word = list * FILTER_WORDS as u32 + (bit >> 6) as u32;
    maps::list_filter(word).is_some_and(|word| word >> (bit & 63) & 1 != 0)
}

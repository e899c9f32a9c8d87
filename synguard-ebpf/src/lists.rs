//! Looks a packet's source up in the operator's lists, see `synguard_common::list`. While they are empty that is
//! one load, and for what the filter has nothing against another. What was found once in a tick is remembered, see
//! `synguard_common::listed`.

use aya_ebpf::helpers::generated::bpf_jiffies64;
use synguard_common::{
    list::{self, FILTER_V6_LENGTHS, FILTER_WORDS, LENGTHS_MAX, Lengths, List, ListEntry, ListKey, Lists},
    list_table,
    listed::{About, ListedSlot},
    prefix::Halves,
    verdict::Reason,
};

use crate::{
    atomic::Shared,
    filter::clock,
    maps::{self, ListTable},
    packet::{Class, Family, Packet},
};

/// Whether neither list has an entry.
#[inline(always)]
pub fn are_empty() -> bool {
    maps::lists().used == 0
}

/// What the lists say of a packet, if anything.
#[inline(always)]
pub fn judge(packet: &Packet) -> Option<Reason> {
    let used = maps::lists().used as u32;
    if used == 0 || matches!(packet.family, Family::None) {
        return None;
    }
    let syn = match packet.class {
        Class::Tcp => packet.is_syn(),
        Class::HiddenSyn => true,
        _ => false,
    };
    let family = if matches!(packet.family, Family::V6) { KIND_V6 } else { 0 };
    let kind = if syn { family | KIND_SYN } else { family };
    // What the filter has nothing against costs no call.
    let kind =
        kind | asked(used, List::Allow, packet.source, kind) | asked(used, List::Block, packet.source, kind);
    if kind & (KIND_ALLOW | KIND_BLOCK) == 0 {
        return None;
    }
    let [high, low] = packet.source;
    match synguard_listed(high, low, kind) {
        FOUND_ALLOWED => Some(Reason::Allowed),
        FOUND_BLOCKED => Some(Reason::Blocked),
        _ => None,
    }
}

/// The packet is a SYN, or may hide one.
const KIND_SYN: u32 = 1 << 0;
const KIND_V6: u32 = 1 << 1;
/// The allowlist is to be asked.
const KIND_ALLOW: u32 = 1 << 2;
/// The blocklist is to be asked.
const KIND_BLOCK: u32 = 1 << 3;
/// Of any kind: what was found before.
const KIND_ANY: u32 = 1 << 4;

const FOUND_NOTHING: u32 = 0;
const FOUND_ALLOWED: u32 = 1;
const FOUND_BLOCKED: u32 = 2;

/// Whether a list is to be asked, as a bit of the kind. A function and no closure, which cannot be made to be inlined:
/// a call here costs every packet as much as all else.
#[inline(always)]
fn asked(used: u32, list: List, source: Halves, kind: u32) -> u32 {
    let admitted = used & list.bit() != 0 && admits(list as u32, source, kind);
    if admitted { list.bit() * KIND_ALLOW } else { 0 }
}

/// What the lists say of packets of this kind from this address; it counts the hit.
///
/// A global function: the verifier examines it once, for any arguments, and not once for each state that parsing
/// can leave behind, which would be 400 000 instructions.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_listed(high: u64, low: u64, kind: u32) -> u32 {
    let address = [high, low];
    let Some(slot) = maps::listed(address) else { return FOUND_NOTHING };
    let lists = maps::lists();
    // SAFETY: the helper takes no arguments and only reads a counter.
    let tick = unsafe { bpf_jiffies64() };
    let about = About { address, kind: u64::from(kind), version: lists.version, tick };
    if let Some(list) = slot.repeats(&about) {
        return found(list);
    }
    for list in List::ALL {
        if kind & (list.bit() * KIND_ALLOW) == 0 {
            continue;
        }
        let place = synguard_search(list as u32, high, low, kind) as usize;
        if place < LENGTHS_MAX {
            // LENGTHS_MAX is a power of two; the compiler loses sight of the comparison.
            let key = lengths(lists, list as u32, kind).key(place & (LENGTHS_MAX - 1), address);
            if let Some(before) = slot.remember(&about, list, &key) {
                credit(&before);
            }
            return found(list);
        }
    }
    FOUND_NOTHING
}

#[inline(always)]
fn found(list: List) -> u32 {
    if matches!(list, List::Allow) { FOUND_ALLOWED } else { FOUND_BLOCKED }
}

/// The lengths that prefixes of this family have in a list.
#[inline(always)]
fn lengths(lists: &Lists, list: u32, kind: u32) -> &Lengths {
    let info = &lists.info[(list & 1) as usize];
    if kind & KIND_V6 != 0 { &info.v6 } else { &info.v4 }
}

/// The place, among the lengths of a list, of that of the entry that decides about packets of this kind from this
/// address, or [`LENGTHS_MAX`]; it counts the hit. A global function, as [`synguard_listed`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_search(list: u32, high: u64, low: u64, kind: u32) -> u32 {
    let none = LENGTHS_MAX as u32;
    let Some(mask) = mask(list) else { return none };
    let (lists, config) = (maps::lists(), maps::config());
    let lengths = lengths(lists, list, kind);
    for place in 0..LENGTHS_MAX {
        if place as u64 >= lengths.count {
            break;
        }
        let key = lengths.key(place, [high, low]);
        if !is_set(list & 1, list::filter_bit_key(list_table::hash(&key, config.hash_seed))) {
            continue;
        }
        if hit(list, &key, kind, mask, 1) {
            return place as u32;
        }
    }
    none
}

/// Adds hits that were only counted in a slot. Those of an entry that is gone are gone with it.
#[inline(always)]
fn credit(slot: &ListedSlot) {
    if let Some(mask) = mask(slot.list as u32) {
        hit(slot.list as u32, &slot.key, KIND_ANY, mask, slot.uncounted);
    }
}

/// The mask of a list's table, if it has one.
#[inline(always)]
fn mask(list: u32) -> Option<u64> {
    Some(maps::list_table(list & 1)?.get(list_table::HEAD)?.mask)
}

/// Counts packets of a kind for the entry of exactly this prefix, if there is one that decides about such packets now.
#[inline(always)]
fn hit(list: u32, key: &ListKey, kind: u32, mask: u64, packets: u64) -> bool {
    let which = key.length | u64::from(list & 1) << 8 | u64::from(kind) << 16;
    synguard_hit(which, key.address[0], key.address[1], mask, packets) != 0
}

/// See [`hit`], whose arguments were too many. A global function, as [`synguard_listed`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_hit(which: u64, high: u64, low: u64, mask: u64, packets: u64) -> u32 {
    let key = ListKey { address: [high, low], length: which & 0xff };
    let Some(table) = maps::list_table((which >> 8 & 1) as u32) else { return 0 };
    let hash = list_table::hash(&key, maps::config().hash_seed);
    let [first, second] = list_table::buckets(hash, mask);
    let Some((entry, hits)) = find(table, first, &key, hash).or_else(|| find(table, second, &key, hash))
    else {
        return 0;
    };
    let kind = (which >> 16) as u32;
    let decides = kind & KIND_ANY != 0
        || entry.speaks_of(kind & KIND_SYN != 0) && (entry.expires_at_ns == 0 || entry.holds(clock()));
    if decides {
        hits.add(packets);
    }
    u32::from(decides)
}

/// What is known of a prefix but its hits, and these, if it is in this bucket; see `synguard_common::list_table`.
#[inline(always)]
fn find(table: &ListTable, bucket: u32, key: &ListKey, hash: u64) -> Option<(ListEntry, Shared)> {
    let bucket = table.get_ptr_mut(bucket)?;
    for slot in 0..list_table::SLOTS {
        // SAFETY: the verifier has seen the null check, and a table's memory stays while the program runs. Words are
        // read whole; userspace writes the meta word after the others.
        let meta = unsafe { (&raw const (*bucket).metas[slot]).read_volatile() };
        if !list_table::may_be(meta, key, hash) {
            continue;
        }
        // SAFETY: as above.
        let address = unsafe { (&raw const (*bucket).addresses[slot]).read_volatile() };
        if address[0] == key.address[0] && address[1] == key.address[1] {
            // SAFETY: as above; hits are only ever accessed atomically.
            let (expires_at_ns, hits) = unsafe {
                let expires = (&raw const (*bucket).expires_at_ns[slot]).read_volatile();
                (expires, Shared::new(&raw mut (*bucket).hits[slot]))
            };
            return Some((list_table::entry(meta, expires_at_ns, 0), hits));
        }
    }
    None
}

/// Whether the filter has anything against looking the address up.
#[inline(always)]
fn admits(list: u32, address: Halves, kind: u32) -> bool {
    if kind & KIND_V6 == 0 {
        return is_set(list, list::filter_bit_v4(address));
    }
    let config = maps::config();
    let [short, long] = FILTER_V6_LENGTHS;
    is_set(list, list::filter_bit_v6(address, long, config.hash_seed))
        || is_set(list, list::filter_bit_v6(address, short, config.hash_seed))
}

#[inline(always)]
fn is_set(list: u32, bit: usize) -> bool {
    let word = list * FILTER_WORDS as u32 + (bit >> 6) as u32;
    maps::list_filter(word).is_some_and(|word| word >> (bit & 63) & 1 != 0)
}

//! Looks up a packet's source in the operator's lists, see `synguard_common::ip_list`. While both lists are empty this
//! costs one load, and a second one for an address that the Bloom filters exclude. Each CPU caches what it finds for
//! one tick, see `synguard_common::ip_list::cache`.

use synguard_common::{
    addr::Addr,
    ip_list::{
        IpLists, LENGTHS_MAX, List, ListEntry, Prefix, PrefixLengths, bloom,
        cache::{ListCacheSlot, ListLookup},
        table,
    },
    reason::Reason,
};

use crate::{
    atomic::SharedU64,
    clock,
    maps::{self, ListBuckets},
    parse::{Family, Packet},
    settings,
};

/// Reports whether neither list has an entry.
#[inline(always)]
pub fn are_empty() -> bool {
    maps::lists().used == 0
}

/// Returns the reason for which the lists decide about a packet, if they do.
#[inline(always)]
pub fn lookup(packet: &Packet) -> Option<Reason> {
    let list = find_list(packet)?;
    let config = maps::config();
    // The counters of listed SYNs belong to the totals of SYNs: a flood that is blocked is a flood.
    let is_guarded_syn = settings::is_guarded_syn(packet, config);
    Some(match (list, is_guarded_syn) {
        (List::Allow, true) => Reason::AllowedSyn,
        (List::Allow, false) => Reason::Allowed,
        (List::Block, true) => settings::enforce(Reason::BlockedSyn, config, clock::now_ns),
        (List::Block, false) => settings::enforce(Reason::Blocked, config, clock::now_ns),
    })
}

/// Returns the list with the entry that decides about a packet.
#[inline(always)]
fn find_list(packet: &Packet) -> Option<List> {
    let used = maps::lists().used as u32;
    if used == 0 || matches!(packet.family, Family::None) {
        return None;
    }
    let syn = packet.may_be_syn();
    let family = if matches!(packet.family, Family::V6) { KIND_V6 } else { 0 };
    let kind = if syn { family | KIND_SYN } else { family };
    // An address that the Bloom filters exclude costs no call.
    let kind = kind
        | candidate(used, List::Allow, packet.source, kind)
        | candidate(used, List::Block, packet.source, kind);
    if kind & (KIND_ALLOW | KIND_BLOCK) == 0 {
        return None;
    }
    let Addr([high, low]) = packet.source;
    match synguard_list_lookup(high, low, kind) {
        FOUND_ALLOW => Some(List::Allow),
        FOUND_BLOCK => Some(List::Block),
        _ => None,
    }
}

/// The packet is a SYN, or a possible one.
const KIND_SYN: u32 = 1 << 0;
const KIND_V6: u32 = 1 << 1;
/// The allowlist may have an entry.
const KIND_ALLOW: u32 = 1 << 2;
/// The blocklist may have an entry.
const KIND_BLOCK: u32 = 1 << 3;
/// Any kind: for hits that an earlier lookup has decided about.
const KIND_ANY: u32 = 1 << 4;

const FOUND_NONE: u32 = 0;
const FOUND_ALLOW: u32 = 1;
const FOUND_BLOCK: u32 = 2;

/// Returns the list's bit of the kind if the list may have an entry for the address. A function and not a closure, as a
/// closure cannot be forced inline, and a call here would double the cost of every packet.
#[inline(always)]
fn candidate(used: u32, list: List, source: Addr, kind: u32) -> u32 {
    let is_candidate = used & list.bit() != 0 && may_contain(list as u32, source, kind);
    if is_candidate { list.bit() * KIND_ALLOW } else { 0 }
}

/// Returns the list that decides about packets of this kind from this address, as one of `FOUND_*`, and counts the hit.
///
/// A global function: the verifier examines it once, for any arguments. Inlined, it would be examined once for each
/// state that parsing can leave behind, which is 400 000 instructions.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_list_lookup(high: u64, low: u64, kind: u32) -> u32 {
    let address = Addr([high, low]);
    let Some(slot) = maps::list_cache_slot(address) else { return FOUND_NONE };
    let lists = maps::lists();
    let tick = clock::tick();
    let lookup = ListLookup { address, kind: u64::from(kind), version: lists.version, tick };
    if let Some(list) = slot.hit(&lookup) {
        return found(list);
    }
    for list in List::ALL {
        if kind & (list.bit() * KIND_ALLOW) == 0 {
            continue;
        }
        let index = synguard_list_search(list as u32, high, low, kind) as usize;
        if index < LENGTHS_MAX {
            // LENGTHS_MAX is a power of two; the mask repeats the comparison, which the compiler loses.
            let key = lengths(lists, list as u32, kind).prefix(index & (LENGTHS_MAX - 1), address);
            if let Some(before) = slot.insert(&lookup, list, &key) {
                add_pending_hits(&before);
            }
            return found(list);
        }
    }
    FOUND_NONE
}

#[inline(always)]
fn found(list: List) -> u32 {
    if matches!(list, List::Allow) { FOUND_ALLOW } else { FOUND_BLOCK }
}

/// Returns the prefix lengths of a list for the family of this kind of packet.
#[inline(always)]
fn lengths(lists: &IpLists, list: u32, kind: u32) -> &PrefixLengths {
    let info = &lists.info[(list & 1) as usize];
    if kind & KIND_V6 != 0 { &info.v6 } else { &info.v4 }
}

/// Searches a list for an entry that decides about packets of this kind from this address, and counts the hit. Returns
/// the index of the entry's length among the list's lengths, or [`LENGTHS_MAX`] if there is no such entry. A global
/// function, see [`synguard_list_lookup`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_list_search(list: u32, high: u64, low: u64, kind: u32) -> u32 {
    let none = LENGTHS_MAX as u32;
    let Some(mask) = table_mask(list) else { return none };
    let (lists, config) = (maps::lists(), maps::config());
    let lengths = lengths(lists, list, kind);
    for index in 0..LENGTHS_MAX {
        if index as u64 >= lengths.count {
            break;
        }
        let key = lengths.prefix(index, Addr([high, low]));
        if !is_set(list & 1, bloom::bit_prefix(table::hash(&key, config.hash_seed))) {
            continue;
        }
        if hit(list, &key, kind, mask, 1) {
            return index as u32;
        }
    }
    none
}

/// Adds the pending hits of a cache slot to their entry. If the entry is gone, they are lost with it.
#[inline(always)]
fn add_pending_hits(slot: &ListCacheSlot) {
    if let Some(mask) = table_mask(slot.list as u32) {
        hit(slot.list as u32, &slot.key, KIND_ANY, mask, slot.pending);
    }
}

/// Returns the bucket mask of a list's table, if the list has a table.
#[inline(always)]
fn table_mask(list: u32) -> Option<u64> {
    Some(maps::list_table(list & 1)?.get(table::HEAD)?.mask)
}

/// Adds hits to the entry of exactly this prefix. Returns `false` if there is none that decides about such packets now.
#[inline(always)]
fn hit(list: u32, key: &Prefix, kind: u32, mask: u64, packets: u64) -> bool {
    let packed = key.length | u64::from(list & 1) << 8 | u64::from(kind) << 16;
    synguard_list_hit(packed, key.address.0[0], key.address.0[1], mask, packets) != 0
}

/// The body of [`hit`], with its arguments packed into the five that BPF allows. A global function, see
/// [`synguard_list_lookup`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_list_hit(packed: u64, high: u64, low: u64, mask: u64, packets: u64) -> u32 {
    let key = Prefix { address: Addr([high, low]), length: packed & 0xff };
    let Some(table) = maps::list_table((packed >> 8 & 1) as u32) else { return 0 };
    let hash = table::hash(&key, maps::config().hash_seed);
    let [first, second] = table::buckets(hash, mask);
    let Some((entry, hits)) = find(table, first, &key, hash).or_else(|| find(table, second, &key, hash))
    else {
        return 0;
    };
    let kind = (packed >> 16) as u32;
    let decides = kind & KIND_ANY != 0
        || entry.applies_to(kind & KIND_SYN != 0)
            && (entry.expires_at_ns == 0 || entry.is_effective(clock::now_ns()));
    if decides {
        hits.add(packets);
    }
    u32::from(decides)
}

/// Returns the entry of a prefix, with 0 for its hits, and a handle to its hits, if it is in this bucket; see
/// `synguard_common::ip_list::table`.
#[inline(always)]
fn find(table: &ListBuckets, bucket: u32, key: &Prefix, hash: u64) -> Option<(ListEntry, SharedU64)> {
    let bucket = table.get_ptr_mut(bucket)?;
    for slot in 0..table::SLOTS {
        // SAFETY: the verifier has seen the null check, and a table's memory stays while the program runs. Words are
        // read whole; userspace writes the meta word after the others.
        let meta = unsafe { (&raw const (*bucket).metas[slot]).read_volatile() };
        if !table::may_match(meta, key, hash) {
            continue;
        }
        // SAFETY: as above.
        let address = unsafe { (&raw const (*bucket).addresses[slot]).read_volatile() };
        if address.equals(&key.address) {
            // SAFETY: as above; hits are only ever accessed atomically.
            let (expires_at_ns, hits) = unsafe {
                let expires = (&raw const (*bucket).expires_at_ns[slot]).read_volatile();
                (expires, SharedU64::new(&raw mut (*bucket).hits[slot]))
            };
            return Some((table::entry(meta, expires_at_ns, 0), hits));
        }
    }
    None
}

/// Reports whether a list's Bloom filter admits that the list has an entry for the address.
#[inline(always)]
fn may_contain(list: u32, address: Addr, kind: u32) -> bool {
    if kind & KIND_V6 == 0 {
        return is_set(list, bloom::bit_v4(address));
    }
    let config = maps::config();
    let [short, long] = bloom::V6_LENGTHS;
    is_set(list, bloom::bit_v6(address, long, config.hash_seed))
        || is_set(list, bloom::bit_v6(address, short, config.hash_seed))
}

#[inline(always)]
fn is_set(list: u32, bit: usize) -> bool {
    let word = list * bloom::WORDS as u32 + (bit >> 6) as u32;
    maps::list_bloom(word).is_some_and(|word| word >> (bit & 63) & 1 != 0)
}

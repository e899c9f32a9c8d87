//! The maps, and typed access to them: the only place in the program that names a map or dereferences one.
//!
//! The statics bear the names in `synguard_common::names`. The loader sets the capacity of `SOURCES`.

use aya_ebpf::{
    bindings::{BPF_F_INNER_MAP, BPF_F_MMAPABLE, BPF_NOEXIST},
    btf_maps::{Array, ArrayOfMaps, LpmTrie, LruHashMap, PerCpuArray, RingBuf, lpm_trie::Key},
    macros::btf_map,
};
use synguard_common::{
    abi::{COUNTER_SLOTS, Config, Counter, CpuState, Event, PortSet, SourceKey, SourceState},
    answer::Answering,
    distinct::Registers,
    first_syn::FirstSyns,
    held::{self, Held, HeldSlot},
    list::{FILTER_WORDS, Lists},
    list_table::Bucket,
    listed::{self, Listed, ListedSlot},
    listener::{self, ListenerPair},
    names::{EVENTS_BYTES, LOCALS_MAX, PREFIXES_DEFAULT, SOURCES_DEFAULT},
    network::NetworkSketch,
    prefix::Halves,
    proven,
    sketch::Sketch,
    verdict::Reason,
};

use crate::global::Global;

/// Declares a [`Global`] of integers in the section, and with the symbol, that the loader knows.
macro_rules! global {
    ($name:ident: $type:ty) => {
        #[cfg_attr(target_arch = "bpf", unsafe(link_section = concat!(".data.", stringify!($name))))]
        #[cfg_attr(target_arch = "bpf", unsafe(no_mangle))]
        // SAFETY: the types in synguard_common that userspace writes are all integers.
        static $name: Global<$type> = unsafe { Global::zeroed() };
    };
}

global!(CONFIG: Config);

global!(PORTS: PortSet);

#[btf_map]
static COUNTERS: PerCpuArray<Counter, { COUNTER_SLOTS as usize }> = PerCpuArray::new();

#[btf_map]
static SOURCES: LruHashMap<SourceKey, SourceState, { SOURCES_DEFAULT as usize }> = LruHashMap::new();

#[btf_map]
static SOURCE_SKETCH: Array<Sketch, 1> = Array::new();

#[btf_map]
static PREFIXES: LruHashMap<SourceKey, SourceState, { PREFIXES_DEFAULT as usize }> = LruHashMap::new();

#[btf_map]
static PREFIX_SKETCH: Array<Sketch, 1> = Array::new();

#[btf_map]
static DISTINCT: Array<Registers, 1> = Array::new();

/// Its records are [`Event`]s; the map itself has no value type, which libbpf would refuse.
#[btf_map]
static EVENTS: RingBuf<(), { EVENTS_BYTES as usize }> = RingBuf::new();

#[btf_map]
static CPU_STATE: PerCpuArray<CpuState, 1> = PerCpuArray::new();

#[btf_map]
static HELD: PerCpuArray<Held, 1> = PerCpuArray::new();

#[btf_map]
static LISTED: PerCpuArray<Listed, 1> = PerCpuArray::new();

global!(LISTS: Lists);

/// The buckets of one list. Their number here is that of a pattern: each list's own table has another.
pub type ListTable = Array<Bucket, 2, { (BPF_F_MMAPABLE | BPF_F_INNER_MAP) as usize }>;

#[btf_map]
static LIST_TABLES: ArrayOfMaps<ListTable, 2> = ArrayOfMaps::new();

/// Mapped into the memory of userspace, which sets single bits.
#[btf_map]
static LIST_FILTER: Array<u64, { 2 * FILTER_WORDS }, { BPF_F_MMAPABLE as usize }> = Array::new();

global!(ANSWERING: Answering);

#[btf_map]
static LOCALS: LpmTrie<Halves, u64, { LOCALS_MAX as usize }> = LpmTrie::new();

#[btf_map]
static LISTENERS: PerCpuArray<ListenerPair, { listener::PAIRS }> = PerCpuArray::new();

#[btf_map]
static PROVEN: Array<u32, { proven::CELLS }> = Array::new();

#[btf_map]
static ANSWER_SKETCH: PerCpuArray<NetworkSketch, 1> = PerCpuArray::new();

#[btf_map]
static FIRST_SYNS: Array<FirstSyns, 1> = Array::new();

/// The settings; all zeros until a loader writes them.
#[inline(always)]
pub fn config() -> &'static Config {
    CONFIG.get()
}

/// The guarded ports; none until a loader writes them.
#[inline(always)]
pub fn ports() -> &'static PortSet {
    PORTS.get()
}

/// This CPU's counter of a reason.
#[inline(always)]
pub fn counter(reason: Reason) -> Option<&'static mut Counter> {
    // SAFETY: the slot is this CPU's own and lives as long as the program. XDP runs in softirq context, which
    // does not nest on a CPU, so nothing else holds a reference to it; userspace only reads it.
    unsafe { COUNTERS.get_ptr_mut(reason.index())?.as_mut() }
}

/// This CPU's state.
#[inline(always)]
pub fn cpu_state() -> Option<&'static mut CpuState> {
    // SAFETY: as for `counter`.
    unsafe { CPU_STATE.get_ptr_mut(0)?.as_mut() }
}

/// Returns a value, of which the verifier then knows nothing: it does not follow what lies in a map. A loop that can be
/// gone through in many ways is then examined once a round, and not once for each.
#[inline(always)]
pub fn forget(cpu: &mut CpuState, value: u64) -> u64 {
    let place = &raw mut cpu.scratch;
    // SAFETY: the reference is valid; volatile, or the compiler would see through it.
    unsafe {
        place.write_volatile(value);
        place.read_volatile()
    }
}

/// This CPU's slot for sources in hold with this hash.
#[inline(always)]
pub fn held(hash: u64) -> Option<&'static mut HeldSlot> {
    // SAFETY: as for `counter`.
    let held = unsafe { HELD.get_ptr_mut(0)?.as_mut()? };
    Some(&mut held.slots[held::index(hash)])
}

/// The entry of a source. Other CPUs may change it at the same time, and an entry that was evicted may come
/// to stand for another source while it is held: hence a pointer, to be used field by field.
#[inline(always)]
pub fn source(key: &SourceKey) -> Option<*mut SourceState> {
    SOURCES.get_ptr_mut(key)
}

/// Adds a source unless another CPU was faster or the table has no room.
#[inline(always)]
pub fn insert_source(key: &SourceKey, state: &SourceState) -> Result<(), i32> {
    SOURCES.insert(key, state, BPF_NOEXIST as u64)
}

/// The sketch of sources, shared with other CPUs: to be used cell by cell.
#[inline(always)]
pub fn source_sketch() -> Option<*mut Sketch> {
    SOURCE_SKETCH.get_ptr_mut(0)
}

/// The entry of a prefix, as `source`.
#[inline(always)]
pub fn prefix(key: &SourceKey) -> Option<*mut SourceState> {
    PREFIXES.get_ptr_mut(key)
}

/// Adds a prefix, as `insert_source`.
#[inline(always)]
pub fn insert_prefix(key: &SourceKey, state: &SourceState) -> Result<(), i32> {
    PREFIXES.insert(key, state, BPF_NOEXIST as u64)
}

/// The sketch of prefixes, as `source_sketch`.
#[inline(always)]
pub fn prefix_sketch() -> Option<*mut Sketch> {
    PREFIX_SKETCH.get_ptr_mut(0)
}

/// What there is to know of the lists; both empty until a loader writes them.
#[inline(always)]
pub fn lists() -> &'static Lists {
    LISTS.get()
}

/// This CPU's slot for findings about this address.
#[inline(always)]
pub fn listed(address: Halves) -> Option<&'static mut ListedSlot> {
    // SAFETY: as for `counter`.
    let listed = unsafe { LISTED.get_ptr_mut(0)?.as_mut()? };
    Some(&mut listed.slots[listed::index(address)])
}

/// A word of the lists' filters, by its number among those of both.
#[inline(always)]
pub fn list_filter(word: u32) -> Option<u64> {
    LIST_FILTER.get(word).copied()
}

/// The table of a list. Userspace may remove an entry meanwhile, and another come to its place: its fields are to be
/// read one by one, as in `source`.
#[inline(always)]
pub fn list_table(list: u32) -> Option<&'static ListTable> {
    LIST_TABLES.get(list)
}

/// The registers of the distinct count, shared with other CPUs: to be used one by one.
#[inline(always)]
pub fn distinct() -> Option<*mut Registers> {
    DISTINCT.get_ptr_mut(0)
}

/// Hands an event to userspace; `false` if the ring buffer is full.
#[inline(always)]
pub fn submit(event: Event) -> bool {
    let Some(mut entry) = EVENTS.reserve_untyped::<Event>(0) else { return false };
    entry.write(event);
    entry.submit(0);
    true
}

/// Whether and how SYNs are answered; all zeros until userspace says otherwise.
#[inline(always)]
pub fn answering() -> &'static Answering {
    ANSWERING.get()
}

/// Whether this host receives at an address.
#[inline(always)]
pub fn is_local(address: Halves) -> bool {
    LOCALS.get(&Key::new(128, address)).is_some()
}

/// This CPU's pair of places for listeners with this index.
#[inline(always)]
pub fn listeners(index: usize) -> Option<&'static mut ListenerPair> {
    // SAFETY: as for `counter`.
    unsafe { LISTENERS.get_ptr_mut(index as u32)?.as_mut() }
}

/// The cell of sources with this hash that proved themselves, shared with other CPUs and userspace: each access is one
/// load or store.
#[inline(always)]
pub fn proven(hash: u64) -> Option<*mut u32> {
    PROVEN.get_ptr_mut(proven::index(hash))
}

/// This CPU's buckets of networks.
#[inline(always)]
pub fn answer_sketch() -> Option<&'static mut NetworkSketch> {
    // SAFETY: as for `counter`.
    unsafe { ANSWER_SKETCH.get_ptr_mut(0)?.as_mut() }
}

/// The filters of SYNs seen before, shared with other CPUs: to be used word by word.
#[inline(always)]
pub fn first_syns() -> Option<*mut FirstSyns> {
    FIRST_SYNS.get_ptr_mut(0)
}

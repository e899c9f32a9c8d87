//! The maps, and typed access to them. No other module names a map.
//!
//! The statics have the names of `synguard_common::map_names`. The loader sets the capacity of `SOURCES`.

use aya_ebpf::{
    bindings::{BPF_F_INNER_MAP, BPF_F_MMAPABLE, BPF_NOEXIST},
    btf_maps::{Array, ArrayOfMaps, LpmTrie, LruHashMap, PerCpuArray, RingBuf, lpm_trie::Key},
    macros::btf_map,
};
use synguard_common::{
    abi::{COUNTER_SLOTS, Config, Counter, CpuState, DatapathEvent, PortSet},
    addr::Addr,
    count_min::CountMinSketch,
    hold_cache::{self, HoldCache, HoldSlot},
    hyperloglog::HyperLogLog,
    ip_list::{
        IpLists, bloom,
        cache::{self, ListCache, ListCacheSlot},
        table::Bucket,
    },
    map_names::{EVENTS_BYTES, LOCAL_ADDRS_MAX, PREFIXES_DEFAULT, SOURCES_DEFAULT},
    reason::Reason,
    source::{SourceKey, SourceState},
    syn_cookie::{
        config::SynCookieConfig,
        handshake::{self, Handshake},
        listener::{ListenerPath, PATHS_MAX, PathState},
        prefix_limit::PrefixRateSketch,
        seen_syns::SeenSyns,
        template::{SynAckTemplate, TEMPLATES_MAX},
        template_cache::{self, TemplatePair},
        validated_sources,
    },
};

use crate::{globals::GlobalData, syn_cookie::scratch::SynScratch};

/// Declares a [`GlobalData`] of integers, in the section and with the symbol that the loader expects.
macro_rules! global {
    ($name:ident: $type:ty) => {
        #[cfg_attr(target_arch = "bpf", unsafe(link_section = concat!(".data.", stringify!($name))))]
        #[cfg_attr(target_arch = "bpf", unsafe(no_mangle))]
        // SAFETY: the types in synguard_common that userspace writes are all integers.
        static $name: GlobalData<$type> = unsafe { GlobalData::zeroed() };
    };
}

global!(CONFIG: Config);

global!(PORTS: PortSet);

#[btf_map]
static COUNTERS: PerCpuArray<Counter, { COUNTER_SLOTS as usize }> = PerCpuArray::new();

#[btf_map]
static SOURCES: LruHashMap<SourceKey, SourceState, { SOURCES_DEFAULT as usize }> = LruHashMap::new();

#[btf_map]
static SOURCE_SKETCH: Array<CountMinSketch, 1> = Array::new();

#[btf_map]
static PREFIXES: LruHashMap<SourceKey, SourceState, { PREFIXES_DEFAULT as usize }> = LruHashMap::new();

#[btf_map]
static PREFIX_SKETCH: Array<CountMinSketch, 1> = Array::new();

#[btf_map]
static CARDINALITY: Array<HyperLogLog, 1> = Array::new();

/// Ring buffer of [`DatapathEvent`]s. The map itself has no value type, as libbpf would refuse one.
#[btf_map]
static EVENTS: RingBuf<(), { EVENTS_BYTES as usize }> = RingBuf::new();

#[btf_map]
static CPU_STATE: PerCpuArray<CpuState, 1> = PerCpuArray::new();

#[btf_map]
static HOLD_CACHE: PerCpuArray<HoldCache, 1> = PerCpuArray::new();

#[btf_map]
static LIST_CACHE: PerCpuArray<ListCache, 1> = PerCpuArray::new();

global!(LISTS: IpLists);

/// The buckets of one list. This is the inner map's template; the table of each list has its own number of buckets.
pub type ListBuckets = Array<Bucket, 2, { (BPF_F_MMAPABLE | BPF_F_INNER_MAP) as usize }>;

/// The tables of the lists, by `List::index`: 0 is the allowlist, 1 the blocklist.
#[btf_map]
static LIST_TABLES: ArrayOfMaps<ListBuckets, 2> = ArrayOfMaps::new();

/// Mapped into the memory of userspace, which sets individual bits.
#[btf_map]
static LIST_BLOOM: Array<u64, { 2 * bloom::WORDS }, { BPF_F_MMAPABLE as usize }> = Array::new();

global!(SYN_COOKIES: SynCookieConfig);

#[btf_map]
static LOCAL_ADDRS: LpmTrie<Addr, u64, { LOCAL_ADDRS_MAX as usize }> = LpmTrie::new();

#[btf_map]
static PATHS: LruHashMap<ListenerPath, PathState, { PATHS_MAX as usize }> = LruHashMap::new();

#[btf_map]
static TEMPLATES: LruHashMap<ListenerPath, SynAckTemplate, { TEMPLATES_MAX as usize }> = LruHashMap::new();

#[btf_map]
static TEMPLATE_CACHE: PerCpuArray<TemplatePair, { template_cache::PAIRS }> = PerCpuArray::new();

/// One [`SynScratch`] a CPU.
#[btf_map]
static SYN_SCRATCH: PerCpuArray<SynScratch, 1> = PerCpuArray::new();

#[btf_map]
static HANDSHAKES: Array<Handshake, { handshake::CELLS }> = Array::new();

#[btf_map]
static VALIDATED_SOURCES: Array<u32, { validated_sources::CELLS }> = Array::new();

#[btf_map]
static COOKIE_PREFIX_SKETCH: PerCpuArray<PrefixRateSketch, 1> = PerCpuArray::new();

#[btf_map]
static SEEN_SYNS: Array<SeenSyns, 1> = Array::new();

/// Returns the settings; all zeros until a loader writes them.
#[inline(always)]
pub fn config() -> &'static Config {
    CONFIG.get()
}

/// Returns the guarded ports; none until a loader writes them.
#[inline(always)]
pub fn ports() -> &'static PortSet {
    PORTS.get()
}

/// Returns this CPU's counter of a reason.
#[inline(always)]
pub fn counter(reason: Reason) -> Option<&'static mut Counter> {
    // SAFETY: the slot is this CPU's own and lives as long as the program. XDP runs in softirq context, which
    // does not nest on a CPU, so nothing else holds a reference to it; userspace only reads it.
    unsafe { COUNTERS.get_ptr_mut(reason.index())?.as_mut() }
}

/// Returns this CPU's state.
#[inline(always)]
pub fn cpu_state() -> Option<&'static mut CpuState> {
    // SAFETY: as for `counter`.
    unsafe { CPU_STATE.get_ptr_mut(0)?.as_mut() }
}

/// Returns a value after a detour through a map, which makes it unknown to the verifier: it does not track map contents.
/// The verifier then examines a loop with many paths once per iteration, and not once per path.
#[inline(always)]
pub fn make_unknown(cpu: &mut CpuState, value: u64) -> u64 {
    let scratch = &raw mut cpu.scratch;
    // SAFETY: the reference is valid; volatile, or the compiler would remove the detour.
    unsafe {
        scratch.write_volatile(value);
        scratch.read_volatile()
    }
}

/// Returns this CPU's cache slot for sources in hold with this hash.
#[inline(always)]
pub fn hold_slot(hash: u64) -> Option<&'static mut HoldSlot> {
    // SAFETY: as for `counter`.
    let cache = unsafe { HOLD_CACHE.get_ptr_mut(0)?.as_mut()? };
    Some(&mut cache.slots[hold_cache::index(hash)])
}

/// Returns the entry of a source. Other CPUs may change it at the same time, and after an eviction it may belong to
/// another source: hence a pointer, which the caller must use field by field.
#[inline(always)]
pub fn source(key: &SourceKey) -> Option<*mut SourceState> {
    SOURCES.get_ptr_mut(key)
}

/// Adds a source. Fails if another CPU was faster, or the table has no room.
#[inline(always)]
pub fn insert_source(key: &SourceKey, state: &SourceState) -> Result<(), i32> {
    SOURCES.insert(key, state, BPF_NOEXIST as u64)
}

/// Returns the sketch of sources, shared with other CPUs: callers must use it cell by cell.
#[inline(always)]
pub fn source_sketch() -> Option<*mut CountMinSketch> {
    SOURCE_SKETCH.get_ptr_mut(0)
}

/// Returns the entry of a prefix, see [`source`].
#[inline(always)]
pub fn prefix(key: &SourceKey) -> Option<*mut SourceState> {
    PREFIXES.get_ptr_mut(key)
}

/// Adds a prefix, see [`insert_source`].
#[inline(always)]
pub fn insert_prefix(key: &SourceKey, state: &SourceState) -> Result<(), i32> {
    PREFIXES.insert(key, state, BPF_NOEXIST as u64)
}

/// Returns the sketch of prefixes, see [`source_sketch`].
#[inline(always)]
pub fn prefix_sketch() -> Option<*mut CountMinSketch> {
    PREFIX_SKETCH.get_ptr_mut(0)
}

/// Returns the description of the lists; both are empty until a loader writes them.
#[inline(always)]
pub fn lists() -> &'static IpLists {
    LISTS.get()
}

/// Returns this CPU's slot for list lookups of this address.
#[inline(always)]
pub fn list_cache_slot(address: Addr) -> Option<&'static mut ListCacheSlot> {
    // SAFETY: as for `counter`.
    let cache = unsafe { LIST_CACHE.get_ptr_mut(0)?.as_mut()? };
    Some(&mut cache.slots[cache::index(address)])
}

/// Returns a word of the Bloom filters, by its index in both.
#[inline(always)]
pub fn list_bloom(word: u32) -> Option<u64> {
    LIST_BLOOM.get(word).copied()
}

/// Returns the table of a list. Userspace may meanwhile replace an entry by another: callers must read its fields one by
/// one, see [`source`].
#[inline(always)]
pub fn list_table(list: u32) -> Option<&'static ListBuckets> {
    LIST_TABLES.get(list)
}

/// Returns the HyperLogLog registers, shared with other CPUs: callers must use them one by one.
#[inline(always)]
pub fn cardinality() -> Option<*mut HyperLogLog> {
    CARDINALITY.get_ptr_mut(0)
}

/// Sends an event to userspace; returns `false` if the ring buffer is full.
#[inline(always)]
pub fn submit(event: DatapathEvent) -> bool {
    let Some(mut entry) = EVENTS.reserve_untyped::<DatapathEvent>(0) else { return false };
    entry.write(event);
    entry.submit(0);
    true
}

/// Returns the SYN cookie settings; all zeros until userspace writes them.
#[inline(always)]
pub fn syn_cookies() -> &'static SynCookieConfig {
    SYN_COOKIES.get()
}

/// Reports whether an address belongs to this host.
#[inline(always)]
pub fn is_local(address: Addr) -> bool {
    LOCAL_ADDRS.get(&Key::new(128, address)).is_some()
}

/// Returns the evidence about a listener path, shared with other CPUs and userspace, see [`source`].
#[inline(always)]
pub fn path(path: &ListenerPath) -> Option<*mut PathState> {
    PATHS.get_ptr_mut(path)
}

/// Adds a listener path.
#[inline(always)]
pub fn insert_path(path: &ListenerPath, state: &PathState) -> Result<(), i32> {
    PATHS.insert(path, state, BPF_NOEXIST as u64)
}

/// Returns the template of a path and class of options, shared with other CPUs, see [`source`].
#[inline(always)]
pub fn template(path: &ListenerPath) -> Option<*mut SynAckTemplate> {
    TEMPLATES.get_ptr_mut(path)
}

/// Adds a template.
#[inline(always)]
pub fn insert_template(path: &ListenerPath, template: &SynAckTemplate) -> Result<(), i32> {
    TEMPLATES.insert(path, template, BPF_NOEXIST as u64)
}

/// Returns the cell of a handshake, shared with other CPUs.
#[inline(always)]
pub fn handshake(index: u32) -> Option<*mut Handshake> {
    HANDSHAKES.get_ptr_mut(index)
}

/// Returns this CPU's scratch space for a SYN.
#[inline(always)]
pub(crate) fn syn_scratch() -> Option<&'static mut SynScratch> {
    // SAFETY: as for `counter`; all fields are integers, for which every bit pattern is valid, but for the one that says
    // whether a SYN asks for ECN, which is written before it is read.
    unsafe { SYN_SCRATCH.get_ptr_mut(0)?.as_mut() }
}

/// Returns this CPU's pair of cache slots for templates with this index.
#[inline(always)]
pub fn template_pair(index: u32) -> Option<&'static mut TemplatePair> {
    // SAFETY: as for `counter`. Only the XDP program uses the cache.
    unsafe { TEMPLATE_CACHE.get_ptr_mut(index)?.as_mut() }
}

/// Returns the cell of validated sources with this hash, shared with other CPUs and userspace: each access is one load or
/// store.
#[inline(always)]
pub fn validated_source(hash: u64) -> Option<*mut u32> {
    VALIDATED_SOURCES.get_ptr_mut(validated_sources::index(hash))
}

/// Returns this CPU's rate buckets of prefixes.
#[inline(always)]
pub fn cookie_prefix_sketch() -> Option<&'static mut PrefixRateSketch> {
    // SAFETY: as for `counter`.
    unsafe { COOKIE_PREFIX_SKETCH.get_ptr_mut(0)?.as_mut() }
}

/// Returns the Bloom filters of SYNs seen before, shared with other CPUs: callers must use them word by word.
#[inline(always)]
pub fn seen_syns() -> Option<*mut SeenSyns> {
    SEEN_SYNS.get_ptr_mut(0)
}

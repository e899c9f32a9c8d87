//! The name of the program and of every map, and their default sizes: the only place these are written.
//!
//! A map's name is also the name of its pin and of the `static` in the eBPF crate, and but for [`GLOBALS`] its name in the
//! object and the kernel; `tests/tests/kernel_load.rs` checks that they agree.

/// The XDP program's symbol, and the name of its pin.
pub const PROGRAM: &str = "synguard";

/// One [`Config`](crate::abi::Config): every live setting.
pub const CONFIG: &str = "CONFIG";
/// One [`PortSet`](crate::abi::PortSet): the guarded TCP ports.
pub const PORTS: &str = "PORTS";
/// Per-CPU [`Counter`](crate::abi::Counter)s, indexed by [`Reason`](crate::reason::Reason).
pub const COUNTERS: &str = "COUNTERS";
/// LRU hash from [`SourceKey`](crate::source::SourceKey) to [`SourceState`](crate::source::SourceState).
pub const SOURCES: &str = "SOURCES";
/// Ring buffer of [`Event`](crate::abi::DatapathEvent)s.
pub const EVENTS: &str = "EVENTS";
/// One per-CPU [`CpuState`](crate::abi::CpuState).
pub const CPU_STATE: &str = "CPU_STATE";

/// One [`Sketch`](crate::count_min::CountMinSketch) of sources.
pub const SOURCE_SKETCH: &str = "SOURCE_SKETCH";
/// LRU hash from [`SourceKey`](crate::source::SourceKey), here a /24 or /48, to
/// [`SourceState`](crate::source::SourceState).
pub const PREFIXES: &str = "PREFIXES";
/// One [`Sketch`](crate::count_min::CountMinSketch) of prefixes.
pub const PREFIX_SKETCH: &str = "PREFIX_SKETCH";
/// One set of [`Registers`](crate::hyperloglog::HyperLogLog).
pub const CARDINALITY: &str = "CARDINALITY";

/// One per-CPU [`Held`](crate::hold_cache::HoldCache).
pub const HOLD_CACHE: &str = "HOLD_CACHE";

/// One per-CPU [`Listed`](crate::ip_list::cache::ListCache).
pub const LIST_CACHE: &str = "LIST_CACHE";
/// One [`Lists`](crate::ip_list::IpLists).
pub const LISTS: &str = "LISTS";
/// For each list, by [`List::index`](crate::ip_list::List::index), an array of [`Bucket`](crate::ip_list::table::Bucket)s,
/// as large as it needs to be; none while the list has never had entries.
pub const LIST_TABLES: &str = "LIST_TABLES";
/// The filters of both lists, [`BLOOM_WORDS`](crate::ip_list::BLOOM_WORDS) words each.
pub const LIST_BLOOM: &str = "LIST_BLOOM";

/// One [`SynCookieConfig`](crate::syn_cookie::config::SynCookieConfig): whether and how SYNs are answered.
pub const SYN_COOKIES: &str = "SYN_COOKIES";
/// LPM trie of the addresses at which this host receives, IPv4 in mapped form, to anything: what the routing table
/// `local` has routes of type `local` for. Userspace keeps it while SYNs are answered; SYNs to other addresses are
/// not. A wildcard listener could otherwise seem to be that of a host that packets are merely forwarded to.
pub const LOCAL_ADDRS: &str = "LOCAL_ADDRS";
/// Per-CPU [`ListenerPair`](crate::syn_cookie::listener_cache::ListenerPair)s.
pub const LISTENER_CACHE: &str = "LISTENER_CACHE";
/// Cells, see [`crate::syn_cookie::validated_sources`], each a `u32`. The program fills in whoever returned a valid cookie; userspace may fill
/// in whoever has a connection.
pub const VALIDATED_SOURCES: &str = "VALIDATED_SOURCES";
/// One per-CPU [`PrefixRateSketch`](crate::syn_cookie::prefix_limit::PrefixRateSketch).
pub const COOKIE_PREFIX_SKETCH: &str = "COOKIE_PREFIX_SKETCH";
/// One [`SeenSyns`](crate::syn_cookie::seen_syns::SeenSyns).
pub const SEEN_SYNS: &str = "SEEN_SYNS";

/// Name of the pin of the allowlist's table, once there is one.
pub const ALLOW: &str = "ALLOW";
/// Name of the pin of the blocklist's table, once there is one.
pub const BLOCK: &str = "BLOCK";

/// Every map of the program, in the order they are pinned.
pub const MAPS: [&str; 21] = [
    CONFIG,
    PORTS,
    COUNTERS,
    SOURCES,
    SOURCE_SKETCH,
    PREFIXES,
    PREFIX_SKETCH,
    CARDINALITY,
    EVENTS,
    CPU_STATE,
    HOLD_CACHE,
    LIST_CACHE,
    LISTS,
    LIST_TABLES,
    LIST_BLOOM,
    SYN_COOKIES,
    LOCAL_ADDRS,
    LISTENER_CACHE,
    VALIDATED_SOURCES,
    COOKIE_PREFIX_SKETCH,
    SEEN_SYNS,
];

/// The maps of one value that the program reads at its address, and the sections they are in the object: these are also
/// the names by which a loader and the kernel know them. Their symbols are as the maps are called.
pub const GLOBALS: [(&str, &str); 4] = [
    (CONFIG, ".data.CONFIG"),
    (PORTS, ".data.PORTS"),
    (LISTS, ".data.LISTS"),
    (SYN_COOKIES, ".data.SYN_COOKIES"),
];

/// The pins of ABI version 2 whose maps have another name now, and that name. The layouts are the same.
pub const FORMER_NAMES: [(&str, &str); 10] = [
    ("DISTINCT", CARDINALITY),
    ("HELD", HOLD_CACHE),
    ("LISTED", LIST_CACHE),
    ("LIST_FILTER", LIST_BLOOM),
    ("ANSWERING", SYN_COOKIES),
    ("LOCALS", LOCAL_ADDRS),
    ("LISTENERS", LISTENER_CACHE),
    ("PROVEN", VALIDATED_SOURCES),
    ("ANSWER_SKETCH", COOKIE_PREFIX_SKETCH),
    ("FIRST_SYNS", SEEN_SYNS),
];

/// What a map is called in the object, and by the kernel.
pub fn in_object(map: &str) -> &str {
    GLOBALS.iter().find(|(name, _)| *name == map).map_or(map, |(_, section)| section)
}

/// Default capacity of [`SOURCES`], in sources (about 32 MiB with the kernel's own overhead).
pub const SOURCES_DEFAULT: u32 = 262_144;
/// Capacity of [`PREFIXES`], in prefixes.
pub const PREFIXES_DEFAULT: u32 = 65_536;
/// Capacity of [`LOCAL_ADDRS`], in prefixes.
pub const LOCAL_ADDRS_MAX: u32 = 4_096;
/// Fewest sources per possible CPU. An LRU map hands out nodes to each CPU in lots of up to 128 and evicts
/// early when it has few of them; below this the table would forget sources that still fit in it.
pub const SOURCES_PER_CPU_MIN: u32 = 1_024;
/// Entries that one list may have, unless it is set otherwise.
pub const LIST_CAPACITY_DEFAULT: u32 = 2_097_152;
/// Size of [`EVENTS`] in bytes; a power of two and a multiple of the page size.
pub const EVENTS_BYTES: u32 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_names_lead_to_maps_and_are_free() {
        for (old, new) in FORMER_NAMES {
            assert!(MAPS.contains(&new), "{new}");
            assert!(!MAPS.contains(&old) && ![ALLOW, BLOCK, PROGRAM].contains(&old), "{old}");
            assert_eq!(FORMER_NAMES.iter().filter(|pair| pair.0 == old || pair.1 == new).count(), 1, "{old}");
        }
    }
}

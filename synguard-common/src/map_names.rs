//! Names of the program and of every map, and the default sizes of the maps. They are written nowhere else.
//!
//! A map's name is also the name of its pin and of the `static` in the eBPF crate. Except for [`GLOBALS`] it is the name in
//! the object too, and in the kernel, which cuts it after 15 bytes; `tests/tests/kernel_load.rs` checks that they agree.

/// Symbol of the XDP program, and name of its pin.
pub const PROGRAM: &str = "synguard";
/// Symbol of the egress program, and name of its pin.
pub const EGRESS_PROGRAM: &str = "synguard_egress";

/// One [`Config`](crate::abi::Config): every live setting.
pub const CONFIG: &str = "CONFIG";
/// One [`PortSet`](crate::abi::PortSet): the guarded TCP ports.
pub const PORTS: &str = "PORTS";
/// Per-CPU [`Counter`](crate::abi::Counter)s, indexed by [`Reason`](crate::reason::Reason).
pub const COUNTERS: &str = "COUNTERS";
/// LRU hash from [`SourceKey`](crate::source::SourceKey) to [`SourceState`](crate::source::SourceState).
pub const SOURCES: &str = "SOURCES";
/// Ring buffer of [`DatapathEvent`](crate::abi::DatapathEvent)s.
pub const EVENTS: &str = "EVENTS";
/// One per-CPU [`CpuState`](crate::abi::CpuState).
pub const CPU_STATE: &str = "CPU_STATE";

/// One [`CountMinSketch`](crate::count_min::CountMinSketch) of sources.
pub const SOURCE_SKETCH: &str = "SOURCE_SKETCH";
/// LRU hash from [`SourceKey`](crate::source::SourceKey), here a /24 or /48, to
/// [`SourceState`](crate::source::SourceState).
pub const PREFIXES: &str = "PREFIXES";
/// One [`CountMinSketch`](crate::count_min::CountMinSketch) of prefixes.
pub const PREFIX_SKETCH: &str = "PREFIX_SKETCH";
/// One [`HyperLogLog`](crate::hyperloglog::HyperLogLog) of sources.
pub const CARDINALITY: &str = "CARDINALITY";

/// One per-CPU [`HoldCache`](crate::hold_cache::HoldCache).
pub const HOLD_CACHE: &str = "HOLD_CACHE";

/// One per-CPU [`ListCache`](crate::ip_list::cache::ListCache).
pub const LIST_CACHE: &str = "LIST_CACHE";
/// One [`IpLists`](crate::ip_list::IpLists).
pub const LISTS: &str = "LISTS";
/// The tables of the lists, by [`List::index`](crate::ip_list::List::index): each an array of
/// [`Bucket`](crate::ip_list::table::Bucket)s of the size that the list needs; none until the list has had entries.
pub const LIST_TABLES: &str = "LIST_TABLES";
/// The Bloom filters of both lists, `BLOOM_WORDS` words each.
pub const LIST_BLOOM: &str = "LIST_BLOOM";

/// One [`SynCookieConfig`](crate::syn_cookie::config::SynCookieConfig): whether and how XDP sends SYN cookies.
pub const SYN_COOKIES: &str = "SYN_COOKIES";
/// LPM trie of this host's own addresses, IPv4 in IPv4-mapped form, to an unused value: the routes of type `local` in the
/// routing table `local`. Userspace keeps it up to date while XDP sends SYN cookies, and XDP sends none to SYNs for other
/// addresses. Without this check a wildcard listener would also match the addresses of hosts that packets are merely
/// forwarded to.
pub const LOCAL_ADDRS: &str = "LOCAL_ADDRS";
/// LRU hash from [`ListenerPath`](crate::syn_cookie::listener::ListenerPath) to
/// [`PathState`](crate::syn_cookie::listener::PathState).
pub const PATHS: &str = "PATHS";
/// LRU hash from [`ListenerPath`](crate::syn_cookie::listener::ListenerPath), with the class of options, to
/// [`SynAckTemplate`](crate::syn_cookie::template::SynAckTemplate).
pub const TEMPLATES: &str = "TEMPLATES";
/// Per-CPU [`TemplatePair`](crate::syn_cookie::template_cache::TemplatePair)s.
pub const TEMPLATE_CACHE: &str = "TEMPLATE_CACHE";
/// One per-CPU scratch space of the program, which userspace does not read.
pub const SYN_SCRATCH: &str = "SYN_SCRATCH";
/// Cells of [`crate::syn_cookie::handshake`], each a [`Handshake`](crate::syn_cookie::handshake::Handshake).
pub const HANDSHAKES: &str = "HANDSHAKES";
/// Cells of [`crate::syn_cookie::validated_sources`], each a `u32`. The program adds sources that return a valid cookie;
/// userspace may add sources that have a connection.
pub const VALIDATED_SOURCES: &str = "VALIDATED_SOURCES";
/// One per-CPU [`PrefixRateSketch`](crate::syn_cookie::prefix_limit::PrefixRateSketch).
pub const COOKIE_PREFIX_SKETCH: &str = "COOKIE_PREFIX_SKETCH";
/// One [`SeenSyns`](crate::syn_cookie::seen_syns::SeenSyns).
pub const SEEN_SYNS: &str = "SEEN_SYNS";

/// Name of the pin of the allowlist's table, which exists from the first entry on.
pub const ALLOW: &str = "ALLOW";
/// Name of the pin of the blocklist's table, which exists from the first entry on.
pub const BLOCK: &str = "BLOCK";

/// Every map of the program, in the order in which the loader pins them.
pub const MAPS: [&str; 25] = [
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
    PATHS,
    TEMPLATES,
    TEMPLATE_CACHE,
    SYN_SCRATCH,
    HANDSHAKES,
    VALIDATED_SOURCES,
    COOKIE_PREFIX_SKETCH,
    SEEN_SYNS,
];

/// Maps of one value that the program reads at its address, and their sections in the object. A loader and the kernel know
/// these maps by the name of the section; their symbols have the name of the map.
pub const GLOBALS: [(&str, &str); 4] = [
    (CONFIG, ".data.CONFIG"),
    (PORTS, ".data.PORTS"),
    (LISTS, ".data.LISTS"),
    (SYN_COOKIES, ".data.SYN_COOKIES"),
];

/// Pins of caches that earlier versions had: they are removed.
pub const OBSOLETE: [&str; 2] = ["LISTENERS", "LISTENER_CACHE"];

/// Pins of ABI version 2 whose map has been renamed, and the map's present name. The layouts are the same.
pub const FORMER_NAMES: [(&str, &str); 9] = [
    ("DISTINCT", CARDINALITY),
    ("HELD", HOLD_CACHE),
    ("LISTED", LIST_CACHE),
    ("LIST_FILTER", LIST_BLOOM),
    ("ANSWERING", SYN_COOKIES),
    ("LOCALS", LOCAL_ADDRS),
    ("PROVEN", VALIDATED_SOURCES),
    ("ANSWER_SKETCH", COOKIE_PREFIX_SKETCH),
    ("FIRST_SYNS", SEEN_SYNS),
];

/// Returns the name of a map in the object and, cut after 15 bytes, in the kernel.
pub fn in_object(map: &str) -> &str {
    GLOBALS.iter().find(|(name, _)| *name == map).map_or(map, |(_, section)| section)
}

/// Default capacity of [`SOURCES`], in sources: about 32 MiB, including the kernel's own overhead.
pub const SOURCES_DEFAULT: u32 = 262_144;
/// Capacity of [`PREFIXES`], in prefixes.
pub const PREFIXES_DEFAULT: u32 = 65_536;
/// Capacity of [`LOCAL_ADDRS`], in prefixes.
pub const LOCAL_ADDRS_MAX: u32 = 4_096;
/// Minimum number of sources per possible CPU. An LRU map hands out nodes to each CPU in lots of up to 128, and evicts early
/// when it has few of them; a smaller table would evict sources for which it still has room.
pub const SOURCES_PER_CPU_MIN: u32 = 1_024;
/// Default capacity of one list, in entries.
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

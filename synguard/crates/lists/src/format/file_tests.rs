use proptest::prelude::*;
use synguard_model::strategies::any_entry;

use super::*;

const NOW: Now = Now { wall_ms: 1_000_000_000_000, monotonic_ns: 77_000_000_000 };

fn defaults() -> ImportDefaults {
    ImportDefaults { now: NOW, ttl: None, reason: None, scope: Scope::All, origin: Origin::Feed }
}

fn parse(text: impl AsRef<[u8]>) -> Result<(Vec<Entry>, ImportStats), String> {
    read(text.as_ref(), &defaults(), |_| None, |_| {}).map_err(|error| error.to_string())
}

fn targets(text: impl AsRef<[u8]>) -> Vec<String> {
    parse(text).expect("a list").0.iter().map(|entry| entry.target.to_string()).collect()
}

#[test]
fn published_lists_load_unmodified() {
    let firehol =
        "#\n# firehol_level1\n#\n# Category        : attacks\n#\n0.0.0.0/8\n1.10.16.0/20\n1.19.0.0/16\n";
    assert_eq!(targets(firehol), ["0.0.0.0/8", "1.10.16.0/20", "1.19.0.0/16"]);
    let drop = "; Spamhaus DROP List 2026/01/01 - (c) 2026 The Spamhaus Project\n; Last-Modified: Thu\n\
                1.10.16.0/20 ; SBL256894\n2001:db8::/32 ; SBL303641\n";
    assert_eq!(targets(drop), ["1.10.16.0/20", "2001:db8::/32"]);
    assert_eq!(targets("\u{feff}192.0.2.1\r\n\r\n192.0.2.2\r\n"), ["192.0.2.1", "192.0.2.2"]);
    // The last line may lack a line end, and the file may be empty.
    assert_eq!(targets("192.0.2.1\n192.0.2.2"), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(targets(""), Vec::<String>::new());
}

#[test]
fn lines_are_counted() {
    let text =
        "192.0.2.1\n192.0.2.9/24\n192.0.2.0/24 ttl=5s\n10.0.0.1 expires=999999999\n# x\n192.0.2.1\n::1\n";
    let (entries, found) = parse(text).expect("a list");
    assert_eq!(found, ImportStats { targets: 6, masked: 1, duplicates: 2, expired: 1 });
    assert_eq!(entries.len(), 3);
    // Of duplicates, the last one counts.
    assert_eq!(entries[0].expires_ms, NonZeroU64::new(1_000_000_005_000));
    assert_eq!(count_covered(&entries), 1);
}

#[test]
fn covered_entries_are_counted() {
    let (entries, _) =
        parse("10.0.0.0/8\n10.1.0.0/16\n10.1.2.3\n11.0.0.0\n::/0\n::1\n0.0.0.0/1\n").expect("a list");
    // 0.0.0.0/1 covers all other IPv4 entries.
    assert_eq!((entries.len(), count_covered(&entries)), (7, 5));
    let (entries, _) = parse("10.0.0.0/9\n10.128.0.0/9\n10.128.0.0\n").expect("a list");
    assert_eq!(count_covered(&entries), 1);
}

#[test]
fn defaults_apply_to_missing_attributes() {
    let defaults = ImportDefaults {
        ttl: Some(Duration::from_secs(60)),
        reason: EntryReason::new("feed").ok(),
        scope: Scope::Syn,
        origin: Origin::Operator,
        ..defaults()
    };
    let text =
        "1.1.1.1\n2.2.2.2 ttl=1s scope=all origin=auto reason=own created=5\n3.3.3.3 expires=1000000002\n";
    let (entries, _) = read(text.as_bytes(), &defaults, |_| None, |_| {}).expect("a list");
    let expires: Vec<_> = entries.iter().map(|entry| entry.expires_ms.map_or(0, NonZeroU64::get)).collect();
    assert_eq!(expires, [1_000_000_060_000, 1_000_000_001_000, 1_000_000_002_000]);
    assert_eq!(
        (entries[0].scope, entries[0].origin, entries[0].created_ms),
        (Scope::Syn, Origin::Operator, NOW.wall_ms)
    );
    assert_eq!(
        (entries[1].scope, entries[1].origin, entries[1].created_ms),
        (Scope::All, Origin::Auto, 5_000)
    );
    let reasons: Vec<_> = entries.iter().flat_map(|entry| &entry.reason).map(EntryReason::as_str).collect();
    assert_eq!(reasons, ["feed", "own", "feed"]);
}

#[test]
fn errors_name_the_line() {
    for (text, error) in [
        ("192.0.2.1\n\n# x\nnonsense\n192.0.2.2\n", "4: `nonsense` is not an address or CIDR"),
        ("192.0.2.1 5\n", "1: `5` is not an attribute"),
        ("1.1.1.1\n2.2.2.2 reason=\"a\tb\"", "2: reason=…: must be 1 to 256 bytes"),
        ("1.1.1.1 reason=\"\"", "1: reason=…: must be 1 to 256 bytes"),
        ("1.1.1.1\n\0\0\0\0", "2: not a line of text"),
    ] {
        let got = parse(text).expect_err(text);
        assert!(got.contains(error), "{got}");
    }
    assert!(parse(b"\x1f\x8b\x08\x00\xff\xfe").expect_err("gzip").contains("1: not a line of text"));
    assert!(parse(vec![b'1'; 70_000]).expect_err("no line end").contains("1: not a line of text"));
    assert!(parse("x".repeat(60_000)).expect_err("long").len() < 300);
    // A long comment is accepted.
    assert_eq!(targets(format!("1.1.1.1 #{}\n", "x".repeat(60_000))), ["1.1.1.1"]);
}

#[test]
fn refused_target_is_named_with_its_line() {
    let refuse = |target: Target| (target.to_string() == "10.0.0.0/8").then(|| format!("{target} is ours"));
    let got = read(b"1.1.1.1\n10.1.2.3/8\n".as_slice(), &defaults(), refuse, |_| {}).expect_err("refused");
    assert_eq!(got.to_string(), "2: 10.0.0.0/8 is ours");
}

#[test]
fn progress_ends_with_the_length_of_the_file() {
    let text = "192.0.2.1\n".repeat(10_000);
    let mut reported = Vec::new();
    read(text.as_bytes(), &defaults(), |_| None, |bytes| reported.push(bytes)).expect("a list");
    assert_eq!(reported, [40_960, 81_920, 100_000]);
}

#[test]
fn reasons_are_shared() {
    let (entries, _) = parse("1.1.1.1 reason=x\n2.2.2.2 reason=x\n").expect("a list");
    let address = |entry: &Entry| entry.reason.as_ref().map(|reason| reason.as_str().as_ptr());
    assert_eq!(address(&entries[0]), address(&entries[1]));
}

proptest! {
    #[test]
    fn exported_file_imports_unchanged(entries in proptest::collection::vec(any_entry(), 0..20)) {
        let mut entries: Vec<Entry> =
            entries.into_iter().map(|entry| Entry { created_ms: NOW.wall_ms, ..entry }).collect();
        sort(&mut entries);
        entries.retain(|entry| !entry.is_expired(NOW));
        let mut text = Vec::new();
        write(&mut text, &entries, NOW).expect("in memory");
        let (read, found) = read(&*text, &defaults(), |_| None, |_| {}).expect("our own");
        prop_assert_eq!(&read, &entries);
        prop_assert_eq!(found, ImportStats { targets: entries.len() as u64, ..ImportStats::default() });
        let mut again = Vec::new();
        write(&mut again, &read, NOW).expect("in memory");
        prop_assert_eq!(again, text);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(bytes);
    }

    #[test]
    fn sorting_keeps_the_last_of_each(entries in proptest::collection::vec((0u32..8, 0u64..1000), 0..40)) {
        let entries: Vec<Entry> = entries
            .into_iter()
            .map(|(address, created_ms)| Entry {
                target: Target::from(std::net::Ipv4Addr::from(address)),
                scope: Scope::All,
                origin: Origin::Feed,
                reason: None,
                created_ms,
                expires_ms: None,
            })
            .collect();
        let mut sorted = entries.clone();
        sort(&mut sorted);
        let model: std::collections::BTreeMap<_, _> = entries.into_iter().map(|entry| (entry.target, entry)).collect();
        prop_assert_eq!(sorted, model.into_values().collect::<Vec<_>>());
    }
}

use proptest::prelude::*;
use synguard_model::strategies::any_entry;

use super::*;

/// Changes that own their entries; `None` removes.
type Batch = Vec<(Target, Option<Entry>)>;

fn any_batch() -> impl Strategy<Value = Batch> {
    let change = (any_entry(), any::<bool>()).prop_map(|(entry, put)| (entry.target, put.then_some(entry)));
    proptest::collection::vec(change, 1..4)
}

/// Returns a log of some batches, and the end of each of them.
fn log(batches: &[Batch]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = header(List::Block, 7).into_bytes();
    let mut ends = vec![bytes.len()];
    for changes in batches {
        let LogScan { sum, valid, damaged, .. } = scan(&bytes, List::Block);
        assert_eq!((valid, damaged), (bytes.len(), false));
        let changes = changes.iter().map(|(target, entry)| match entry {
            Some(entry) => EntryChange::Put(entry),
            None => EntryChange::Remove(*target),
        });
        bytes.extend(format_batch(sum, changes).bytes());
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn model(batches: &[Batch]) -> BTreeMap<Target, Option<Entry>> {
    batches.iter().flatten().cloned().collect()
}

#[test]
fn log_has_header_changes_and_checksum() {
    let remove = vec![("192.0.2.0/24".parse().expect("a target"), None)];
    let (bytes, _) = log(&[remove]);
    let text = "# synguard blocklist log, format 1, generation 7\n- 192.0.2.0/24\n";
    let sum = crc32fast::hash(text.as_bytes());
    assert_eq!(String::from_utf8(bytes).expect("text"), format!("{text}= 1 {sum:08x}\n"));
}

#[test]
fn log_of_another_list_is_refused() {
    let found = scan(header(List::Allow, 7).as_bytes(), List::Block);
    assert_eq!((found.generation, found.valid, found.damaged), (None, 0, true));
    let found = scan(b"# synguard blocklist log, format 2, generation 7\n", List::Block);
    assert!(found.damaged);
}

proptest! {
    #[test]
    fn log_round_trips(batches in proptest::collection::vec(any_batch(), 0..5)) {
        let (bytes, _) = log(&batches);
        prop_assert_eq!(parse_changes(&bytes), Ok(model(&batches)));
    }

    #[test]
    fn batches_count_completely_or_not_at_all(batches in proptest::collection::vec(any_batch(), 1..4)) {
        let (bytes, ends) = log(&batches);
        for length in 0..=bytes.len() {
            let found = scan(&bytes[..length], List::Block);
            prop_assert!(!found.damaged, "{}", length);
            let whole = ends.iter().filter(|&&end| end <= length).count();
            prop_assert_eq!(found.generation, (whole > 0).then_some(7));
            prop_assert_eq!(found.valid, if whole > 0 { ends[whole - 1] } else { 0 });
            prop_assert_eq!(parse_changes(&bytes[..found.valid]), Ok(model(&batches[..whole.saturating_sub(1)])));
        }
    }

    #[test]
    fn changed_byte_damages_no_earlier_batch(
        batches in proptest::collection::vec(any_batch(), 1..4), at: prop::sample::Index, by in 1u8..,
    ) {
        let (mut bytes, ends) = log(&batches);
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        let found = scan(&bytes, List::Block);
        // The header has no checksum: with another digit it is the header of another generation, which no base file fits.
        if found.generation.is_some_and(|generation| generation != 7) {
            prop_assert!(at < ends[0]);
            return Ok(());
        }
        let before = ends.iter().filter(|&&end| end <= at).max();
        prop_assert_eq!(found.valid, before.copied().unwrap_or(0));
        prop_assert_eq!(found.generation.is_some(), before.is_some());
    }

    #[test]
    fn apply_agrees_with_a_map(
        entries in proptest::collection::vec(any_entry(), 0..20), more in proptest::collection::vec(any_entry(), 0..20),
        removed in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut map: BTreeMap<Target, Entry> = entries.into_iter().map(|entry| (entry.target, entry)).collect();
        let before: Vec<Entry> = map.values().cloned().collect();
        let mut changes: BTreeMap<Target, Option<Entry>> = more.into_iter().map(|e| (e.target, Some(e))).collect();
        for index in removed {
            if let Some(entry) = (!before.is_empty()).then(|| &before[index.index(before.len())]) {
                changes.insert(entry.target, None);
            }
        }
        for (target, change) in &changes {
            match change {
                Some(entry) => map.insert(*target, entry.clone()),
                None => map.remove(target),
            };
        }
        prop_assert_eq!(apply(before, changes.into_iter()), map.into_values().collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let found = scan(&bytes, List::Block);
        let _ = parse_changes(&bytes[..found.valid]);
    }
}

use std::{fs, num::NonZeroU64};

use proptest::prelude::*;
use synguard_model::strategies::any_entry;
use tempfile::TempDir;

use super::*;

const NOW: Now = Now { wall_ms: 968_000_000_000, monotonic_ns: 1 };

#[path = "damage_tests.rs"]
mod damage;

fn entry(target: &str) -> Entry {
    Entry {
        target: target.parse().expect("a target"),
        scope: synguard_model::list_entry::Scope::All,
        origin: synguard_model::list_entry::Origin::Operator,
        reason: None,
        created_ms: NOW.wall_ms,
        expires_ms: None,
    }
}

struct Fixture {
    folder: TempDir,
    store: Store,
}

impl Fixture {
    fn new(log_max: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store { log_max, ..Store::new(&folder.path().join("state"), List::Block) };
        Self { folder, store }
    }

    fn put(&self, entries: &[Entry]) {
        let changes: Vec<_> = entries.iter().map(EntryChange::Put).collect();
        self.store.change(&changes, || self.whole()).expect("written").commit();
    }

    fn remove(&self, target: &str) {
        let target = target.parse().expect("a target");
        self.store.change(&[EntryChange::Remove(target)], || self.whole()).expect("written").commit();
    }

    fn whole(&self) -> Result<Vec<Entry>> {
        Ok(self.store.load(NOW)?.entries)
    }

    /// Returns the targets of undamaged files.
    fn targets(&self) -> Vec<String> {
        let LoadedList { entries, warnings } = self.store.load(NOW).expect("readable");
        assert_eq!(warnings, Vec::<String>::new());
        entries.iter().map(|entry| entry.target.to_string()).collect()
    }

    /// Returns the targets of damaged files. The warning must contain these words, and the next load must give none.
    fn damaged(&self, words: &[&str]) -> Vec<String> {
        let LoadedList { entries, warnings } = self.store.load(NOW).expect("readable");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        for word in words {
            assert!(warnings[0].contains(word), "{warnings:?}");
        }
        let targets: Vec<_> = entries.iter().map(|entry| entry.target.to_string()).collect();
        assert_eq!(self.targets(), targets);
        targets
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("state")).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

#[test]
fn changes_survive_a_reload() {
    let lists = Fixture::new(LOG_MAX);
    assert_eq!(lists.targets(), Vec::<String>::new());
    lists.put(&[entry("192.0.2.1"), entry("10.0.0.0/8")]);
    lists.put(&[entry("2001:db8::/32")]);
    lists.remove("192.0.2.1");
    assert_eq!(lists.targets(), ["10.0.0.0/8", "2001:db8::/32"]);
    assert_eq!(lists.names(), ["block.log"]);
    lists.store.replace(&[entry("::1")]).expect("written").commit();
    assert_eq!(lists.targets(), ["::1"]);
    assert_eq!(lists.names(), ["block.list"]);
    lists.put(&[entry("::2")]);
    assert_eq!((lists.targets().len(), lists.names()), (2, vec!["block.list".into(), "block.log".into()]));
    lists.store.replace(&[]).expect("written").commit();
    // An empty list leaves no file, not even the folder.
    assert_eq!(lists.targets(), Vec::<String>::new());
    assert!(!lists.folder.path().join("state").exists());
}

#[test]
fn the_two_lists_do_not_meet() {
    let lists = Fixture::new(LOG_MAX);
    lists.put(&[entry("::1")]);
    let allow = Store::new(&lists.folder.path().join("state"), List::Allow);
    assert!(allow.load(NOW).expect("readable").entries.is_empty());
    allow.replace(&[entry("::2")]).expect("written").commit();
    assert_eq!(lists.targets(), ["::1"]);
}

#[test]
fn long_log_is_merged_into_the_base_file() {
    let lists = Fixture::new(1_000);
    for i in 0..50 {
        lists.put(&[entry(&format!("192.0.2.{i}"))]);
        assert_eq!(lists.targets().len(), i + 1);
        let log = fs::metadata(&lists.store.files.log).map_or(0, |metadata| metadata.len());
        assert!(log <= 1_000, "{log}");
    }
    assert!(lists.names().contains(&"block.list".to_owned()));
}

#[test]
fn expired_entries_are_left_out() {
    let lists = Fixture::new(LOG_MAX);
    let until = |ms| Entry { expires_ms: NonZeroU64::new(ms), ..entry("192.0.2.1") };
    lists.put(&[until(NOW.wall_ms + 1), entry("::1")]);
    assert_eq!(lists.targets(), ["192.0.2.1", "::1"]);
    lists.put(&[until(NOW.wall_ms)]);
    assert_eq!(lists.targets(), ["::1"]);
}

#[test]
fn changes_can_be_rolled_back() {
    let lists = Fixture::new(LOG_MAX);
    let put = |target: &str| {
        lists.store.change(&[EntryChange::Put(&entry(target))], || lists.whole()).expect("written")
    };
    put("::1").rollback().expect("undone");
    assert!(!lists.folder.path().join("state").exists());
    lists.store.replace(&[entry("::1")]).expect("written").rollback().expect("undone");
    assert!(!lists.folder.path().join("state").exists());
    lists.store.replace(&[entry("::1")]).expect("written").commit();
    lists.put(&[entry("::2")]);
    put("::3").rollback().expect("undone");
    assert_eq!(lists.targets(), ["::1", "::2"]);
    for entries in [vec![], vec![entry("::7")]] {
        lists.store.replace(&entries).expect("written").rollback().expect("undone");
        assert_eq!(lists.targets(), ["::1", "::2"]);
        assert_eq!(lists.names(), ["block.list", "block.log"]);
    }
}

#[test]
fn kill_leaves_the_old_or_the_new_state() {
    let lists = Fixture::new(LOG_MAX);
    lists.put(&[entry("::1")]);
    lists.store.replace(&[entry("::2")]).expect("written").commit();
    lists.put(&[entry("::3")]);
    let copy = |name: &str| fs::read(lists.folder.path().join("state").join(name)).expect(name);
    let (base, log) = (copy("block.list"), copy("block.log"));
    // Killed after the new base file was renamed into place: the log belongs to the old one.
    let _killed = lists.store.replace(&[entry("::4")]).expect("written");
    assert_eq!(lists.names(), ["block.list", "block.list.old", "block.log"]);
    assert_eq!(lists.targets(), ["::4"]);
    lists.put(&[entry("::5")]);
    assert_eq!(lists.targets(), ["::4", "::5"]);
    // Killed while the new base file was written: until then it has another name.
    let state = lists.folder.path().join("state");
    fs::write(state.join("block.list"), &base).expect("written");
    fs::write(state.join("block.log"), &log).expect("written");
    fs::write(state.join("block.list.new"), &base[..20]).expect("written");
    assert_eq!(lists.targets(), ["::2", "::3"]);
    // Killed while the list was emptied, before its base file was removed.
    let _killed = lists.store.replace(&[]).expect("written");
    assert_eq!(lists.targets(), Vec::<String>::new());
}

#[test]
fn failed_write_changes_nothing() {
    let lists = Fixture::new(LOG_MAX);
    fs::write(lists.folder.path().join("state"), "in the way").expect("written");
    let error =
        lists.store.change(&[EntryChange::Put(&entry("::1"))], || lists.whole()).expect_err("no folder");
    assert!(format!("{error:#}").contains("state"), "{error:#}");
    let error = lists.store.replace(&[entry("::1")]).expect_err("no folder");
    assert!(format!("{error:#}").contains("state"), "{error:#}");
}

/// A step of the property test.
#[derive(Clone, Debug)]
enum StoreStep {
    Put(Vec<Entry>, bool),
    Remove(prop::sample::Index, bool),
    Replace(Vec<Entry>, bool),
    TearLog(usize),
}

fn any_step() -> impl Strategy<Value = StoreStep> {
    let entries = || {
        proptest::collection::vec(any_entry(), 0..6).prop_map(|mut entries| {
            file::sort(&mut entries);
            entries
        })
    };
    prop_oneof![
        4 => (entries(), prop::bool::weighted(0.8)).prop_map(|(entries, keep)| StoreStep::Put(entries, keep)),
        3 => (any::<prop::sample::Index>(), prop::bool::weighted(0.8)).prop_map(|(i, keep)| StoreStep::Remove(i, keep)),
        1 => (entries(), prop::bool::weighted(0.8)).prop_map(|(entries, keep)| StoreStep::Replace(entries, keep)),
        1 => (1usize..40).prop_map(StoreStep::TearLog),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// After any sequence of changes, committed or rolled back, the files have the same contents as a map.
    #[test]
    fn files_agree_with_a_map(steps in proptest::collection::vec(any_step(), 1..24), log_max in 200usize..4_000) {
        let lists = Fixture::new(log_max);
        let mut model: BTreeMap<Target, Entry> = BTreeMap::new();
        for step in steps {
            let (written, next, keep) = match step {
                StoreStep::Put(entries, keep) => {
                    let changes: Vec<_> = entries.iter().map(EntryChange::Put).collect();
                    let written = lists.store.change(&changes, || lists.whole()).expect("written");
                    let mut next = model.clone();
                    next.extend(entries.iter().map(|entry| (entry.target, entry.clone())));
                    (written, next, keep)
                }
                StoreStep::Remove(index, keep) => {
                    let Some(target) = (!model.is_empty()).then(|| *model.keys().nth(index.index(model.len())).expect("one")) else { continue };
                    let written = lists.store.change(&[EntryChange::Remove(target)], || lists.whole()).expect("written");
                    let mut next = model.clone();
                    next.remove(&target);
                    (written, next, keep)
                }
                StoreStep::Replace(entries, keep) => {
                    let written = lists.store.replace(&entries).expect("written");
                    (written, entries.into_iter().map(|entry| (entry.target, entry)).collect(), keep)
                }
                StoreStep::TearLog(bytes) => {
                    // Remainder of an interrupted batch.
                    if let Ok(mut log) = fs::read(&lists.store.files.log) {
                        log.extend(b"+ 192.0.2.1 created=1 origin=operator reason=x"[..bytes].iter());
                        fs::write(&lists.store.files.log, log).expect("written");
                    }
                    continue;
                }
            };
            if keep {
                written.commit();
                model = next;
            } else {
                written.rollback().expect("undone");
            }
            model.retain(|_, entry| !entry.is_expired(NOW));
            let loaded = lists.store.load(NOW).expect("readable");
            prop_assert_eq!(&loaded.warnings, &Vec::<String>::new());
            prop_assert_eq!(loaded.entries, model.values().cloned().collect::<Vec<_>>());
        }
    }
}

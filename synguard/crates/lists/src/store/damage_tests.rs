//! Tests of interrupted writes and damaged files.

use std::fs;

use super::{Fixture, entry};
use crate::store::LOG_MAX;

#[test]
fn interrupted_batch_is_cut_off() {
    let lists = Fixture::new(LOG_MAX);
    lists.put(&[entry("::1")]);
    let whole = fs::read(&lists.store.files.log).expect("a log");
    lists.put(&[entry("::2"), entry("::3")]);
    let longer = fs::read(&lists.store.files.log).expect("a log");
    for length in 0..longer.len() {
        fs::write(&lists.store.files.log, &longer[..length]).expect("written");
        let before = if length >= whole.len() { vec!["::1"] } else { vec![] };
        assert_eq!(lists.targets(), before, "{length}");
        lists.put(&[entry("::9")]);
        assert_eq!(lists.targets(), [before, vec!["::9"]].concat(), "{length}");
    }
}

#[test]
fn damaged_base_file_is_quarantined_and_the_log_kept() {
    let lists = Fixture::new(LOG_MAX);
    lists.store.replace(&[entry("::1")]).expect("written").commit();
    lists.put(&[entry("::2")]);
    let whole = fs::read_to_string(&lists.store.files.base).expect("a file");
    let log = fs::read(&lists.store.files.log).expect("a file");
    for (number, length) in [0, 1, whole.len() / 2, whole.len() - 1].into_iter().enumerate() {
        fs::write(&lists.store.files.base, &whole[..length]).expect("written");
        fs::write(&lists.store.files.log, &log).expect("written");
        let aside = format!("block.list.corrupt-{}", number + 1);
        assert_eq!(lists.damaged(&["block.list is damaged", &aside]), ["::2"], "{length}");
        let kept = fs::read(lists.folder.path().join("state").join(&aside)).expect("set aside");
        assert_eq!(kept, &whole.as_bytes()[..length]);
    }
    // The log of an earlier base file does not take effect when a later base file is damaged.
    let next = whole.replace("generation 1", "generation 2");
    fs::write(&lists.store.files.base, &next[..next.len() - 1]).expect("written");
    fs::write(&lists.store.files.log, &log).expect("written");
    assert_eq!(lists.damaged(&["block.list is damaged"]), Vec::<String>::new());
    // A change that is the first to read the damaged file.
    fs::write(&lists.store.files.base, "nonsense").expect("written");
    lists.put(&[entry("::3")]);
    assert_eq!(lists.targets(), ["::3"]);
    assert!(lists.names().contains(&"block.list.corrupt-6".to_owned()), "{:?}", lists.names());
}

#[test]
fn damaged_log_is_quarantined_and_rest_is_kept() {
    let lists = Fixture::new(LOG_MAX);
    lists.store.replace(&[entry("::1")]).expect("written").commit();
    for target in ["::2", "::3", "::4"] {
        lists.put(&[entry(target)]);
    }
    let log = String::from_utf8(fs::read(&lists.store.files.log).expect("a log")).expect("text");
    fs::write(&lists.store.files.log, log.replace("::3", "::9")).expect("written");
    assert_eq!(lists.damaged(&["block.log is damaged", "block.log.corrupt-1"]), ["::1", "::2"]);
    fs::write(&lists.store.files.log, "\0\0\0\n").expect("written");
    assert_eq!(lists.damaged(&["block.log is damaged"]), ["::1", "::2"]);
    // A log that belongs to a later base file than the present one, as after restoring a backup.
    fs::write(&lists.store.files.log, log.replace("generation 1", "generation 99")).expect("written");
    assert_eq!(lists.damaged(&["block.log is damaged"]), ["::1", "::2"]);
    // A change that is the first to read the damaged file.
    fs::write(&lists.store.files.log, log.replace("::2", "::9")).expect("written");
    lists.put(&[entry("::5")]);
    assert_eq!(lists.targets(), ["::1", "::2", "::5"]);
}

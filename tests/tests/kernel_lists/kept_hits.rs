//! Hits of entries that leave the blocklist: the count of a source does not fall when its block ends.

use std::time::Duration;

use synguard_common::{
    abi::Config,
    addr::HashSeed,
    ip_list::{List, ListEntry, ORIGIN_AUTO, Prefix, SCOPE_SYN},
    source::SourceKey,
};
use synguard_datapath::ListMaps;
use synguard_tests::{
    bpffs::Dirs,
    testrun::{Filter, config},
};

use crate::setup::{key, syn};

const SEED: HashSeed = HashSeed([3, 5]);
/// A source of each family, and the prefix that stands for it.
const SOURCES: [(&str, &str); 2] =
    [("192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64")];

struct Scene {
    filter: Filter,
    dirs: Dirs,
}

impl Scene {
    fn new() -> Self {
        let filter =
            Filter::with_config(Config { hash_seed: SEED, source_prefix_v6: 64, ..config(1000, 2000) });
        let dirs = Dirs::new().unwrap();
        filter.pin(&dirs.bpffs());
        let scene = Self { filter, dirs };
        scene.change(|lists| lists.set_capacity(100).unwrap());
        scene
    }

    fn change<T>(&self, change: impl FnOnce(&mut ListMaps<'_>) -> T) -> T {
        let pins = self.dirs.bpffs();
        change(&mut ListMaps::open(&pins, SEED).unwrap())
    }

    fn block(&self, prefix: &str) -> Prefix {
        let entry = ListEntry { scope: SCOPE_SYN, origin: ORIGIN_AUTO, ..ListEntry::default() };
        self.change(|lists| lists.add(List::Block, vec![(key(prefix), entry)])).unwrap();
        key(prefix)
    }

    fn send(&self, from: &str, syns: u32) {
        for _ in 0..syns {
            assert!(self.filter.run(&syn(from).build()).reason().is_some());
        }
    }

    /// Returns the passed and the dropped SYNs of a source.
    fn counts(&self, prefix: &str) -> Option<(u64, u64)> {
        let state = self.filter.source(SourceKey { address: key(prefix).address })?;
        Some((state.passed, state.dropped))
    }
}

#[test]
fn removed_entry_leaves_its_hits_with_the_source() {
    for (from, prefix) in SOURCES {
        let scene = Scene::new();
        scene.send(from, 3);
        let block = scene.block(prefix);
        scene.send(from, 5);
        assert_eq!(scene.counts(prefix), Some((3, 0)), "{from}: the entry has them");
        scene.change(|lists| lists.remove(List::Block, &[block])).unwrap();
        assert_eq!(scene.counts(prefix), Some((3, 5)), "{from}");
        scene.send(from, 1);
        assert_eq!(scene.counts(prefix), Some((4, 5)), "{from}");
        // Again, and the whole list at once.
        scene.block(prefix);
        scene.send(from, 7);
        scene.change(|lists| lists.replace(List::Block, vec![])).unwrap();
        assert_eq!(scene.counts(prefix), Some((4, 12)), "{from}");
    }
}

#[test]
fn source_without_an_entry_gets_one() {
    let scene = Scene::new();
    let block = scene.block("192.0.2.1");
    scene.send("192.0.2.1", 5);
    assert_eq!(scene.counts("192.0.2.1"), None);
    scene.change(|lists| lists.remove(List::Block, &[block])).unwrap();
    assert_eq!(scene.counts("192.0.2.1"), Some((0, 5)));
    // It is judged as any other source.
    scene.send("192.0.2.1", 2);
    assert_eq!(scene.counts("192.0.2.1"), Some((2, 5)));
}

#[test]
fn hits_of_prefixes_belong_to_no_source() {
    let scene = Scene::new();
    let blocks = ["192.0.2.0/24", "2001:db8:1::/48"].map(|prefix| scene.block(prefix));
    scene.send("192.0.2.1", 5);
    scene.send("2001:db8:1:2:3:4:5:6", 5);
    scene.change(|lists| lists.remove(List::Block, &blocks)).unwrap();
    assert_eq!((scene.counts("192.0.2.0"), scene.counts("2001:db8:1::")), (None, None));
}

#[test]
fn entry_that_stays_keeps_its_hits() {
    let scene = Scene::new();
    let block = scene.block("192.0.2.1");
    scene.send("192.0.2.1", 5);
    let entry = ListEntry { scope: SCOPE_SYN, origin: ORIGIN_AUTO, ..ListEntry::default() };
    scene.change(|lists| lists.replace(List::Block, vec![(block, entry)])).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let hits = scene.change(|lists| lists.entry(List::Block, &block)).unwrap().map(|entry| entry.hits);
    assert_eq!((hits, scene.counts("192.0.2.1")), (Some(5), None));
}

//! Changes while the files cannot be written, and kills at each moment: what was said to be in force stays in force, and
//! the files have it as soon as they can be written.

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use proptest::prelude::*;
use synguard_kernel::{clock, instance::Instance};
use synguard_model::list_entry::{EntryReason, Origin, Scope};
use tempfile::TempDir;

use super::{
    fake::{KernelTables, Killed},
    *,
};

const LIST: List = List::Block;

/// A machine: its tables, and its disk, which can fail.
struct Machine {
    folder: TempDir,
    instance: Instance,
    tables: KernelTables,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name| folder.path().join(name);
        let instance = Instance::new("test", &at("bpffs"), &at("run"), &at("state"));
        fs::create_dir(at("state")).expect("a folder");
        Self { folder, instance, tables: KernelTables::default() }
    }

    /// Opens the lists as the next command or controller does.
    fn open(&self) -> ListTransaction {
        let lock = Lock::change(&self.instance).expect("free");
        let mut transaction = ListTransaction::attached(&self.instance, Box::new(self.tables.clone()), lock);
        transaction.repair().expect("repaired");
        transaction
    }

    /// Takes the files away and puts something in their place that can neither be read nor written.
    fn break_disk(&self) {
        let aside = self.folder.path().join("aside");
        if !aside.exists() {
            fs::create_dir_all(&self.instance.state).expect("a folder");
            fs::rename(&self.instance.state, aside).expect("renamed");
            fs::write(&self.instance.state, "in the way").expect("written");
        }
    }

    /// Brings the files back as they were when the disk failed.
    fn mend_disk(&self) {
        let aside = self.folder.path().join("aside");
        if aside.exists() {
            fs::remove_file(&self.instance.state).expect("removed");
            fs::rename(aside, &self.instance.state).expect("renamed");
        }
    }

    fn in_force(&self) -> BTreeSet<Target> {
        let mut targets = BTreeSet::new();
        let visit = &mut |key: &_, _: &_| targets.extend([Target::from_key(key)]);
        self.tables.for_each(LIST, visit).expect("readable");
        targets
    }

    fn on_disk(&self) -> BTreeSet<Target> {
        let loaded = Store::new(&self.instance.state, LIST).load(clock::now()).expect("readable");
        assert_eq!(loaded.warnings, Vec::<String>::new());
        loaded.entries.iter().map(|entry| entry.target).collect()
    }

    fn do_change(&self, change: &ListChange) -> Result<Option<String>> {
        let mut lists = self.open();
        let now = clock::now();
        match change {
            ListChange::Add(number) => lists.add(LIST, vec![entry(*number)], now)?,
            ListChange::Remove(number) => lists.remove(LIST, &[target(*number)], now)?,
            ListChange::Replace(numbers) => {
                let entries: Vec<_> = numbers.iter().map(|number| entry(*number)).collect();
                lists.replace(LIST, &entries, now)?;
            }
        }
        Ok(lists.unsaved(LIST).map(ToOwned::to_owned))
    }
}

fn target(number: u8) -> Target {
    format!("192.0.2.{number}").parse().expect("a target")
}

fn entry(number: u8) -> Entry {
    Entry {
        target: target(number),
        scope: Scope::All,
        origin: Origin::Operator,
        reason: EntryReason::new("scan").ok(),
        created_ms: 1,
        expires_ms: None,
    }
}

fn targets(numbers: &[u8]) -> BTreeSet<Target> {
    numbers.iter().map(|number| target(*number)).collect()
}

#[derive(Clone, Debug)]
enum ListChange {
    Add(u8),
    Remove(u8),
    Replace(BTreeSet<u8>),
}

impl ListChange {
    fn apply(&self, before: &BTreeSet<Target>) -> BTreeSet<Target> {
        match self {
            Self::Add(number) => before | &targets(&[*number]),
            Self::Remove(number) => before - &targets(&[*number]),
            Self::Replace(numbers) => numbers.iter().map(|number| target(*number)).collect(),
        }
    }
}

#[test]
fn change_is_in_force_without_the_disk_and_saved_with_it() {
    let machine = Machine::new();
    assert_eq!(machine.do_change(&ListChange::Add(1)).expect("in force"), None);
    machine.break_disk();
    let why = machine.do_change(&ListChange::Add(2)).expect("in force").expect("not saved");
    assert!(why.contains("state"), "{why}");
    assert!(machine.do_change(&ListChange::Remove(1)).expect("in force").is_some());
    assert_eq!(machine.in_force(), targets(&[2]));
    machine.mend_disk();
    assert_eq!(machine.on_disk(), targets(&[1]), "the files are as they were");
    // The next transaction, even one that only reads, takes the tables for the truth.
    assert_eq!(machine.open().unsaved(LIST), None);
    assert_eq!((machine.in_force(), machine.on_disk()), (targets(&[2]), targets(&[2])));
    assert_eq!(machine.do_change(&ListChange::Add(3)).expect("in force"), None);
    assert_eq!(machine.on_disk(), targets(&[2, 3]));
}

#[test]
fn removed_files_are_written_again() {
    let machine = Machine::new();
    machine.do_change(&ListChange::Add(1)).expect("in force");
    fs::remove_dir_all(&machine.instance.state).expect("removed");
    assert_eq!(machine.do_change(&ListChange::Add(2)).expect("in force"), None);
    assert_eq!(machine.on_disk(), targets(&[1, 2]));
    fs::remove_dir_all(&machine.instance.state).expect("removed");
    assert_eq!(machine.do_change(&ListChange::Replace(BTreeSet::new())).expect("in force"), None);
    assert_eq!((machine.in_force(), machine.on_disk()), (targets(&[]), targets(&[])));
}

#[test]
fn refused_change_leaves_no_record() {
    let machine = Machine::new();
    machine.do_change(&ListChange::Add(1)).expect("in force");
    machine.break_disk();
    let lengths = (48..113).map(|length| format!("2001:db8::/{length}").parse().expect("a target"));
    let entries: Vec<_> = lengths.map(|target| Entry { target, ..entry(1) }).collect();
    let mut lists = machine.open();
    let error = lists.replace(LIST, &entries, clock::now()).expect_err("too many lengths");
    assert!(format!("{error:#}").starts_with("the blocklist was not changed"), "{error:#}");
    assert_eq!(lists.unsaved(LIST), None);
    drop(lists);
    assert_eq!(machine.in_force(), targets(&[1]));
    machine.mend_disk();
    machine.open();
    assert_eq!(machine.on_disk(), targets(&[1]));
}

#[test]
fn unsaved_list_keeps_the_details_of_entries_that_stayed() {
    let machine = Machine::new();
    machine.do_change(&ListChange::Replace([1, 2].into())).expect("in force");
    // The files stay readable: only the temporary name of a new one is taken.
    let blocker = machine.instance.state.join("block.list.new");
    fs::create_dir(&blocker).expect("a folder");
    let mut lists = machine.open();
    let changed = Entry { scope: Scope::Syn, reason: None, ..entry(2) };
    lists.replace(LIST, &[entry(1), changed], clock::now()).expect("in force");
    assert!(lists.unsaved(LIST).is_some());
    let reasons = |lists: &ListTransaction| -> Vec<_> {
        let views = lists.entries(LIST, clock::now()).expect("readable");
        views.iter().map(|view| view.reason.is_some()).collect()
    };
    assert_eq!(reasons(&lists), [true, false]);
    drop(lists);
    fs::remove_dir(&blocker).expect("removed");
    assert_eq!(reasons(&machine.open()), [true, false]);
    let stored = Store::new(&machine.instance.state, LIST).load(clock::now()).expect("readable").entries;
    assert_eq!(stored.iter().map(|entry| entry.reason.is_some()).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn changes_without_a_filter_are_made_to_the_files() {
    let machine = Machine::new();
    let change = |number: u8| {
        let mut lists = ListTransaction::open(&machine.instance)?;
        assert!(!lists.is_attached());
        lists.add(LIST, vec![entry(number)], clock::now())?;
        lists.entries(LIST, clock::now())
    };
    assert_eq!(change(1).expect("written").len(), 1);
    let views = change(2).expect("written");
    assert_eq!((views.len(), views[0].reason.is_some()), (2, true));
    assert_eq!(machine.on_disk(), targets(&[1, 2]));
    assert!(!machine.instance.run.exists(), "the lock's file is gone");
    // Here the files are all there is.
    let blocker = machine.instance.state.join("block.list.new");
    fs::create_dir(&blocker).expect("a folder");
    let mut lists = ListTransaction::open(&machine.instance).expect("readable");
    let error = lists.replace(LIST, &[], clock::now()).expect_err("cannot be written");
    assert!(format!("{error:#}").starts_with("nothing was changed: cannot write"), "{error:#}");
    drop(lists);
    assert_eq!(machine.on_disk(), targets(&[1, 2]));
}

/// A step of the property test.
#[derive(Clone, Debug)]
enum DiskStep {
    /// A change, and the moment at which the process that makes it is killed.
    Change(ListChange, Option<u32>),
    BreakDisk,
    MendDisk,
    RemoveFiles,
}

fn any_step() -> impl Strategy<Value = DiskStep> {
    let change = prop_oneof![
        3 => (0u8..8).prop_map(ListChange::Add),
        2 => (0u8..8).prop_map(ListChange::Remove),
        1 => proptest::collection::btree_set(0u8..8, 0..5).prop_map(ListChange::Replace),
    ];
    prop_oneof![
        6 => (change, proptest::option::of(0u32..9)).prop_map(|(change, kill)| DiskStep::Change(change, kill)),
        2 => Just(DiskStep::BreakDisk),
        2 => Just(DiskStep::MendDisk),
        1 => Just(DiskStep::RemoveFiles),
    ]
}

fn cases() -> ProptestConfig {
    // `PROPTEST_CASES=10000` is the campaign.
    if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default()
    } else {
        ProptestConfig::with_cases(48)
    }
}

proptest! {
    #![proptest_config(cases())]

    /// Whatever happens to the disk and to the processes: a change that was reported is in force from then on, one that was
    /// cut short is made or not, and with a working disk the next transaction leaves files that agree with the tables.
    #[test]
    fn reported_changes_stay_in_force(steps in proptest::collection::vec(any_step(), 1..24)) {
        let machine = Machine::new();
        let mut before = BTreeSet::new();
        for step in &steps {
            match step {
                DiskStep::Change(change, kill) => {
                    machine.tables.kill_after(*kill);
                    let result = catch_unwind(AssertUnwindSafe(|| machine.do_change(change)));
                    machine.tables.kill_after(None);
                    let after = change.apply(&before);
                    match result {
                        Ok(reported) => {
                            reported.expect("in force");
                            prop_assert_eq!(machine.in_force(), after.clone(), "{:?}", change);
                            before = after;
                        }
                        Err(payload) => {
                            prop_assert!(payload.is::<Killed>());
                            drop(machine.open());
                            let now = machine.in_force();
                            prop_assert!(now == before || now == after, "{:?} left {:?}", change, now);
                            before = now;
                        }
                    }
                }
                DiskStep::BreakDisk => machine.break_disk(),
                DiskStep::MendDisk => machine.mend_disk(),
                DiskStep::RemoveFiles if machine.instance.state.is_dir() => {
                    fs::remove_dir_all(&machine.instance.state).expect("removed");
                }
                DiskStep::RemoveFiles => {}
            }
            drop(machine.open());
            prop_assert_eq!(machine.in_force(), before.clone(), "{:?}", step);
        }
        machine.mend_disk();
        prop_assert!(machine.open().unsaved(LIST).is_none());
        prop_assert_eq!(&machine.in_force(), &before);
        prop_assert_eq!(&machine.on_disk(), &before);
    }
}

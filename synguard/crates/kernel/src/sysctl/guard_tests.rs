//! Both settings' owners over files in the place of the kernel's.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Two settings, and their owners.
struct World {
    folder: TempDir,
    owners: [Owner; 2],
}

impl World {
    fn new(values: [u8; 2]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("run")).expect("a folder");
        let owners = Setting::ALL.map(|setting| Self::owner(&folder, setting));
        let world = Self { folder, owners };
        for (at, value) in values.into_iter().enumerate() {
            world.write(at, value);
        }
        world
    }

    fn owner(folder: &TempDir, setting: Setting) -> Owner {
        let mut owner = Owner::new(&folder.path().join("run"), setting);
        owner.path = folder.path().join(setting.name());
        owner
    }

    fn write(&self, at: usize, value: u8) {
        fs::write(&self.owners[at].path, format!("{value}\n")).expect("written");
    }

    fn values(&self) -> [u8; 2] {
        self.owners.each_ref().map(|owner| owner.read().expect("a number"))
    }

    /// As a kill does: what the owners know is gone.
    fn crash(&mut self) {
        self.owners = Setting::ALL.map(|setting| Self::owner(&self.folder, setting));
    }

    fn journals(&self) -> usize {
        fs::read_dir(self.folder.path().join("run")).expect("a folder").count()
    }
}

#[test]
fn both_are_raised_and_put_back_each_for_itself() {
    let mut world = World::new([0, 1]);
    assert_eq!(world.owners[1].raise().expect("writable"), Raised::Raised { from: 1, to: 2 });
    assert_eq!(world.values(), [0, 2]);
    assert_eq!(world.owners[0].raise().expect("writable"), Raised::Raised { from: 0, to: 2 });
    assert_eq!((world.values(), world.journals()), ([2, 2], 2));
    assert_eq!(world.owners[0].restore().expect("writable"), Restored::Back { from: 2, to: 0 });
    assert_eq!((world.values(), world.journals()), ([0, 2], 1));
    world.crash();
    assert_eq!(world.owners[0].restore().expect("readable"), Restored::Nothing);
    assert_eq!(world.owners[1].restore().expect("writable"), Restored::Back { from: 2, to: 1 });
    assert_eq!((world.values(), world.journals()), ([0, 1], 0));
}

#[test]
fn one_that_cannot_be_written_is_not_owed() {
    let mut world = World::new([1, 1]);
    let owner = &mut world.owners[1];
    owner.path = Path::new("/proc/version").to_owned();
    assert!(owner.raise().is_err());
    assert!(!owner.is_raised());
    assert_eq!(world.journals(), 0);
}

#[test]
fn the_journal_of_a_former_version_is_honoured() {
    let mut world = World::new([2, 1]);
    let (boot, netns) = (boot_id().expect("readable"), netns_cookie().expect("known"));
    let text = format!(r#"{{"boot":"{boot}","netns":{netns},"original":1,"written":2}}"#);
    fs::write(world.folder.path().join("run/syncookies.json"), text).expect("written");
    assert_eq!(world.owners[0].restore().expect("writable"), Restored::Back { from: 2, to: 1 });
    assert_eq!((world.values(), world.journals()), ([1, 1], 0));
}

/// What may happen to one of the two settings.
#[derive(Clone, Copy, Debug)]
enum Step {
    Raise,
    Restore,
    /// Looked whether it is ours still.
    Check,
    /// Somebody else writes this.
    Other(u8),
    /// Killed, and settled by the next one.
    Crash,
    /// Killed when the journal was written, but not yet the setting.
    CutShort,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Raise),
        2 => Just(Step::Restore),
        1 => Just(Step::Check),
        1 => (0u8..4).prop_map(Step::Other),
        2 => Just(Step::Crash),
        1 => Just(Step::CutShort),
    ]
}

/// What has to be: the value, and what is owed.
#[derive(Clone, Copy, Debug)]
struct Model {
    value: u8,
    owed: Option<u8>,
}

impl Model {
    fn step(&mut self, step: Step) {
        match step {
            Step::Raise if self.value < 2 => *self = Self { value: 2, owed: Some(self.value) },
            Step::Raise => {}
            Step::Restore | Step::Crash => {
                if self.value == 2 {
                    self.value = self.owed.unwrap_or(2);
                }
                self.owed = None;
            }
            Step::Check => self.owed = self.owed.filter(|_| self.value == 2),
            Step::Other(value) => self.value = value,
            Step::CutShort => self.owed = None,
        }
    }
}

fn perform(world: &mut World, at: usize, step: Step) {
    match step {
        Step::Raise => drop(world.owners[at].raise().expect("writable")),
        Step::Restore => drop(world.owners[at].restore().expect("writable")),
        Step::Check => drop(world.owners[at].check()),
        Step::Other(value) => world.write(at, value),
        Step::Crash => {
            world.owners[at] = World::owner(&world.folder, Setting::ALL[at]);
            world.owners[at].restore().expect("writable");
        }
        Step::CutShort => {
            // The owner's own work has to be out of the way: a controller raises once.
            let value = world.owners[at].read().expect("a number");
            let (boot, netns) = (boot_id().expect("readable"), netns_cookie().expect("known"));
            let entry = Entry { boot, netns, original: value, written: 2 };
            world.owners[at].journal.write(&entry).expect("written");
            world.owners[at] = World::owner(&world.folder, Setting::ALL[at]);
            world.owners[at].restore().expect("writable");
            assert_eq!(world.owners[at].read(), Some(value));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens to the two, in whatever order: each is what it was, or what somebody else made it.
    #[test]
    fn what_was_raised_is_put_back_and_nothing_else(
        values in prop::array::uniform2(0u8..4),
        steps in prop::collection::vec((0usize..2, step()), 1..30),
    ) {
        let mut world = World::new(values);
        let mut models = values.map(|value| Model { value, owed: None });
        for (at, step) in steps {
            models[at].step(step);
            perform(&mut world, at, step);
            prop_assert_eq!(world.values(), models.map(|model| model.value), "{:?}", step);
        }
        world.crash();
        models.iter_mut().for_each(|model| model.step(Step::Crash));
        for owner in &mut world.owners {
            owner.restore().expect("writable");
        }
        prop_assert_eq!(world.values(), models.map(|model| model.value));
        prop_assert_eq!(world.journals(), 0);
    }
}

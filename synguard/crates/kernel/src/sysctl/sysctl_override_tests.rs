//! The overrides of both sysctls, on files instead of `/proc/sys`.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Two sysctls and their overrides.
struct World {
    folder: TempDir,
    overrides: [SysctlOverride; 2],
}

impl World {
    fn new(values: [u8; 2]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("run")).expect("a folder");
        let overrides = Sysctl::ALL.map(|sysctl| Self::create(&folder, sysctl));
        let world = Self { folder, overrides };
        for (at, value) in values.into_iter().enumerate() {
            world.write(at, value);
        }
        world
    }

    fn create(folder: &TempDir, sysctl: Sysctl) -> SysctlOverride {
        let mut sysctl_override = SysctlOverride::new(&folder.path().join("run"), sysctl);
        sysctl_override.path = folder.path().join(sysctl.name());
        sysctl_override
    }

    fn write(&self, at: usize, value: u8) {
        fs::write(&self.overrides[at].path, format!("{value}\n")).expect("written");
    }

    fn values(&self) -> [u8; 2] {
        self.overrides.each_ref().map(|sysctl_override| sysctl_override.read().expect("a number"))
    }

    /// Forgets the state of the overrides, as a kill does.
    fn crash(&mut self) {
        self.overrides = Sysctl::ALL.map(|sysctl| Self::create(&self.folder, sysctl));
    }

    fn saved_values(&self) -> usize {
        fs::read_dir(self.folder.path().join("run")).expect("a folder").count()
    }
}

fn raised(from: u8, to: u8) -> SysctlChange {
    SysctlChange::Raised { from, to, rates: AttackRates::default() }
}

fn restored(from: u8, to: u8) -> SysctlChange {
    SysctlChange::Restored { from, to, after_crash: false }
}

#[test]
fn sysctls_are_raised_and_restored_independently() {
    let mut world = World::new([0, 1]);
    assert_eq!(world.overrides[1].raise(AttackRates::default()).expect("writable"), raised(1, 2));
    assert_eq!(world.values(), [0, 2]);
    assert_eq!(world.overrides[0].raise(AttackRates::default()).expect("writable"), raised(0, 2));
    assert_eq!((world.values(), world.saved_values()), ([2, 2], 2));
    assert_eq!(world.overrides[0].restore(false).expect("writable"), Some(restored(2, 0)));
    assert_eq!((world.values(), world.saved_values()), ([0, 2], 1));
    world.crash();
    assert_eq!(world.overrides[0].restore(false).expect("readable"), None);
    assert_eq!(world.overrides[1].restore(false).expect("writable"), Some(restored(2, 1)));
    assert_eq!((world.values(), world.saved_values()), ([0, 1], 0));
}

#[test]
fn unwritable_sysctl_leaves_no_saved_value() {
    let mut world = World::new([1, 1]);
    let sysctl_override = &mut world.overrides[1];
    sysctl_override.path = Path::new("/proc/version").to_owned();
    sysctl_override.raise(AttackRates::default()).expect_err("unwritable");
    assert!(!sysctl_override.is_overriding());
    assert_eq!(world.saved_values(), 0);
}

#[test]
fn saved_value_of_an_older_version_is_restored() {
    let mut world = World::new([2, 1]);
    let (boot, netns) = (boot_id().expect("readable"), netns_cookie().expect("known"));
    let text = format!(r#"{{"boot":"{boot}","netns":{netns},"original":1,"written":2}}"#);
    fs::write(world.folder.path().join("run/syncookies.json"), text).expect("written");
    assert_eq!(world.overrides[0].restore(false).expect("writable"), Some(restored(2, 1)));
    assert_eq!((world.values(), world.saved_values()), ([1, 1], 0));
}

/// A step of one of the two sysctls.
#[derive(Clone, Copy, Debug)]
enum Step {
    Raise,
    Restore,
    /// Check for changes by others.
    Check,
    /// Another program writes this value.
    OtherWrites(u8),
    /// The controller is killed, and the next one restores.
    Crash,
    /// The controller is killed after it saved the value and before it raised the sysctl.
    CutShort,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Raise),
        2 => Just(Step::Restore),
        1 => Just(Step::Check),
        1 => (0u8..4).prop_map(Step::OtherWrites),
        2 => Just(Step::Crash),
        1 => Just(Step::CutShort),
    ]
}

/// The expected state: the value, and the value to restore.
#[derive(Clone, Copy, Debug)]
struct Model {
    value: u8,
    saved: Option<u8>,
}

impl Model {
    fn step(&mut self, step: Step) {
        match step {
            Step::Raise if self.value < 2 => *self = Self { value: 2, saved: Some(self.value) },
            Step::Raise => {}
            Step::Restore | Step::Crash => {
                if self.value == 2 {
                    self.value = self.saved.unwrap_or(2);
                }
                self.saved = None;
            }
            Step::Check => self.saved = self.saved.filter(|_| self.value == 2),
            Step::OtherWrites(value) => self.value = value,
            Step::CutShort => self.saved = None,
        }
    }
}

fn perform(world: &mut World, at: usize, step: Step) {
    match step {
        Step::Raise => drop(world.overrides[at].raise(AttackRates::default()).expect("writable")),
        Step::Restore => drop(world.overrides[at].restore(false).expect("writable")),
        Step::Check => drop(world.overrides[at].check()),
        Step::OtherWrites(value) => world.write(at, value),
        Step::Crash => {
            world.overrides[at] = World::create(&world.folder, Sysctl::ALL[at]);
            world.overrides[at].restore(false).expect("writable");
        }
        Step::CutShort => {
            // The override must not have raised the sysctl itself: a controller raises once.
            let value = world.overrides[at].read().expect("a number");
            let (boot, netns) = (boot_id().expect("readable"), netns_cookie().expect("known"));
            let saved = SavedValue { boot, netns, original: value, written: 2 };
            world.overrides[at].file.write(&saved).expect("written");
            world.overrides[at] = World::create(&world.folder, Sysctl::ALL[at]);
            world.overrides[at].restore(false).expect("writable");
            assert_eq!(world.overrides[at].read(), Some(value));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// After any steps in any order each sysctl has its old value, or the value that another program wrote.
    #[test]
    fn only_raised_values_are_restored(
        values in prop::array::uniform2(0u8..4),
        steps in prop::collection::vec((0usize..2, step()), 1..30),
    ) {
        let mut world = World::new(values);
        let mut models = values.map(|value| Model { value, saved: None });
        for (at, step) in steps {
            models[at].step(step);
            perform(&mut world, at, step);
            prop_assert_eq!(world.values(), models.map(|model| model.value), "{:?}", step);
        }
        world.crash();
        for model in &mut models {
            model.step(Step::Crash);
        }
        for sysctl_override in &mut world.overrides {
            sysctl_override.restore(false).expect("writable");
        }
        prop_assert_eq!(world.values(), models.map(|model| model.value));
        prop_assert_eq!(world.saved_values(), 0);
    }
}

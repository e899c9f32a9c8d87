//! A campaign of random removals under a flood: whatever somebody takes away from a running filter is reported within moments,
//! and the host is protected again.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use synguard_tests::{
    command, environment,
    flood::FloodSpec,
    fuzz::{self, Random},
    lab::{DEVICE, Lab},
    program::{Running, Synguard},
    steps::run,
};

use super::{concentrated, event_names, lab, runs_xdp, start, status, until};

/// The environment variable that sets the number of removals; 100 is the campaign.
const VARIABLE: &str = "SYNGUARD_TEST_REMOVALS";
const REMOVALS: usize = 10;
/// Two ticks of the controller, and the time that a command takes to show what it reported.
const TWO_TICKS: Duration = Duration::from_millis(500 + 100);
/// Time limit for what takes two ticks, on a busy machine.
const SOON: Duration = Duration::from_secs(3);
/// Time after which a controller that gives no sign of life counts as not responding, and two ticks.
const SILENCE: Duration = Duration::from_millis(2_000 + 600);
/// A second interface, which can be deleted: the flood needs the first one.
const OTHER: &str = "other";

/// A thing that somebody takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Removal {
    LinkPin,
    LinkDetached,
    ProgramPin,
    MapPin,
    AllPins,
    Interface,
    RunDirectory,
    ControllerStopped,
    ControllerKilled,
}

impl Removal {
    const ALL: [Self; 9] = [
        Self::LinkPin,
        Self::LinkDetached,
        Self::ProgramPin,
        Self::MapPin,
        Self::AllPins,
        Self::Interface,
        Self::RunDirectory,
        Self::ControllerStopped,
        Self::ControllerKilled,
    ];

    /// Returns the event by which the removal is reported; `None` if the controller cannot report it.
    const fn event(self) -> Option<&'static str> {
        match self {
            Self::LinkPin | Self::ProgramPin | Self::MapPin | Self::AllPins => Some("pins_restored"),
            Self::LinkDetached => Some("filter_removed"),
            Self::Interface => Some("interface_gone"),
            Self::RunDirectory => Some("run_dir_restored"),
            Self::ControllerStopped | Self::ControllerKilled => None,
        }
    }
}

struct Campaign {
    lab: Lab,
    synguard: Synguard,
    controller: Option<Running>,
    random: Random,
    /// The pins of a whole filter.
    pins: usize,
}

impl Campaign {
    fn begin() -> Self {
        let (lab, synguard) = lab(1);
        lab.server.ip(&add_other()).unwrap();
        let controller = Some(synguard.attach(&[OTHER]).unwrap());
        run(&synguard, &["block", "add", "11.1.1.1"]);
        let pins = synguard.dirs().pins().len();
        Self { lab, synguard, controller, random: Random::new(fuzz::seed()), pins }
    }

    fn folder(&self) -> PathBuf {
        self.synguard.dirs().bpffs().join("synguard/default")
    }

    /// Takes something away.
    fn remove(&mut self, removal: Removal) {
        let folder = self.folder();
        let unpin = |name: &str| fs::remove_file(folder.join(name)).unwrap();
        let device = if self.random.below(2) == 0 { DEVICE } else { OTHER };
        match removal {
            Removal::LinkPin => unpin(&format!("link_{device}")),
            Removal::LinkDetached => {
                let pin = folder.join(format!("link_{device}"));
                let mut bpftool = self.lab.server.command("bpftool");
                command::run(bpftool.args(["link", "detach", "pinned"]).arg(pin)).unwrap();
            }
            Removal::ProgramPin => unpin("synguard"),
            Removal::MapPin => {
                let names = fs::read_dir(&folder).unwrap();
                let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
                let mut maps: Vec<_> =
                    names.filter(|name| name != "synguard" && !name.starts_with("link_")).collect();
                maps.sort();
                unpin(&maps[self.random.below(maps.len())]);
            }
            Removal::AllPins => fs::remove_dir_all(&folder).unwrap(),
            Removal::Interface => drop(self.lab.server.ip(&format!("link del {OTHER}")).unwrap()),
            Removal::RunDirectory => {
                fs::remove_dir_all(self.synguard.dirs().run_dir().join("default")).unwrap();
            }
            Removal::ControllerStopped => self.signal(libc::SIGSTOP),
            Removal::ControllerKilled => drop(self.controller.take().unwrap().kill().unwrap()),
        }
    }

    fn signal(&self, signal: libc::c_int) {
        self.controller.as_ref().unwrap().signal(signal).unwrap();
    }

    fn count(&self, event: &str) -> usize {
        event_names(&self.synguard).iter().filter(|name| *name == event).count()
    }

    /// Waits until the removal is reported, and returns the time that this took.
    fn await_report(&self, removal: Removal, begun: Instant, before: usize) -> Duration {
        let is_reported = || match (removal, removal.event()) {
            (_, Some(event)) => self.count(event) > before,
            (Removal::ControllerStopped, None) => {
                let check = self.synguard.run(&["status", "--check"]).unwrap();
                check.code == Some(1) && check.stderr.contains("NOT RESPONDING")
            }
            _ => status(&self.synguard)["controller"]["running"] == false,
        };
        let limit = if removal == Removal::ControllerStopped { SILENCE + SOON } else { SOON };
        until(&format!("a report of {removal:?}"), limit, is_reported);
        begun.elapsed()
    }

    /// Undoes what only the operator can undo.
    fn undo(&mut self, removal: Removal) {
        match removal {
            Removal::Interface => drop(self.lab.server.ip(&add_other()).unwrap()),
            Removal::ControllerStopped => self.signal(libc::SIGCONT),
            Removal::ControllerKilled => {
                assert!(runs_xdp(&self.lab, DEVICE) && runs_xdp(&self.lab, OTHER), "the filter stays");
                self.controller = Some(self.synguard.attach(&[OTHER]).unwrap());
            }
            _ => {}
        }
    }

    /// Asserts that both interfaces are filtered again, that `status` finds nothing amiss, and that the flood is dropped.
    fn assert_protected(&self, removal: Removal) {
        until(&format!("protection after {removal:?}"), SOON, || {
            runs_xdp(&self.lab, DEVICE)
                && runs_xdp(&self.lab, OTHER)
                && self.synguard.dirs().pins().len() == self.pins
                && self.synguard.run(&["status", "--check"]).unwrap().code == Some(0)
        });
        let blocked = || status(&self.synguard)["syn"]["blocked"].as_u64().unwrap();
        let before = blocked();
        until(&format!("drops after {removal:?}"), SOON, || blocked() > before + 1_000);
    }
}

fn add_other() -> String {
    format!("link add {OTHER} type veth peer name peer")
}

#[test]
fn every_removal_is_reported_and_the_host_protected_again() {
    let removals = environment::number(VARIABLE, REMOVALS);
    let mut campaign = Campaign::begin();
    let flood = FloodSpec { max_duration: Duration::from_secs(3_600), ..concentrated() };
    let flood = start(&campaign.lab, flood);
    let mut delays: BTreeMap<Removal, Vec<Duration>> = BTreeMap::new();
    for round in 0..removals {
        // Each of them in turn, so that a short campaign has all, and then at random.
        let removal = match Removal::ALL.get(round) {
            Some(removal) => *removal,
            None => Removal::ALL[campaign.random.below(Removal::ALL.len())],
        };
        let before = removal.event().map_or(0, |event| campaign.count(event));
        let begun = Instant::now();
        campaign.remove(removal);
        delays.entry(removal).or_default().push(campaign.await_report(removal, begun, before));
        campaign.undo(removal);
        campaign.assert_protected(removal);
    }
    flood.stop().unwrap();
    let (mut late, mut all) = (0, 0);
    for (removal, delays) in &mut delays {
        delays.sort_unstable();
        let limit = if *removal == Removal::ControllerStopped { SILENCE } else { TWO_TICKS };
        late += delays.iter().filter(|delay| **delay > limit).count();
        all += delays.len();
        println!(
            "{removal:?}: {} removals, reported after {:.0} ms (median), {:.0} ms at most",
            delays.len(),
            delays[delays.len() / 2].as_secs_f64() * 1e3,
            delays[delays.len() - 1].as_secs_f64() * 1e3
        );
    }
    println!("{all} removals, {late} of them reported later than two ticks after");
    // A busy machine may delay a tick.
    assert!(late * 5 <= all, "{late} of {all} late");
}

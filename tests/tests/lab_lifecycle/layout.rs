//! A filter whose maps have another version's layout is still taken over: with maps of its own, and without a gap.
//! Here the other version is this one, whose CONFIG claims another layout.

use std::{fs, path::PathBuf, thread, time::Duration};

use aya::{
    maps::{Array, Map, MapData, PerCpuArray},
    programs::loaded_programs,
};
use synguard_common::{
    abi::{ABI_VERSION, Config, Counter},
    map_names,
    reason::Reason,
};
use synguard_tests::{lab::DEVICE, program::Synguard};

use super::{assert_nothing_left, dropped, eventually, flood, lab, reason, runs_xdp};

const OTHER: u32 = ABI_VERSION + 998;
const BURST: u64 = 100;

/// Returns the folder of the pinned maps.
fn pins(synguard: &Synguard) -> PathBuf {
    synguard.dirs().bpffs().join("synguard/default")
}

fn config(synguard: &Synguard) -> Array<MapData, Config> {
    let map = MapData::from_pin(pins(synguard).join(map_names::CONFIG)).unwrap();
    Array::try_from(Map::Array(map)).unwrap()
}

/// Gives the maps another layout version.
fn set_other_abi(synguard: &Synguard) {
    let mut config = config(synguard);
    let now = config.get(&0, 0).unwrap();
    config.set(0, Config { abi: OTHER, ..now }, 0).unwrap();
}

fn layout(synguard: &Synguard) -> u32 {
    config(synguard).get(&0, 0).unwrap().abi
}

/// The ids of the pinned maps, in the order of their names' list.
fn map_ids(synguard: &Synguard) -> Vec<u32> {
    let id = |name| MapData::from_pin(pins(synguard).join(name)).unwrap().info().unwrap().id();
    map_names::MAPS.into_iter().map(id).collect()
}

/// The ids of the maps that a program uses.
fn maps_of(program: u64) -> Vec<u32> {
    let info = loaded_programs().flatten().find(|info| u64::from(info.id()) == program).unwrap();
    info.map_ids().unwrap().unwrap()
}

fn sorted(mut ids: Vec<u32>) -> Vec<u32> {
    ids.sort_unstable();
    ids
}

/// The counters of a filter, whatever becomes of their pin.
struct Counters(PerCpuArray<MapData, Counter>);

impl Counters {
    fn open(synguard: &Synguard) -> Self {
        let map = MapData::from_pin(pins(synguard).join(map_names::COUNTERS)).unwrap();
        Self(PerCpuArray::try_from(Map::PerCpuArray(map)).unwrap())
    }

    fn sum(&self, wanted: impl Fn(&Reason) -> bool) -> u64 {
        let packets = |reason: &Reason| {
            let per_cpu = self.0.get(&reason.index(), 0).unwrap();
            per_cpu.iter().map(|cpu| cpu.packets).sum::<u64>()
        };
        Reason::ALL.iter().filter(|reason| wanted(reason)).map(packets).sum()
    }
}

#[test]
fn filter_of_another_layout_is_taken_over() {
    let (lab, synguard) = lab();
    let args = ["--syn-rate", "50", "--syn-burst", "100", "--hold", "1h"];
    let running = synguard.attach(&args).unwrap();
    let flood = flood(&lab);
    thread::sleep(Duration::from_millis(500));
    running.kill().unwrap();
    let before = synguard.status_json().unwrap();
    assert_eq!(before["sources"]["in_hold"], 1);
    let old = Counters::open(&synguard);
    let passed = old.sum(|&reason| reason == Reason::SynPassed);
    set_other_abi(&synguard);
    // A map that this version does not have.
    let stale = pins(&synguard).join("FORMER");
    fs::hard_link(pins(&synguard).join(map_names::PORTS), &stale).unwrap();
    for verb in [&["status"][..], &["set", "syn-rate=9"]] {
        let refused = synguard.run(verb).unwrap();
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(refused.stderr.contains(&format!("layout {OTHER}, not {ABI_VERSION}")), "{}", refused.stderr);
    }

    let again = synguard.attach(&args).unwrap();
    eventually("the takeover", || again.stderr().contains("took over"));
    assert!(again.stderr().contains(&format!("layout {OTHER}")), "{}", again.stderr());
    eventually("the new hold", || synguard.status_json().unwrap()["sources"]["in_hold"] == 1);
    let totals = flood.stop().unwrap();
    thread::sleep(Duration::from_millis(100));
    let after = synguard.status_json().unwrap();

    // Every SYN was seen, either by the old program or by the new one; the one dropped it to the last, and the
    // other let the burst through that a new source has.
    assert_eq!(old.sum(|&reason| reason == Reason::SynPassed), passed);
    let new = reason(&after, "syn_passed");
    assert!((BURST..BURST + 5).contains(&new), "{new} passed: {after}");
    let seen = old.sum(|reason| reason.is_guarded_syn()) + after["syn"]["total"].as_u64().unwrap();
    let lost = lab.ring_losses().unwrap();
    assert!((totals.offered - lost..=totals.offered).contains(&seen), "{seen}, {totals:?}, {lost} lost");

    let program = &after["interfaces"][0]["prog_id"];
    assert_ne!(&before["interfaces"][0]["prog_id"], program);
    assert_eq!(sorted(map_ids(&synguard)), sorted(maps_of(program.as_u64().unwrap())), "pins and program");
    assert_eq!(layout(&synguard), ABI_VERSION);
    assert!(!stale.exists() && !pins(&synguard).join("staged").exists(), "{:?}", synguard.dirs().pins());
    again.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn failed_takeover_leaves_the_old_layout_unchanged() {
    let (lab, synguard) = lab();
    let attach = ["attach", DEVICE, "--no-control", "--syn-rate", "50", "--hold", "1h"];
    assert_eq!(synguard.run(&attach).unwrap().code, Some(0));
    set_other_abi(&synguard);
    let pinned = || {
        let mut pins = synguard.dirs().pins();
        pins.sort_unstable();
        (map_ids(&synguard), pins)
    };
    let before = pinned();
    // Found out only when attaching, with everything else made ready: the loopback device has no native XDP.
    let failed = synguard.run(&["attach", DEVICE, "lo", "--mode", "native", "--syn-rate", "9"]).unwrap();
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert_eq!(pinned(), before);
    assert!(!pins(&synguard).join("staged").exists());
    let config = config(&synguard).get(&0, 0).unwrap();
    assert_eq!((config.abi, config.syn_rate), (OTHER, 50));
    let old = Counters::open(&synguard);
    let flood = flood(&lab);
    eventually("drops by the old program", || old.sum(|reason| reason.is_drop()) > 1_000);
    flood.stop().unwrap();
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
    assert_nothing_left(&lab, &synguard);
}

/// Whoever is killed while he takes over leaves maps of both layouts, of which CONFIG is the old one.
#[test]
fn remains_of_a_killed_takeover_are_removed() {
    let (lab, synguard) = lab();
    let attach = ["attach", DEVICE, "--no-control", "--syn-rate", "50", "--hold", "1h"];
    let leave = || {
        assert_eq!(synguard.run(&attach).unwrap().code, Some(0));
        set_other_abi(&synguard);
        let stage = pins(&synguard).join("staged");
        fs::create_dir(&stage).unwrap();
        fs::rename(pins(&synguard).join(map_names::CPU_STATE), stage.join(map_names::CPU_STATE)).unwrap();
        fs::remove_file(pins(&synguard).join(map_names::SOURCES)).unwrap();
        stage
    };
    let stage = leave();
    assert_eq!(synguard.run(&attach).unwrap().code, Some(0));
    assert!(!stage.exists());
    assert_eq!(layout(&synguard), ABI_VERSION);
    let flood = flood(&lab);
    eventually("drops", || dropped(&synguard) > 1_000);
    flood.stop().unwrap();

    leave();
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
    assert!(!runs_xdp(&lab, DEVICE));
    assert_nothing_left(&lab, &synguard);
}

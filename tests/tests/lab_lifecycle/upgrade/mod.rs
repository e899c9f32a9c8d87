//! A filter that the former build left pinned is taken over by this one as it is, with its maps under their new
//! names. The former program is the real one, built from its commit.

mod cookies;
mod held;
mod unfinished;

use std::{
    fs,
    path::{Path, PathBuf},
};

use aya::{
    maps::{Array, Map, MapData},
    programs::loaded_programs,
};
use serde_json::Value;
use synguard_common::{
    abi::{ABI_VERSION, Config},
    map_names::{self, FORMER_NAMES},
};
use synguard_tests::{former_binary, lab::Lab, program::Synguard, steps::run};

use super::lab;

/// The layout version of the former build.
const FORMER_ABI: u32 = 2;

/// Maps that the former build did not have.
const ADDED: [&str; 5] = [
    map_names::PATHS,
    map_names::TEMPLATES,
    map_names::TEMPLATE_CACHE,
    map_names::SYN_SCRATCH,
    map_names::HANDSHAKES,
];

/// The lab with the program under test and the former one, which share their directories.
fn upgrade() -> (Lab, Synguard, Synguard) {
    let (lab, new) = lab();
    let former = former_binary::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let old = new.with_binary(former);
    (lab, new, old)
}

/// Returns the folder of the pinned maps.
fn pins(synguard: &Synguard) -> PathBuf {
    synguard.dirs().bpffs().join("synguard/default")
}

fn config(synguard: &Synguard) -> Array<MapData, Config> {
    let map = MapData::from_pin(pins(synguard).join(map_names::CONFIG)).unwrap();
    Array::try_from(Map::Array(map)).unwrap()
}

fn abi(synguard: &Synguard) -> u32 {
    config(synguard).get(&0, 0).unwrap().abi
}

/// The name that the former build gave a map.
fn former_name(name: &'static str) -> &'static str {
    FORMER_NAMES.into_iter().find(|(_, new)| *new == name).map_or(name, |(former, _)| former)
}

/// Asserts that every map is pinned under the name of the former build, and no map under a new one.
fn assert_former_names(synguard: &Synguard) {
    for name in ADDED {
        assert!(!pins(synguard).join(name).exists(), "{name} is pinned");
    }
    assert_former_maps(synguard);
}

/// Asserts the same of the maps that the former build had.
fn assert_former_maps(synguard: &Synguard) {
    for name in map_names::MAPS.into_iter().filter(|name| !ADDED.contains(name)) {
        let former = former_name(name);
        assert!(pins(synguard).join(former).exists(), "{former} is not pinned");
        assert!(former == name || !pins(synguard).join(name).exists(), "{name} is pinned");
    }
    assert_eq!(abi(synguard), FORMER_ABI);
}

/// Asserts the same of the names of this build.
fn assert_new_names(synguard: &Synguard) {
    for name in map_names::MAPS {
        let former = former_name(name);
        assert!(pins(synguard).join(name).exists(), "{name} is not pinned");
        assert!(former == name || !pins(synguard).join(former).exists(), "{former} is pinned");
    }
    assert_eq!(abi(synguard), ABI_VERSION);
}

/// Gives the maps back the names of the former build, and CONFIG its version.
fn restore_former_names(synguard: &Synguard) {
    for (former, new) in FORMER_NAMES {
        fs::rename(pins(synguard).join(new), pins(synguard).join(former)).unwrap();
    }
    for name in ADDED {
        fs::remove_file(pins(synguard).join(name)).unwrap();
    }
    let mut config = config(synguard);
    let now = config.get(&0, 0).unwrap();
    config.set(0, Config { abi: FORMER_ABI, ..now }, 0).unwrap();
}

/// The id of the program on the first interface.
fn program(status: &Value) -> u64 {
    status["interfaces"][0]["prog_id"].as_u64().unwrap()
}

/// The ids of the maps that a program uses, sorted.
fn maps_of(program: u64) -> Vec<u32> {
    let info = loaded_programs().flatten().find(|info| u64::from(info.id()) == program).unwrap();
    let mut ids = info.map_ids().unwrap().unwrap();
    ids.sort_unstable();
    ids
}

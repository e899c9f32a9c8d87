//! The pins of the former build, whose maps have the same layouts under other names.
//!
//! Every command opens such a filter as it is. The next `attach` renames the pins once nothing can fail any more but
//! the swap of the program: its program then runs with the maps of the one before, so that no counter, source or block
//! is lost and no source in hold gets another burst. A map has one of its two names at each moment, and CONFIG gets
//! the new version last, so the next `attach` completes a renaming that was cut short.

use std::{
    iter,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use aya::maps::{Array, Map, MapData};
use synguard_common::{
    abi::{ABI_VERSION, Config},
    map_names::{self, FORMER_NAMES, OBSOLETE},
};

use crate::pins::{remove_if_there, rename_pin};

/// The version in the CONFIG of the former build. Its maps differ from today's in their names only.
pub(super) const ABI: u32 = 2;

/// The paths at which a map may be pinned, the one to prefer first.
///
/// The former name comes first where a pin has it: a rename between looking for the pin and opening it then leads to
/// the second path, never to none.
pub(super) fn pin_paths(pins: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    let path = pins.join(name);
    let former = former_name(name).map(|former| pins.join(former)).filter(|former| former.exists());
    // A map that has both pins belongs to the build that wrote CONFIG: the other pin is a leftover.
    let former = former.filter(|_| !path.exists() || version(pins) == Some(ABI));
    former.into_iter().chain(iter::once(path))
}

/// The path at which a map is pinned, or is to be pinned.
pub(super) fn pin_path(pins: &Path, name: &str) -> PathBuf {
    let mut paths = pin_paths(pins, name);
    paths.next().unwrap_or_else(|| pins.join(name))
}

/// Gives the maps of the former build their names of today, and CONFIG the version of this one.
pub(super) fn adopt(pins: &Path) -> Result<()> {
    for (former, name) in FORMER_NAMES {
        let (from, to) = (pins.join(former), pins.join(name));
        if from.exists() && pin_path(pins, name) == from {
            rename_pin(&from, &to)?;
        }
    }
    if version(pins) == Some(ABI) {
        set_version(pins)?;
        log::info!(
            "the maps of the synguard before were renamed and go on (layout {ABI} is now {ABI_VERSION})"
        );
    }
    let former = FORMER_NAMES.iter().map(|(former, _)| *former);
    for name in former.chain(OBSOLETE) {
        let leftover = pins.join(name);
        remove_if_there(&leftover).with_context(|| format!("remove {}", leftover.display()))?;
    }
    Ok(())
}

/// The settings of the former build as if this one had written them.
pub(super) fn as_current(config: Config) -> Config {
    Config { abi: if config.abi == ABI { ABI_VERSION } else { config.abi }, ..config }
}

fn former_name(name: &str) -> Option<&'static str> {
    FORMER_NAMES.into_iter().find(|(_, new)| *new == name).map(|(former, _)| former)
}

/// The layout version of the pinned maps, if it can be read.
fn version(pins: &Path) -> Option<u32> {
    Some(config(pins).ok()?.get(&0, 0).ok()?.abi)
}

fn set_version(pins: &Path) -> Result<()> {
    let mut map = config(pins)?;
    let config = map.get(&0, 0).context("read CONFIG")?;
    map.set(0, Config { abi: ABI_VERSION, ..config }, 0).context("write CONFIG")
}

fn config(pins: &Path) -> Result<Array<MapData, Config>> {
    let map = MapData::from_pin(pins.join(map_names::CONFIG)).context("open CONFIG")?;
    Array::try_from(Map::Array(map)).context("open CONFIG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_names_are_free() {
        let taken =
            [&map_names::MAPS[..], &[map_names::ALLOW, map_names::BLOCK, map_names::PROGRAM]].concat();
        for (former, name) in FORMER_NAMES {
            assert!(!taken.contains(&former), "{former} is a name of today: adopting would remove its pin");
            assert!(map_names::MAPS.contains(&name), "{name} is no map");
            assert_ne!(name, map_names::CONFIG, "CONFIG says whose names the others have");
        }
    }
}

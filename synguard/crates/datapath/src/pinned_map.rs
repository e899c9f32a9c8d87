//! Opening pinned maps, and checking that they have the layout of this version.

use std::{io, path::Path};

use anyhow::{Context as _, Result};
use aya::maps::{Array, Map, MapData};
use synguard_common::abi::{ABI_VERSION, Config};
use synguard_model::error::{ExitKind, failure};

use crate::{bpf_syscall, former_pins};

/// Opens a pinned map, also under the name that the former build gave it; `None` if nothing is pinned under either.
pub(super) fn open_map(pins: &Path, name: &str) -> Result<Option<MapData>> {
    for path in former_pins::pin_paths(pins, name) {
        match MapData::from_pin(&path) {
            Ok(map) => return Ok(Some(map)),
            Err(error) => match errno(&error) {
                Some(libc::ENOENT) => {}
                Some(libc::EPERM | libc::EACCES) => {
                    let path = path.display();
                    return Err(failure(
                        ExitKind::Privilege,
                        format!("cannot open {path}: run as root (sudo)"),
                    ));
                }
                _ => return Err(error).with_context(|| format!("open {}", path.display())),
            },
        }
    }
    Ok(None)
}

/// Opens a pinned map of a filter that is pinned, so that its absence is an error.
pub(super) fn open_required_map(pins: &Path, name: &str) -> Result<MapData> {
    open_map(pins, name)?.with_context(|| {
        let pins = pins.display();
        format!("{pins} has no {name}: run `synguard detach` to clear it, then attach again")
    })
}

/// The version of a layout other than [`ABI_VERSION`], or `unknown`.
pub(super) struct UnknownLayout(pub(super) String);

/// Opens CONFIG, if it and with it all maps have the layout that this program knows.
pub(super) fn check_layout(config: MapData) -> Result<Array<MapData, Config>, UnknownLayout> {
    let unknown = || UnknownLayout("unknown".to_owned());
    let config: Array<MapData, Config> = Array::try_from(Map::Array(config)).map_err(|_| unknown())?;
    match config.get(&0, 0).map_err(|_| unknown())?.abi {
        // 0 means that the map was created and never written: the loader died in between.
        0 | former_pins::ABI | ABI_VERSION => Ok(config),
        other => Err(UnknownLayout(other.to_string())),
    }
}

/// Returns the bytes of the first value of a map.
pub(super) fn first_value(map: &MapData) -> Result<Vec<u8>> {
    let mut value = vec![0; map.info()?.value_size() as usize];
    bpf_syscall::lookup_into(map.fd(), &0u32, value.as_mut_slice())?;
    Ok(value)
}

/// Returns the error number at the root of an aya error.
pub(super) fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(code) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(code);
        }
        next = error.source();
    }
    None
}

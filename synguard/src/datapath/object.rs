//! Loading the program into the kernel, with the maps of a former load where they still fit.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    maps::{Array, MapData},
    programs::{ProgramError, Xdp},
};
use aya_obj::programs::XdpAttachType;
use synguard_common::{
    abi::{ABI_VERSION, Config},
    names,
};

use super::{
    OBJECT,
    maps::{errno, open_map, pin_path},
};

/// A program that the kernel has accepted, not yet attached or pinned.
pub(super) struct Loaded {
    ebpf: Ebpf,
    pins: PathBuf,
    /// Maps of a former load that the program uses.
    kept: Vec<&'static str>,
}

/// Loads the program. Maps pinned in `pins` are used if they were made by a loader of the same layout; the
/// others are made anew, and nothing on bpffs changes before [`Loaded::pin`].
pub(super) fn load(pins: &Path, sources: u32) -> Result<Loaded> {
    let kept = compatible_maps(pins)?;
    let mut loader = EbpfLoader::new();
    loader.verifier_log_level(VerifierLogLevel::STATS).map_max_entries(names::SOURCES, sources);
    for name in &kept {
        loader.map_pin_path(name, pin_path(pins, name));
    }
    let ebpf = loader.load(OBJECT).map_err(explain_load)?;
    let mut loaded = Loaded { ebpf, pins: pins.to_owned(), kept };
    loaded.program()?.load().map_err(explain_program)?;
    Ok(loaded)
}

impl Loaded {
    pub(super) fn program(&mut self) -> Result<&mut Xdp> {
        let program =
            self.ebpf.program_mut(names::PROGRAM).context("the object has no program of that name")?;
        Ok(program.try_into()?)
    }

    /// Pins the program and its new maps, replacing former pins of the same names.
    pub(super) fn pin(&mut self) -> Result<()> {
        fs::create_dir_all(&self.pins).with_context(|| format!("create {}", self.pins.display()))?;
        for name in names::MAPS.iter().filter(|name| !self.kept.contains(name)) {
            let map = self.ebpf.map(name).with_context(|| format!("the object has no map {name}"))?;
            let path = pin_path(&self.pins, name);
            replace_pin(&path, |path| map.pin(path).map_err(anyhow::Error::from))?;
        }
        let path = pin_path(&self.pins, names::PROGRAM);
        let program = self.program()?;
        replace_pin(&path, |path| program.pin(path).map_err(anyhow::Error::from))
    }
}

/// Opens the pinned program.
pub(super) fn open_program(pins: &Path) -> Result<Xdp> {
    let path = pin_path(pins, names::PROGRAM);
    Xdp::from_pin(&path, XdpAttachType::Interface).with_context(|| format!("open {}", path.display()))
}

/// Pins under a name beside `path` and moves that over it, so that there is always one of the two.
pub(super) fn replace_pin(path: &Path, pin: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    // bpffs does not allow dots in names.
    let fresh = path.with_file_name(format!("{}_new", path.file_name().unwrap_or_default().display()));
    remove_if_there(&fresh).with_context(|| format!("remove {}", fresh.display()))?;
    pin(&fresh).with_context(|| format!("pin {}", fresh.display()))?;
    fs::rename(&fresh, path).with_context(|| format!("rename {} to {}", fresh.display(), path.display()))
}

/// Removes a file that may not exist.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The pinned maps that this program can go on using: those of a loader with the same layouts. The version
/// in CONFIG speaks for all of them.
fn compatible_maps(pins: &Path) -> Result<Vec<&'static str>> {
    let Some(config) = open_map(pins, names::CONFIG)? else { return Ok(Vec::new()) };
    let version = version_of(config);
    if version != Some(ABI_VERSION) {
        log::warn!(
            "the pinned maps are of layout {}, this program's is {ABI_VERSION}: counters and sources begin anew",
            version.map_or_else(|| "unknown".to_owned(), |version| version.to_string())
        );
        return Ok(Vec::new());
    }
    let mut kept = Vec::new();
    for name in names::MAPS {
        if open_map(pins, name)?.is_some() {
            kept.push(name);
        }
    }
    Ok(kept)
}

fn version_of(config: MapData) -> Option<u32> {
    let config: Array<MapData, Config> = Array::try_from(aya::maps::Map::Array(config)).ok()?;
    // 0 is a map that was made and never written: the loader died in between.
    config.get(&0, 0).ok().map(|config| if config.abi == 0 { ABI_VERSION } else { config.abi })
}

fn explain_load(error: aya::EbpfError) -> anyhow::Error {
    match errno(&error) {
        Some(libc::ENOMEM) => anyhow!("not enough memory for the maps: choose a smaller --max-sources"),
        Some(libc::EPERM) => anyhow!("the kernel refused to create the maps: is BPF locked down here?"),
        _ => anyhow::Error::from(error).context("create the maps"),
    }
}

fn explain_program(error: ProgramError) -> anyhow::Error {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            log::debug!("verifier: {verifier_log}");
            let hint = "run with -v to see the verifier's log, and please report it";
            anyhow!("the kernel refused the XDP program ({io_error}): {hint}")
        }
        other => anyhow::Error::from(other).context("load the XDP program"),
    }
}

//! Loading the program into the kernel, with the maps of a former load if their layout is the same.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    programs::{ProgramError, SchedClassifier, Xdp},
};
use aya_obj::programs::XdpAttachType;
use synguard_common::{abi::ABI_VERSION, map_names};
use synguard_model::error::OPEN_FILES_REMEDY;

use crate::{
    OBJECT, former_pins,
    pinned_map::{UnknownLayout, check_layout, errno, first_value, open_map},
    pins::{is_link, pin_path, remove_if_there, rename_pin, replace_pin},
};

/// Folder below the pins in which new maps wait until they replace those of another layout. No map has this name.
const STAGE: &str = "staged";

/// A program that the kernel has accepted, not yet attached or pinned.
pub(super) struct LoadedProgram {
    ebpf: Ebpf,
    pins: PathBuf,
    /// Names of the maps of a former load that the program uses.
    kept: Vec<&'static str>,
    /// True if the maps of the former load have another layout, so that new ones are staged.
    stage: bool,
}

/// Loads the program. Maps pinned in `pins` are used if they have the layout of this version. All other maps are
/// created. Nothing on bpffs changes before [`LoadedProgram::pin`].
pub(super) fn load(pins: &Path, sources: u32) -> Result<LoadedProgram> {
    let compatible = compatible_maps(pins)?;
    let stage = compatible.is_none();
    let kept = compatible.unwrap_or_default();
    let mut loader = EbpfLoader::new();
    loader.verifier_log_level(VerifierLogLevel::STATS).map_max_entries(map_names::SOURCES, sources);
    for name in &kept {
        loader.map_pin_path(map_names::in_object(name), former_pins::pin_path(pins, name));
    }
    // The loader writes every global section that the program reads, including those that are kept in a pinned map.
    let values = global_values(pins, &kept)?;
    for (name, value) in &values {
        loader.override_global(name, value.as_slice(), true);
    }
    let ebpf = loader.load(OBJECT).map_err(explain_load)?;
    let mut loaded = LoadedProgram { ebpf, pins: pins.to_owned(), kept, stage };
    loaded.program()?.load().map_err(|error| explain_program(error, "XDP"))?;
    loaded.egress_program()?.load().map_err(|error| explain_program(error, "egress"))?;
    Ok(loaded)
}

impl LoadedProgram {
    pub(super) fn program(&mut self) -> Result<&mut Xdp> {
        let program =
            self.ebpf.program_mut(map_names::PROGRAM).context("the object has no program of that name")?;
        Ok(program.try_into()?)
    }

    fn egress_program(&mut self) -> Result<&mut SchedClassifier> {
        let program = self.ebpf.program_mut(map_names::EGRESS_PROGRAM);
        Ok(program.context("the object has no egress program")?.try_into()?)
    }

    /// Pins the programs and their new maps, replacing former pins of the same names. Returns the folder of the maps.
    ///
    /// Maps of another layout are not replaced yet, because a running filter uses them and must go on if attaching
    /// fails. In that case the new maps are pinned in a separate folder until [`LoadedProgram::take_over`].
    pub(super) fn pin(&mut self) -> Result<PathBuf> {
        let to = if self.stage { self.pins.join(STAGE) } else { self.pins.clone() };
        clear_stage(&self.pins)?;
        fs::create_dir_all(&to).with_context(|| format!("create {}", to.display()))?;
        for name in map_names::MAPS.iter().filter(|name| !self.kept.contains(name)) {
            let map = self.ebpf.map(map_names::in_object(name));
            let map = map.with_context(|| format!("the object has no map {name}"))?;
            let path = pin_path(&to, name);
            replace_pin(&path, |path| map.pin(path).map_err(anyhow::Error::from))?;
        }
        let path = pin_path(&to, map_names::PROGRAM);
        let program = self.program()?;
        replace_pin(&path, |path| program.pin(path).map_err(anyhow::Error::from))?;
        let path = pin_path(&to, map_names::EGRESS_PROGRAM);
        let program = self.egress_program()?;
        replace_pin(&path, |path| program.pin(path).map_err(anyhow::Error::from))?;
        Ok(to)
    }

    /// Replaces the maps of another layout by the staged ones, and renames the maps of the former build.
    ///
    /// CONFIG, which contains the version of the layout, is replaced last. If this process is killed before, the old
    /// version remains, and the next attach creates all maps again.
    pub(super) fn take_over(&self) -> Result<()> {
        if !self.stage {
            return former_pins::adopt(&self.pins);
        }
        let stage = self.pins.join(STAGE);
        let (last, others): (Vec<_>, Vec<_>) =
            file_names(&stage)?.into_iter().partition(|name| name == map_names::CONFIG);
        for old in file_names(&self.pins)? {
            let is_link = old.to_str().is_some_and(is_link);
            if !is_link && old != STAGE && old != map_names::CONFIG && !others.contains(&old) {
                let path = self.pins.join(old);
                remove_if_there(&path).with_context(|| format!("remove {}", path.display()))?;
            }
        }
        for name in others.iter().chain(&last) {
            rename_pin(&stage.join(name), &self.pins.join(name))?;
        }
        clear_stage(&self.pins)
    }
}

/// Removes staged maps that were never taken over.
pub(super) fn clear_stage(pins: &Path) -> Result<()> {
    let stage = pins.join(STAGE);
    match fs::remove_dir_all(&stage) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", stage.display()))
        }
        _ => Ok(()),
    }
}

/// Returns the names of the files in a folder.
fn file_names(folder: &Path) -> Result<Vec<OsString>> {
    let names = fs::read_dir(folder).and_then(|all| all.map(|one| Ok(one?.file_name())).collect());
    names.with_context(|| format!("list {}", folder.display()))
}

/// Opens the pinned program.
pub(super) fn open_program(pins: &Path) -> Result<Xdp> {
    let path = pin_path(pins, map_names::PROGRAM);
    Xdp::from_pin(&path, XdpAttachType::Interface).with_context(|| format!("open {}", path.display()))
}

/// Returns the names of the pinned maps that this program can use; `None` if they have another layout. The version in
/// CONFIG holds for all maps.
fn compatible_maps(pins: &Path) -> Result<Option<Vec<&'static str>>> {
    let Some(config) = open_map(pins, map_names::CONFIG)? else { return Ok(Some(Vec::new())) };
    if let Err(UnknownLayout(found)) = check_layout(config) {
        log::warn!(
            "the pinned maps are of layout {found}, this program's is {ABI_VERSION}: counters and sources start from zero"
        );
        return Ok(None);
    }
    let mut kept = Vec::new();
    for name in map_names::MAPS {
        if open_map(pins, name)?.is_some() {
            kept.push(name);
        }
    }
    Ok(Some(kept))
}

/// Returns the current contents of the global sections among the kept maps. The caller holds the instance's locks, so
/// the contents do not change.
fn global_values(pins: &Path, kept: &[&'static str]) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let mut values = Vec::new();
    for (name, _) in map_names::GLOBALS.into_iter().filter(|(name, _)| kept.contains(name)) {
        if let Some(map) = open_map(pins, name)? {
            values.push((name, first_value(&map).with_context(|| format!("read {name}"))?));
        }
    }
    Ok(values)
}

fn explain_load(error: aya::EbpfError) -> anyhow::Error {
    match errno(&error) {
        Some(libc::ENOMEM) => anyhow!("not enough memory for the maps: choose a smaller --max-sources"),
        Some(libc::EMFILE) => {
            anyhow!("cannot create the BPF maps: too many open files: {OPEN_FILES_REMEDY}")
        }
        Some(libc::EPERM) => anyhow!("the kernel refused to create the maps: is BPF locked down here?"),
        _ => anyhow::Error::from(error).context("create the maps"),
    }
}

fn explain_program(error: ProgramError, program: &str) -> anyhow::Error {
    match error {
        ProgramError::LoadError { io_error, .. } if io_error.raw_os_error() == Some(libc::EMFILE) => {
            anyhow!("cannot load the {program} program: too many open files: {OPEN_FILES_REMEDY}")
        }
        ProgramError::LoadError { io_error, verifier_log } => {
            log::debug!("verifier: {verifier_log}");
            let hint = "run with -v to see the verifier's log, and please report it";
            anyhow!("the kernel refused the {program} program ({io_error}): {hint}")
        }
        other => anyhow::Error::from(other).context(format!("load the {program} program")),
    }
}

//! The paths of one instance: pins on bpffs, lock files, state. This module opens nothing.

use std::path::{Path, PathBuf};

use synguard_model::error::{ExitKind, failure};

/// The name and the paths of one instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// `default` unless `--name` was given.
    pub name: String,
    /// The mount point of bpffs.
    pub bpffs: PathBuf,
    /// Folder of the pinned program, maps and links.
    pub pins: PathBuf,
    /// Folder of the lock files; gone after a reboot.
    pub run: PathBuf,
    /// Folder of the files that outlive a reboot.
    pub state: PathBuf,
}

impl Instance {
    /// Returns the paths of the instance `name` below a bpffs mount point, a run folder and a state folder.
    pub fn new(name: &str, bpffs: &Path, run: &Path, state: &Path) -> Self {
        Self {
            name: name.to_owned(),
            bpffs: bpffs.to_owned(),
            pins: bpffs.join("synguard").join(name),
            run: run.join(name),
            state: state.join(name),
        }
    }

    /// Returns the error of a command that needs the filter when it is not attached.
    pub fn not_attached(&self) -> anyhow::Error {
        let name = &self.name;
        failure(
            ExitKind::NotAttached,
            format!("instance `{name}` is not attached: run `synguard attach IFACE` first"),
        )
    }
}

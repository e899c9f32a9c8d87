//! Where an instance keeps its things: pins on bpffs, lock files, state. Names only; nothing is opened here.

use std::path::{Path, PathBuf};

use synguard_model::error::{ExitKind, failure};

/// The paths of one instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its name, `default` unless `--name` was given.
    pub name: String,
    /// The mount point of bpffs.
    pub bpffs: PathBuf,
    /// Folder of the pinned program, maps and links.
    pub pins: PathBuf,
    /// Folder of the lock files; gone after a reboot.
    pub run: PathBuf,
    /// Folder of what outlives a reboot.
    pub state: PathBuf,
}

impl Instance {
    /// The instance `name` below a bpffs mount point, a run and a state folder.
    pub fn new(name: &str, bpffs: &Path, run: &Path, state: &Path) -> Self {
        Self {
            name: name.to_owned(),
            bpffs: bpffs.to_owned(),
            pins: bpffs.join("synguard").join(name),
            run: run.join(name),
            state: state.join(name),
        }
    }

    /// The error of a command that needs the filter, where there is none.
    pub fn not_attached(&self) -> anyhow::Error {
        let name = &self.name;
        failure(
            ExitKind::NotAttached,
            format!("instance `{name}` is not attached: run `synguard attach IFACE` first"),
        )
    }
}

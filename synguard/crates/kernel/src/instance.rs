//! The paths of one instance: pins on bpffs, lock files, state. This module opens nothing.

use std::path::{Path, PathBuf};

use synguard_model::{
    error::{ExitKind, failure},
    instance_name::command_line,
};

/// The name and the paths of one instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// [`DEFAULT_NAME`](synguard_model::instance_name::DEFAULT_NAME) unless `--name` was given.
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

    /// Returns a command line for this instance, for advice.
    pub fn command(&self, words: &str) -> String {
        command_line(&self.name, words)
    }

    /// Returns the error of a command that needs the filter when it is not attached.
    pub fn not_attached(&self) -> anyhow::Error {
        let (name, attach) = (&self.name, self.command("attach IFACE"));
        failure(
            ExitKind::NotAttached,
            format!(
                "not attached (instance {name}): start it with `{attach}` or `systemctl start synguard@{name}`"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_repeats_the_name() {
        let instance = |name| Instance::new(name, Path::new("/b"), Path::new("/r"), Path::new("/s"));
        let error = |name| instance(name).not_attached().to_string();
        assert_eq!(
            error("dmz"),
            "not attached (instance dmz): start it with `synguard --name dmz attach IFACE` or `systemctl start synguard@dmz`"
        );
        assert_eq!(
            error("default"),
            "not attached (instance default): start it with `synguard attach IFACE` or `systemctl start synguard@default`"
        );
    }
}

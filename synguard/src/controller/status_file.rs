//! What the controller publishes of itself for others to read: a small file in the run directory, replaced as a whole.
//! It counts only while the controller that wrote it runs.

use std::{fs, io, io::Write as _, path::Path};

use serde::{Deserialize, Serialize};
use synguard_kernel::durable_file;
use synguard_model::attack::{AttackKind, Phase};

const FILE: &str = "controller.json";

/// The controller's view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct View {
    /// Its process.
    pub pid: u32,
    /// Whether there is an attack.
    pub phase: Phase,
    /// When that began, in nanoseconds of CLOCK_MONOTONIC; `None` if it has been so since the controller began.
    #[serde(default)]
    pub phase_since_ns: Option<u64>,
    /// What kind of attack; `None` when calm.
    pub kind: Option<AttackKind>,
    /// Whether the kernel answers with cookies because the controller wants it to.
    pub kernel_cookies: bool,
    /// What the kernel's setting was before the controller raised it; `None` if it has not.
    pub original: Option<u8>,
    /// The same of the kernel's timestamps.
    #[serde(default)]
    pub timestamps_original: Option<u8>,
    /// Automatic blocks of this controller that are in force.
    pub auto_blocks: usize,
}

impl View {
    /// Publishes it in the folder `run`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(crate) fn publish(&self, run: &Path) -> io::Result<()> {
        let contents = serde_json::to_vec(self)?;
        durable_file::replace_unsynced(&run.join(FILE), |file| file.write_all(&contents))
    }

    /// Reads what the controller `pid` has published in the folder `run`; `None` if it has not, or not yet.
    pub(crate) fn of(pid: u32, run: &Path) -> Option<Self> {
        let view: Self = serde_json::from_slice(&fs::read(run.join(FILE)).ok()?).ok()?;
        (view.pid == pid).then_some(view)
    }

    /// Removes what was published.
    pub(crate) fn remove(run: &Path) {
        let path = run.join(FILE);
        for path in [durable_file::temporary_path(&path), path] {
            // Mostly there is none, and an old one does not count.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_controllers_own_view_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path();
        assert_eq!(View::of(7, run), None);
        let view = View {
            pid: 7,
            phase: Phase::Attack,
            phase_since_ns: Some(5),
            kind: Some(AttackKind::Mixed),
            kernel_cookies: true,
            original: Some(1),
            timestamps_original: Some(0),
            auto_blocks: 3,
        };
        view.publish(run).expect("published");
        assert_eq!(View::of(7, run), Some(view));
        assert_eq!(View::of(8, run), None);
        fs::write(run.join(FILE), "{").expect("written");
        assert_eq!(View::of(7, run), None);
        View::remove(run);
        assert_eq!(fs::read_dir(run).expect("a folder").count(), 0);
    }
}

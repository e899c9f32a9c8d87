//! Private directories for one instance of the program: a bpffs of its own, a run and a state directory.

use std::{
    ffi::CString,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::id,
    sync::Once,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::command::is_alive;

/// Prefix of the directories' names, `PREFIX PID - RANDOM`: the process id shows which ones belong to a killed
/// process.
const PREFIX: &str = "synguard-lab-";

/// Entries that the kernel itself puts into every bpffs.
const BUILT_IN: [&str; 2] = ["maps.debug", "progs.debug"];

/// Guard of the sweep: leftovers of killed processes are removed once in a process.
pub(crate) static SWEEP: Once = Once::new();

/// The directories. Dropping the guard unmounts the bpffs – which releases everything pinned in it – and deletes
/// them.
#[derive(Debug)]
pub struct Dirs {
    root: TempDir,
}

impl Dirs {
    /// Makes the directories and mounts the bpffs.
    ///
    /// # Errors
    /// Without root.
    pub fn new() -> Result<Self> {
        crate::command::require_root()?;
        SWEEP.call_once(sweep);
        let root = temp_dir()?;
        for name in ["bpffs", "run", "state"] {
            let path = root.path().join(name);
            fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        }
        let dirs = Self { root };
        mount(&dirs.bpffs()).with_context(|| format!("mount a bpffs on {}", dirs.bpffs().display()))?;
        Ok(dirs)
    }

    /// Returns the folder for `--bpffs`.
    pub fn bpffs(&self) -> PathBuf {
        self.root.path().join("bpffs")
    }

    /// Returns the folder for `--run-dir`.
    pub fn run_dir(&self) -> PathBuf {
        self.root.path().join("run")
    }

    /// Returns the folder for `--state-dir`.
    pub fn state_dir(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// A place for other files; deleted with the rest.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Everything that is pinned, as paths below the bpffs.
    pub fn pins(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut todo = vec![self.bpffs()];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    todo.push(path);
                } else if !BUILT_IN.iter().any(|name| path.ends_with(name)) {
                    found.push(path.strip_prefix(self.bpffs()).map_or(path.clone(), Path::to_path_buf));
                }
            }
        }
        found
    }
}

impl Drop for Dirs {
    fn drop(&mut self) {
        unmount(&self.bpffs());
    }
}

/// Makes a directory for temporary files with the process id in its name.
pub(crate) fn temp_dir() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}-", id()))
        .tempdir()
        .context("make a directory for temporary files")
}

fn mount(target: &Path) -> Result<()> {
    let path = CString::new(target.as_os_str().as_bytes())?;
    // SAFETY: the strings are C strings that outlive the call; a bpffs needs no data.
    let result = unsafe { libc::mount(c"bpf".as_ptr(), path.as_ptr(), c"bpf".as_ptr(), 0, std::ptr::null()) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}

fn unmount(target: &Path) {
    let Ok(path) = CString::new(target.as_os_str().as_bytes()) else { return };
    // SAFETY: the path is a C string that outlives the call.
    if unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) } != 0 {
        eprintln!("{} could not be unmounted: {}", target.display(), std::io::Error::last_os_error());
    }
}

/// Unmounts and deletes the directories of processes that no longer live.
pub(crate) fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse().ok());
        if let Some(pid) = pid
            && !is_alive(pid)
        {
            let bpffs = entry.path().join("bpffs");
            if bpffs.exists() {
                let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
                if mounts.contains(&*bpffs.to_string_lossy()) {
                    unmount(&bpffs);
                }
            }
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

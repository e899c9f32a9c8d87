//! File systems that are full or read-only, mounted on a folder of the test's own.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::command::run;

/// A mounted file system. Dropping it unmounts it.
#[derive(Debug)]
pub struct Mounted(PathBuf);

impl Mounted {
    fn new(at: &Path, args: &[&str]) -> Result<Self> {
        run(Command::new("mount").args(args).arg(at))?;
        Ok(Self(at.to_owned()))
    }

    /// Mounts an empty file system of 64 KiB.
    ///
    /// # Errors
    /// Without root.
    pub fn small(at: &Path) -> Result<Self> {
        Self::new(at, &["-t", "tmpfs", "-o", "size=64k", "none"])
    }

    /// Makes a folder read-only; what is in it can be read as before.
    ///
    /// # Errors
    /// Without root.
    pub fn read_only(at: &Path) -> Result<Self> {
        let mounted = Self::new(at, &["--bind", &at.to_string_lossy()])?;
        run(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(at))?;
        Ok(mounted)
    }

    /// Fills a small file system.
    ///
    /// # Errors
    /// When it is not small.
    pub fn fill(&self) -> Result<()> {
        let written = fs::write(self.filler(), vec![0; 1 << 20]);
        ensure!(written.is_err_and(|error| error.kind() == io::ErrorKind::StorageFull), "there is room");
        Ok(())
    }

    /// Empties it again, except for what others have written.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn make_room(&self) -> Result<()> {
        fs::remove_file(self.filler()).context("make room")
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("umount").arg("--lazy").arg(&self.0)) {
            eprintln!("{} could not be unmounted: {error:#}", self.0.display());
        }
    }
}

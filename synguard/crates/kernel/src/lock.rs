//! Lock files: one held for life by the controller, one held for a moment by whoever changes something.
//!
//! The kernel lets go of a lock when its holder dies, so there are no stale ones; a file that lies around
//! unlocked means nothing.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use synguard_model::error::{ExitKind, failure};

use crate::instance::Instance;

/// How long a change waits for another one to finish.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock that makes this process the instance's controller.
    ///
    /// # Errors
    ///
    /// A conflict that names the other controller, if there is one.
    pub fn controller(instance: &Instance) -> Result<Self> {
        let path = controller_path(instance);
        match try_lock(&path)? {
            Some(lock) => {
                lock.write(&std::process::id().to_string())?;
                Ok(lock)
            }
            None => {
                let pid = controller_pid(instance).map_or_else(String::new, |pid| format!(" (pid {pid})"));
                let name = &instance.name;
                Err(failure(
                    ExitKind::Conflict,
                    format!(
                        "instance `{name}` is already attached by another controller{pid}: \
                         run `synguard detach` first, or use another --name"
                    ),
                ))
            }
        }
    }

    /// Takes the lock for a change, waiting a while for others to finish theirs.
    ///
    /// # Errors
    ///
    /// A conflict if another process does not let go of it in ten seconds.
    pub fn change(instance: &Instance) -> Result<Self> {
        let path = change_path(instance);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(lock) = try_lock(&path)? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                let path = path.display();
                return Err(failure(
                    ExitKind::Conflict,
                    format!("{path} has been held by another synguard for 10 s: try again when it is done"),
                ));
            }
            thread::sleep(POLL);
        }
    }

    /// Takes the lock for a change if nobody else has it.
    ///
    /// # Errors
    ///
    /// If its file cannot be made.
    pub fn try_change(instance: &Instance) -> Result<Option<Self>> {
        try_lock(&change_path(instance))
    }

    /// Notes in the lock's file that a change has begun which is half done if this process dies.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn begin(&self) -> Result<()> {
        self.write("unfinished")
    }

    /// Notes that the change is done, or undone.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn end(&self) -> Result<()> {
        self.file.set_len(0).with_context(|| format!("write {}", self.path.display()))
    }

    /// Whether a former holder died in the middle of a change.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn is_unfinished(&self) -> Result<bool> {
        let metadata = self.file.metadata().with_context(|| format!("read {}", self.path.display()))?;
        Ok(metadata.len() > 0)
    }

    /// Removes the lock's file, and its folder if that is then empty. The lock stays held; whoever waits for
    /// it notices that the file is not the one on disk any more and starts anew.
    pub fn remove_file(&self) {
        let _ = fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            let _ = fs::remove_dir(folder);
        }
    }

    fn write(&self, line: &str) -> Result<()> {
        let write = |mut file: &File| -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{line}")
        };
        write(&self.file).with_context(|| format!("write {}", self.path.display()))
    }
}

/// The pid of the instance's controller, if one is running.
pub fn controller_pid(instance: &Instance) -> Option<u32> {
    let mut file = File::open(controller_path(instance)).ok()?;
    if flock(&file, libc::LOCK_SH | libc::LOCK_NB).is_ok() {
        // Nobody holds it; closing the file lets go of ours.
        return None;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Removes the lock file of a controller that was killed.
pub fn clear_dead_controller(instance: &Instance) {
    let path = controller_path(instance);
    if path.exists()
        && let Ok(Some(lock)) = try_lock(&path)
    {
        lock.remove_file();
    }
}

fn change_path(instance: &Instance) -> PathBuf {
    instance.run.join("lock")
}

fn controller_path(instance: &Instance) -> PathBuf {
    instance.run.join("controller.lock")
}

/// Takes a lock if it is free.
fn try_lock(path: &Path) -> Result<Option<Lock>> {
    loop {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
        }
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = match open {
            Ok(file) => file,
            // The last holder removed the folder just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unwritable(path, error)),
        };
        match flock(&file, libc::LOCK_EX | libc::LOCK_NB) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("lock {}", path.display())),
        }
        let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        if fs::metadata(path).map(inode).ok() == file.metadata().map(inode).ok() {
            return Ok(Some(Lock { file, path: path.to_owned() }));
        }
        // Its last holder removed the file between our opening and locking it.
    }
}

fn unwritable(path: &Path, error: io::Error) -> anyhow::Error {
    let message = format!("cannot write {}: {error}", path.display());
    if error.kind() == io::ErrorKind::PermissionDenied {
        failure(ExitKind::Privilege, format!("{message}: run as root, or choose another --run-dir"))
    } else {
        anyhow::Error::msg(message)
    }
}

fn flock(file: &File, operation: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as `file` is borrowed.
    if unsafe { libc::flock(file.as_raw_fd(), operation) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(folder: &Path) -> Instance {
        Instance::new("test", folder, folder, folder)
    }

    #[test]
    fn a_second_controller_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let instance = instance(folder.path());
        assert_eq!(controller_pid(&instance), None);
        let lock = Lock::controller(&instance).expect("free");
        assert_eq!(controller_pid(&instance), Some(std::process::id()));
        let error = Lock::controller(&instance).expect_err("held");
        assert!(error.to_string().contains(&format!("pid {}", std::process::id())), "{error}");
        assert_eq!(synguard_model::error::exit_code(&error), 5);
        drop(lock);
        assert_eq!(controller_pid(&instance), None);
        Lock::controller(&instance).expect("free again");
    }

    #[test]
    fn a_change_that_was_cut_short_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let instance = instance(folder.path());
        let lock = Lock::change(&instance).expect("free");
        assert!(!lock.is_unfinished().expect("readable"));
        lock.begin().expect("writable");
        // As a kill does, this lets go of it.
        drop(lock);
        let lock = Lock::change(&instance).expect("free");
        assert!(lock.is_unfinished().expect("readable"));
        lock.end().expect("writable");
        drop(lock);
        assert!(!Lock::change(&instance).expect("free").is_unfinished().expect("readable"));
    }

    #[test]
    fn removing_the_file_does_not_let_two_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let instance = instance(folder.path());
        let first = Lock::change(&instance).expect("free");
        first.remove_file();
        assert!(!instance.run.exists());
        let second = Lock::change(&instance).expect("a new file");
        assert!(Lock::try_change(&instance).expect("readable").is_none());
        drop(first);
        assert!(try_lock(&instance.run.join("lock")).expect("readable").is_none());
        drop(second);
    }
}

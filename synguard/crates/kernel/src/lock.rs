//! Lock files: one that the controller holds while it runs, and one that a command holds while it changes something.
//!
//! The kernel releases a lock when its holder dies, so no lock is ever stale; an unlocked file on disk means nothing.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use synguard_model::error::{ExitKind, failure};

use crate::{clock::Deadline, durable_file::unwritable, instance::Instance};

/// Time that a command waits for another one to finish its change.
const CHANGE_WAIT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Acquires the lock that makes this process the instance's controller. If another controller holds it, the error
    /// is a conflict that names the holder's process.
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
                let (set, detach) = (instance.command("set KEY=VALUE"), instance.command("detach"));
                Err(failure(
                    ExitKind::Conflict,
                    format!(
                        "instance `{name}` is already attached by another controller{pid}: \
                         change settings with `{set}`, or stop it with `{detach}`"
                    ),
                ))
            }
        }
    }

    /// Acquires the lock for a change, and waits up to ten seconds for other processes to finish theirs. After that
    /// the error is a conflict.
    pub fn change(instance: &Instance) -> Result<Self> {
        let path = change_path(instance);
        let deadline = Deadline::after(CHANGE_WAIT);
        loop {
            if let Some(lock) = try_lock(&path)? {
                return Ok(lock);
            }
            if deadline.has_passed() {
                let path = path.display();
                return Err(failure(
                    ExitKind::Conflict,
                    format!("{path} has been held by another synguard for 10 s: try again when it is done"),
                ));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Acquires the lock for a change if no other process holds it.
    pub fn try_change(instance: &Instance) -> Result<Option<Self>> {
        try_lock(&change_path(instance))
    }

    /// Records in the lock file that a change has begun. If this process dies before [`Self::mark_finished`], the
    /// change is half done.
    pub fn mark_unfinished(&self) -> Result<()> {
        self.write("unfinished")
    }

    /// Records that the change is complete, or rolled back.
    pub fn mark_finished(&self) -> Result<()> {
        self.file.set_len(0).with_context(|| format!("write {}", self.path.display()))
    }

    /// Reports whether an earlier holder died in the middle of a change.
    pub fn is_unfinished(&self) -> Result<bool> {
        let metadata = self.file.metadata().with_context(|| format!("read {}", self.path.display()))?;
        Ok(metadata.len() > 0)
    }

    /// Removes the lock file, and its folder if that is then empty. The lock stays held; a process that waits for it
    /// notices that its file is no longer the one on disk and starts again.
    pub fn remove_file(&self) {
        // A file that stays is unlocked once this process ends, and a folder stays if other files are in it.
        let _ = fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            let _ = fs::remove_dir(folder);
        }
    }

    /// Reports whether the lock's file is still the one on disk. If somebody removed it, another process can take the lock.
    pub fn is_on_disk(&self) -> bool {
        match (fs::metadata(&self.path), self.file.metadata()) {
            (Ok(there), Ok(held)) => inode(&there) == inode(&held),
            _ => false,
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

/// Returns the process id of the instance's controller, if one is running.
pub fn controller_pid(instance: &Instance) -> Option<u32> {
    let file = File::open(controller_path(instance)).ok()?;
    if file.try_lock_shared().is_ok() {
        // No controller holds the lock; closing the file releases the shared one.
        return None;
    }
    io::read_to_string(file).ok()?.trim().parse().ok()
}

/// Reports whether the file of the lock for changes exists, as it does from the first change to the detach.
pub fn has_change_file(instance: &Instance) -> bool {
    change_path(instance).exists()
}

/// Removes the lock file that a killed controller left behind.
pub fn remove_dead_controllers_file(instance: &Instance) {
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

/// Acquires a lock if it is free.
fn try_lock(path: &Path) -> Result<Option<Lock>> {
    let unwritable = |path: &Path, error| unwritable(path.display(), &error, "--run-dir");
    loop {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
        }
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = match open {
            Ok(file) => file,
            // The last holder has just removed the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unwritable(path, error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", path.display()));
            }
        }
        let lock = Lock { file, path: path.to_owned() };
        if lock.is_on_disk() {
            return Ok(Some(lock));
        }
        // The last holder removed the file after it was opened here and before it was locked.
    }
}

fn inode(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(folder: &Path) -> Instance {
        Instance::new("test", folder, folder, folder)
    }

    #[test]
    fn second_controller_learns_the_pid_of_the_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let instance = instance(folder.path());
        assert_eq!(controller_pid(&instance), None);
        let lock = Lock::controller(&instance).expect("free");
        assert_eq!(controller_pid(&instance), Some(std::process::id()));
        let error = Lock::controller(&instance).expect_err("held");
        let pid = std::process::id();
        let expected = format!(
            "instance `test` is already attached by another controller (pid {pid}): change settings with \
             `synguard --name test set KEY=VALUE`, or stop it with `synguard --name test detach`"
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(synguard_model::error::exit_code(&error), 5);
        drop(lock);
        assert_eq!(controller_pid(&instance), None);
        Lock::controller(&instance).expect("free again");
    }

    #[test]
    fn removed_lock_file_is_made_again_unless_another_process_took_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let instance = instance(folder.path());
        let lock = Lock::controller(&instance).expect("free");
        assert!(lock.is_on_disk());
        fs::remove_dir_all(&instance.run).expect("removed");
        assert!(!lock.is_on_disk());
        let lock = Lock::controller(&instance).expect("writable");
        assert!(lock.is_on_disk());
        assert_eq!(controller_pid(&instance), Some(std::process::id()));
        fs::remove_dir_all(&instance.run).expect("removed");
        let other = Lock::controller(&instance).expect("free again");
        assert!(!lock.is_on_disk());
        assert_eq!(synguard_model::error::exit_code(&Lock::controller(&instance).expect_err("held")), 5);
        drop(other);
    }

    #[test]
    fn interrupted_change_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let instance = instance(folder.path());
        let lock = Lock::change(&instance).expect("free");
        assert!(!lock.is_unfinished().expect("readable"));
        lock.mark_unfinished().expect("writable");
        // Releases the lock, as a kill does.
        drop(lock);
        let lock = Lock::change(&instance).expect("free");
        assert!(lock.is_unfinished().expect("readable"));
        lock.mark_finished().expect("writable");
        drop(lock);
        assert!(!Lock::change(&instance).expect("free").is_unfinished().expect("readable"));
    }

    #[test]
    fn removed_file_does_not_admit_two_holders() {
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

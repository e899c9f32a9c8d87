//! The journal on disk: what is owed to a setting. It is there before the setting is changed, and as a whole or not
//! at all, at whatever moment the process or the machine dies. Each setting has its own, so that none is written while
//! another is owed.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::Setting;
use crate::durable_file;

/// What is owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The boot in which it was raised.
    pub(super) boot: String,
    /// The network namespace whose setting it is.
    pub(super) netns: u64,
    /// What it was.
    pub(super) original: u8,
    /// What was written.
    pub(super) written: u8,
}

/// The file.
#[derive(Debug)]
pub(super) struct Journal {
    setting: Setting,
    path: PathBuf,
}

impl Journal {
    /// The setting's journal in the folder `run`.
    pub(super) fn new(run: &Path, setting: Setting) -> Self {
        Self { setting, path: run.join(setting.journal()) }
    }

    /// Whether there is one.
    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Writes it through to the disk.
    ///
    /// # Errors
    ///
    /// If it cannot be: there is the former one then, or none.
    pub(super) fn write(&self, entry: &Entry) -> Result<()> {
        let contents = serde_json::to_vec(entry)?;
        durable_file::replace(&self.path, |file| file.write_all(&contents))
            .with_context(|| format!("write {}", self.path.display()))
    }

    /// Reads it; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is damaged.
    pub(super) fn read(&self) -> Result<Option<Entry>> {
        let path = self.path.display();
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("read {path}")),
        };
        let entry = serde_json::from_slice(&text).with_context(|| {
            let name = self.setting.name();
            format!("{path} is damaged: see whether {name} is as it should be, then remove the file")
        })?;
        Ok(Some(entry))
    }

    /// Removes it, and what a writer that was killed may have left.
    pub(super) fn remove(&self) {
        for path in [&durable_file::temporary_path(&self.path), &self.path] {
            if let Err(error) = fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                log::warn!("cannot remove {}: {error}", path.display());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::new(folder.path(), Setting::Syncookies);
        assert_eq!(journal.read().expect("readable"), None);
        let entry = Entry { boot: "b".to_owned(), netns: u64::MAX, original: 1, written: 2 };
        journal.write(&entry).expect("written");
        assert_eq!(journal.read().expect("readable"), Some(entry.clone()));
        // Killed while writing the next one: that one never was.
        fs::write(durable_file::temporary_path(&journal.path), "{\"boot\":").expect("written");
        assert_eq!(journal.read().expect("readable"), Some(entry));
        journal.remove();
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        journal.remove();
    }

    #[test]
    fn a_damaged_one_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::new(folder.path(), Setting::Syncookies);
        for damaged in ["", "{", "[]", "{\"boot\":\"b\",\"netns\":1,\"original\":300,\"written\":2}"] {
            fs::write(&journal.path, damaged).expect("written");
            let error = format!("{:#}", journal.read().expect_err("damaged"));
            assert!(error.contains("tcp_syncookies") && error.contains("remove the file"), "{error}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let journal = Journal::new(Path::new("/proc/no-such-folder"), Setting::Timestamps);
        let entry = Entry { boot: String::new(), netns: 0, original: 0, written: 2 };
        assert!(
            format!("{:#}", journal.write(&entry).expect_err("no folder")).contains("/proc/no-such-folder")
        );
    }
}

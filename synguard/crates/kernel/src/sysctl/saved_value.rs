//! The file with the old value of a raised sysctl. It exists before the sysctl is changed, and as a whole or not at all, at
//! whatever moment the process or the machine dies. Each sysctl has a file of its own, so that none is written while another
//! one is needed.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use synguard_model::event::Sysctl;

use crate::durable_file;

/// The old value of a raised sysctl, and where and when it applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedValue {
    /// The identifier of the boot in which the sysctl was raised.
    pub(super) boot: String,
    /// The cookie of the network namespace whose sysctl was raised.
    pub(super) netns: u64,
    /// The value before.
    pub(super) original: u8,
    /// The value that synguard wrote.
    pub(super) written: u8,
}

/// The file of a saved value.
#[derive(Debug)]
pub(super) struct SavedValueFile {
    sysctl: Sysctl,
    path: PathBuf,
}

impl SavedValueFile {
    /// Returns the file of a sysctl in the folder `run`.
    pub(super) fn new(run: &Path, sysctl: Sysctl) -> Self {
        let file = match sysctl {
            Sysctl::Syncookies => "syncookies.json",
            Sysctl::Timestamps => "timestamps.json",
        };
        Self { sysctl, path: run.join(file) }
    }

    /// Reports whether the file exists.
    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Writes the file and syncs it to the disk. After an error the former file is still there, if there was one.
    pub(super) fn write(&self, saved: &SavedValue) -> Result<()> {
        let contents = serde_json::to_vec(saved)?;
        durable_file::replace(&self.path, |file| file.write_all(&contents))
            .with_context(|| format!("write {}", self.path.display()))
    }

    /// Reads the file; `None` if it does not exist. A damaged file is an error.
    pub(super) fn read(&self) -> Result<Option<SavedValue>> {
        let path = self.path.display();
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("read {path}")),
        };
        let saved = serde_json::from_slice(&text).with_context(|| {
            let name = self.sysctl.name();
            format!("{path} is damaged: check the value of {name}, then remove the file")
        })?;
        Ok(Some(saved))
    }

    /// Removes the file, and the temporary file that a killed writer may have left.
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
    fn file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = SavedValueFile::new(folder.path(), Sysctl::Syncookies);
        assert_eq!(file.read().expect("readable"), None);
        let saved = SavedValue { boot: "b".to_owned(), netns: u64::MAX, original: 1, written: 2 };
        file.write(&saved).expect("written");
        assert_eq!(file.read().expect("readable"), Some(saved.clone()));
        // A writer was killed: its unfinished file does not count.
        fs::write(durable_file::temporary_path(&file.path), "{\"boot\":").expect("written");
        assert_eq!(file.read().expect("readable"), Some(saved));
        file.remove();
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        file.remove();
    }

    #[test]
    fn damaged_file_is_an_error_with_a_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = SavedValueFile::new(folder.path(), Sysctl::Syncookies);
        for damaged in ["", "{", "[]", "{\"boot\":\"b\",\"netns\":1,\"original\":300,\"written\":2}"] {
            fs::write(&file.path, damaged).expect("written");
            let error = format!("{:#}", file.read().expect_err("damaged"));
            assert!(error.contains("tcp_syncookies") && error.contains("remove the file"), "{error}");
        }
    }

    #[test]
    fn unwritable_folder_is_an_error() {
        let file = SavedValueFile::new(Path::new("/proc/no-such-folder"), Sysctl::Timestamps);
        let saved = SavedValue { boot: String::new(), netns: 0, original: 0, written: 2 };
        assert!(format!("{:#}", file.write(&saved).expect_err("no folder")).contains("/proc/no-such-folder"));
    }
}

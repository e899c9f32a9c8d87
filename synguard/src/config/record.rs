//! The record of an attach in the run directory: which configuration file and flags the filter was attached with. It tells
//! other commands where a setting comes from, and where to save one. It stays until the filter is detached.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use synguard_kernel::durable_file;
use synguard_model::settings::{Key, Patch, SettingSources};

const FILE: &str = "settings.json";

/// The sources of the settings of an attached filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttachRecord {
    /// The configuration file that was read, or would have been if it existed.
    pub(crate) file: PathBuf,
    pub(crate) sources: SettingSources,
}

/// The form on disk, which another version may have written.
#[derive(Serialize, Deserialize)]
struct StoredRecord {
    file: PathBuf,
    from_file: BTreeMap<String, String>,
    from_flags: BTreeMap<String, String>,
}

impl AttachRecord {
    /// Returns the record of a filter that was attached with this file; its path becomes an absolute one.
    pub(crate) fn new(file: &Path, sources: SettingSources) -> Self {
        Self { file: std::path::absolute(file).unwrap_or_else(|_| file.to_owned()), sources }
    }

    /// Reads the record from the run directory; `None` if there is none that can be used.
    pub(crate) fn read(run: &Path) -> Option<Self> {
        let stored: StoredRecord = serde_json::from_slice(&fs::read(run.join(FILE)).ok()?).ok()?;
        let sources =
            SettingSources { file: to_patch(&stored.from_file)?, flags: to_patch(&stored.from_flags)? };
        Some(Self { file: stored.file, sources })
    }

    /// Writes the record to the run directory. A failure is logged only: the filter works without the record.
    pub(crate) fn publish(&self, run: &Path) {
        let written = || -> io::Result<()> {
            let stored = StoredRecord {
                file: self.file.clone(),
                from_file: to_map(&self.sources.file),
                from_flags: to_map(&self.sources.flags),
            };
            let contents = serde_json::to_vec(&stored)?;
            durable_file::replace_unsynced(&run.join(FILE), |file| file.write_all(&contents))
        };
        if let Err(error) = written() {
            log::warn!(
                "`show` will not know where settings come from: cannot write {}: {error}",
                run.display()
            );
        }
    }

    /// Removes the record, with a filter that was detached.
    pub(crate) fn remove(run: &Path) {
        let path = run.join(FILE);
        for path in [durable_file::temporary_path(&path), path] {
            // Usually one of the files does not exist, and what stays is overwritten by the next attach.
            let _ = fs::remove_file(path);
        }
    }
}

fn to_map(patch: &Patch) -> BTreeMap<String, String> {
    patch.values().into_iter().map(|(key, value)| (key.name().to_owned(), value.to_string())).collect()
}

fn to_patch(map: &BTreeMap<String, String>) -> Option<Patch> {
    let mut patch = Patch::default();
    for (name, text) in map {
        let (key, _) = Key::by_name(name)?;
        patch.put(key, text).ok()?;
    }
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_read_back_and_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path();
        assert_eq!(AttachRecord::read(run), None);
        let mut sources = SettingSources::default();
        for (key, text) in [(Key::SynRate, "70"), (Key::Ports, "80,443"), (Key::Interfaces, "eth0 wan1")] {
            sources.file.put(key, text).expect("in range");
        }
        sources.flags.put(Key::Hold, "1m").expect("in range");
        let record = AttachRecord::new(Path::new("/etc/x.toml"), sources);
        record.publish(run);
        assert_eq!(AttachRecord::read(run), Some(record));
        fs::write(run.join(FILE), "{\"file\":\"/x\",\"from_file\":{\"new-key\":\"1\"},\"from_flags\":{}}")
            .expect("written");
        assert_eq!(AttachRecord::read(run), None, "of a later version");
        AttachRecord::remove(run);
        assert_eq!(fs::read_dir(run).expect("a folder").count(), 0);
        let relative = AttachRecord::new(Path::new("x.toml"), SettingSources::default());
        assert!(relative.file.is_absolute());
    }
}

//! `set --save`: writes settings in force to the configuration file.

use std::{fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use synguard_kernel::durable_file;
use synguard_model::{
    error::{ExitKind, failure},
    settings::{Key, Settings},
};

use super::{
    edit::{EditedFile, edit},
    record::AttachRecord,
    resolve::read_text,
};

/// A configuration file that is ready to be written.
#[derive(Debug)]
pub(crate) struct PreparedSave {
    record: AttachRecord,
    file: EditedFile,
}

impl PreparedSave {
    /// Prepares to save the values that the settings have for `keys`. Changes nothing.
    ///
    /// # Errors
    /// No file is known, or the file is not valid, or it cannot be edited.
    pub(crate) fn new(run: &Path, in_force: &Settings, keys: &[Key]) -> Result<Self> {
        let record = AttachRecord::read(run).context(
            "no configuration file is known, because another version of synguard attached the filter, or its run directory \
             was removed: set without --save, and edit the file by hand",
        )?;
        let invalid = |error: super::ConfigError| failure(ExitKind::Invalid, error.to_string());
        let text = read_text(&record.file).map_err(invalid)?.unwrap_or_default();
        let file = edit(&record.file, &text, &record.sources.flags, in_force, keys).map_err(invalid)?;
        Ok(Self { record, file })
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.record.file
    }

    /// Returns the saved keys that a flag of `attach` gives another value at the next start.
    pub(crate) fn overridden(&self) -> &[Key] {
        &self.file.overridden
    }

    /// Writes the file, and publishes that the values come from it. Other values of the file come into force by a reload only.
    pub(crate) fn write(mut self, run: &Path) -> Result<()> {
        let path = self.path();
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        let text = self.file.text.as_bytes();
        folder
            .and_then(|()| durable_file::replace_keeping_owner(path, |file| file.write_all(text)))
            .with_context(|| format!("write {}", path.display()))?;
        for (key, value) in &self.file.saved {
            self.record.sources.file.put(*key, &value.to_string())?;
        }
        self.record.publish(run);
        Ok(())
    }
}

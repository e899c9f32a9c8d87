//! Operations on the files of a list, without regard to their contents: open, write durably, rename, quarantine.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use synguard_common::ip_list::List;
use synguard_kernel::durable_file::{self, private};

const BUFFER: usize = 256 * 1024;
/// Length of the start of a base file that contains its header.
const START: u64 = 512;

/// Inodes, lengths and times of the files; differs whenever a file has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStamp([Option<(u64, u64, i64, i64)>; 2]);

/// The paths of a list's files.
#[derive(Debug)]
pub(super) struct ListFiles {
    folder: PathBuf,
    pub(super) base: PathBuf,
    pub(super) log: PathBuf,
    /// Backup of the former base file until the change is committed.
    old: PathBuf,
}

impl ListFiles {
    pub(super) fn new(folder: &Path, list: List) -> Self {
        let path = |ending| folder.join(format!("{}.{ending}", list.verb()));
        Self { folder: folder.to_owned(), base: path("list"), log: path("log"), old: path("list.old") }
    }

    pub(super) fn stamp(&self) -> StoreStamp {
        StoreStamp([&self.base, &self.log].map(|path| {
            let found = fs::metadata(path).ok()?;
            Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
        }))
    }

    /// Reports whether the list has a file.
    pub(super) fn exist(&self) -> bool {
        // A file that cannot be asked about exists as far as anybody knows.
        [&self.base, &self.log].iter().any(|path| path.try_exists().unwrap_or(true))
    }

    /// Removes temporary files that a killed process left behind.
    pub(super) fn clear_leftovers(&self) {
        for path in [&durable_file::temporary_path(&self.base), &self.old] {
            // The file is usually missing, and a leftover file does no harm.
            let _ = fs::remove_file(path);
        }
    }

    pub(super) fn open_base(&self) -> Result<Option<BufReader<File>>> {
        let file =
            if_exists(File::open(&self.base)).with_context(|| format!("read {}", self.base.display()))?;
        Ok(file.map(|file| BufReader::with_capacity(BUFFER, file)))
    }

    /// Returns the first bytes of the base file; none if the file does not exist.
    pub(super) fn read_base_start(&self) -> Result<Vec<u8>> {
        let mut start = Vec::new();
        if let Some(file) = self.open_base()? {
            file.take(START)
                .read_to_end(&mut start)
                .with_context(|| format!("read {}", self.base.display()))?;
        }
        Ok(start)
    }

    /// Returns the whole log; nothing if the file does not exist.
    pub(super) fn read_log(&self) -> Result<Vec<u8>> {
        let bytes = if_exists(fs::read(&self.log)).with_context(|| format!("read {}", self.log.display()))?;
        Ok(bytes.unwrap_or_default())
    }

    /// Writes a new base file and renames it over the old one.
    pub(super) fn write_base(
        &self,
        encode: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
    ) -> Result<()> {
        self.make_folder()?;
        durable_file::replace(&self.base, |file| {
            let mut out = BufWriter::with_capacity(BUFFER, file);
            encode(&mut out)?;
            out.flush()
        })
        .map_err(|error| unwritable(&self.base, &error))
    }

    /// Cuts the log to `valid` bytes and appends `bytes`. Returns the former length for [`Self::cut_log`]; `None` if
    /// the log is new.
    pub(super) fn append_log(&self, valid: u64, bytes: &[u8]) -> Result<Option<u64>> {
        self.make_folder()?;
        let before = self.log.exists().then_some(valid);
        let write = || -> io::Result<()> {
            let mut file = private().truncate(false).open(&self.log)?;
            file.set_len(valid)?;
            file.seek(SeekFrom::Start(valid))?;
            file.write_all(bytes)?;
            file.sync_all()?;
            if before.is_none() { self.sync_folder() } else { Ok(()) }
        };
        write().map_err(|error| {
            // An incomplete batch does not count, so a failure to remove it does no harm.
            let _ = self.cut_log(before);
            unwritable(&self.log, &error)
        })?;
        Ok(before)
    }

    /// Cuts the log to its former length; `None` removes it.
    pub(super) fn cut_log(&self, before: Option<u64>) -> io::Result<()> {
        match before {
            Some(length) => {
                let file = OpenOptions::new().write(true).open(&self.log)?;
                file.set_len(length)?;
                file.sync_all()
            }
            None => {
                fs::remove_file(&self.log)?;
                self.sync_folder()?;
                self.remove_folder();
                Ok(())
            }
        }
    }

    /// Removes a log that has been superseded.
    pub(super) fn remove_log(&self) -> Result<()> {
        let removed = if_exists(fs::remove_file(&self.log));
        removed.map(drop).with_context(|| format!("remove {}", self.log.display()))
    }

    /// Gives the base file a second name, from which it can be restored.
    pub(super) fn backup_base(&self) -> Result<()> {
        let link = || match fs::hard_link(&self.base, &self.old) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            // Not every file system supports hard links.
            Err(_) => fs::copy(&self.base, &self.old).map(drop),
            Ok(()) => Ok(()),
        };
        link().map_err(|error| unwritable(&self.old, &error))
    }

    /// Restores the former base file; if there was none, removes the new one.
    pub(super) fn restore_base(&self) -> io::Result<()> {
        if self.old.exists() {
            fs::rename(&self.old, &self.base)?;
        } else {
            fs::remove_file(&self.base)?;
        }
        self.sync_folder()?;
        self.remove_folder();
        Ok(())
    }

    /// Removes the backup and the log that the new base file has superseded, and an empty base file itself. The log
    /// must be durably removed before the base file, because without a base file the log would count.
    pub(super) fn discard_backup(&self, empty: bool) {
        let _ = fs::remove_file(&self.old);
        if self.remove_log().is_ok() && empty && self.sync_folder().is_ok() {
            let _ = fs::remove_file(&self.base);
            self.remove_folder();
        }
    }

    /// Renames a damaged file and returns a warning with the new name.
    pub(super) fn quarantine(&self, path: &Path, why: &str) -> Result<String> {
        let number = (1..=u32::MAX).find(|number| !quarantine_path(path, *number).exists()).unwrap_or(0);
        let aside = quarantine_path(path, number);
        fs::rename(path, &aside)
            .and_then(|()| self.sync_folder())
            .with_context(|| format!("rename {}, which is damaged ({why})", path.display()))?;
        let (path, aside) = (path.display(), aside.display());
        Ok(format!(
            "{path} is damaged ({why}): set aside as {aside}; its lines can be corrected and imported"
        ))
    }

    fn make_folder(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(|error| unwritable(&self.folder, &error))
    }

    /// Removes the folder if it is empty.
    fn remove_folder(&self) {
        let _ = fs::remove_dir(&self.folder);
    }

    /// Makes changes of names in the folder durable.
    fn sync_folder(&self) -> io::Result<()> {
        durable_file::sync_folder(&self.folder)
    }
}

fn quarantine_path(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".corrupt-{number}"));
    name.into()
}

/// Turns the error about a missing file into `None`.
fn if_exists<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> anyhow::Error {
    durable_file::unwritable(path.display(), error, "--state-dir")
}

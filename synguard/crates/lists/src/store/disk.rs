//! The files of a list: opened, written durably, renamed, set aside. What is in them is not looked at here.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, ErrorKind, Read as _, Seek as _, SeekFrom, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use synguard_common::ip_list::List;
use synguard_kernel::durable_file::{self, private};

const BUFFER: usize = 256 * 1024;
/// Enough of a base file to have its header.
const START: u64 = 512;

/// Which files there are, how long they are, and when they were written: what changes when they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStamp([Option<(u64, u64, i64, i64)>; 2]);

/// The paths of a list's files.
#[derive(Debug)]
pub(super) struct ListFiles {
    folder: PathBuf,
    /// The whole list.
    pub(super) base: PathBuf,
    /// The changes since.
    pub(super) log: PathBuf,
    /// The base file before the one that is there, until it is sure that this one is kept.
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

    /// Removes what a killed process left behind.
    pub(super) fn clear_leftovers(&self) {
        for path in [&durable_file::temporary_path(&self.base), &self.old] {
            // That it is not there is the usual case, and that it stays does no harm.
            let _ = fs::remove_file(path);
        }
    }

    pub(super) fn open_base(&self) -> Result<Option<BufReader<File>>> {
        let file = found(File::open(&self.base)).with_context(|| format!("read {}", self.base.display()))?;
        Ok(file.map(|file| BufReader::with_capacity(BUFFER, file)))
    }

    /// The first bytes of the base file; none if there is no such file.
    pub(super) fn read_base_start(&self) -> Result<Vec<u8>> {
        let mut start = Vec::new();
        if let Some(file) = self.open_base()? {
            file.take(START)
                .read_to_end(&mut start)
                .with_context(|| format!("read {}", self.base.display()))?;
        }
        Ok(start)
    }

    /// The whole log; nothing if there is none.
    pub(super) fn read_log(&self) -> Result<Vec<u8>> {
        let bytes = found(fs::read(&self.log)).with_context(|| format!("read {}", self.log.display()))?;
        Ok(bytes.unwrap_or_default())
    }

    /// Writes a new base file and puts it in the place of the old one.
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

    /// Cuts the log to `valid` bytes and appends some. Returns how long it was, for [`Self::cut_log`]; `None`
    /// if it is new.
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
            // Half a batch does not count, but it need not stay.
            let _ = self.cut_log(before);
            unwritable(&self.log, &error)
        })?;
        Ok(before)
    }

    /// Takes the log back to a former length, or away.
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

    /// Removes a log that does not count any more.
    pub(super) fn remove_log(&self) -> Result<()> {
        let removed = found(fs::remove_file(&self.log));
        removed.map(drop).with_context(|| format!("remove {}", self.log.display()))
    }

    /// Gives the base file a second name, so that it can be put back.
    pub(super) fn backup_base(&self) -> Result<()> {
        let link = || match fs::hard_link(&self.base, &self.old) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            // Not every file system has links.
            Err(_) => fs::copy(&self.base, &self.old).map(drop),
            Ok(()) => Ok(()),
        };
        link().map_err(|error| unwritable(&self.old, &error))
    }

    /// Puts the former base file back, or if there was none takes the new one away.
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

    /// Removes what the new base file has replaced, and an empty one itself. The log goes first, and for good:
    /// without a base file it would count.
    pub(super) fn discard_backup(&self, empty: bool) {
        let _ = fs::remove_file(&self.old);
        if self.remove_log().is_ok() && empty && self.sync_folder().is_ok() {
            let _ = fs::remove_file(&self.base);
            self.remove_folder();
        }
    }

    /// Gives a damaged file another name. Returns a warning that says so.
    pub(super) fn quarantine(&self, path: &Path, why: &str) -> Result<String> {
        let number = (1..).find(|number| !aside(path, *number).exists()).unwrap_or(0);
        let aside = aside(path, number);
        fs::rename(path, &aside)
            .and_then(|()| self.sync_folder())
            .with_context(|| format!("set {} aside, which is damaged ({why})", path.display()))?;
        let (path, aside) = (path.display(), aside.display());
        Ok(format!(
            "{path} is damaged ({why}): set aside as {aside}; its lines can be corrected and imported"
        ))
    }

    fn make_folder(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(|error| unwritable(&self.folder, &error))
    }

    /// Removes the folder if nothing is in it.
    fn remove_folder(&self) {
        let _ = fs::remove_dir(&self.folder);
    }

    /// Makes names that came, went or changed in the folder last.
    fn sync_folder(&self) -> io::Result<()> {
        durable_file::sync_folder(&self.folder)
    }
}

fn aside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".corrupt-{number}"));
    name.into()
}

/// `None` instead of an error if the file does not exist.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> anyhow::Error {
    let file = format_args!("{}, so nothing was changed", path.display());
    durable_file::unwritable(file, error, "--state-dir")
}

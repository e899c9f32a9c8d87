//! The events on disk: one JSON object a line, in the state directory, in two files of a bounded size. A line that
//! is damaged – a full disk, a cut power line – is skipped and counted, and the rest is read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use synguard_model::event::Event;

const CURRENT: &str = "events.jsonl";
const FORMER: &str = "events.old.jsonl";
/// Bytes of one of the two files.
const SIZE_MAX: u64 = 1024 * 1024;

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a Event,
    message: String,
}

/// Writes events down. What cannot be written is said once, and costs nothing else.
#[derive(Debug)]
pub(crate) struct Writer {
    folder: PathBuf,
    file: Option<File>,
    size: u64,
    size_max: u64,
    has_complained: bool,
}

impl Writer {
    /// A writer for the events in the folder `state`, which is made when there is something to write.
    pub(crate) fn new(state: &Path) -> Self {
        Self { folder: state.to_owned(), file: None, size: 0, size_max: SIZE_MAX, has_complained: false }
    }

    /// Writes down an event that happened at `unix_ms`, in milliseconds since 1970.
    pub(crate) fn write(&mut self, event: &Event, unix_ms: u64) {
        match self.try_write(event, unix_ms) {
            Ok(()) => self.has_complained = false,
            Err(error) if !self.has_complained => {
                self.has_complained = true;
                log::warn!("events are not written down, everything else goes on: {error:#}");
            }
            Err(_) => {}
        }
    }

    fn try_write(&mut self, event: &Event, unix_ms: u64) -> Result<()> {
        let mut line = line(event, unix_ms)?;
        line.push('\n');
        let path = self.folder.join(CURRENT);
        if self.file.is_some() && self.size + line.len() as u64 > self.size_max {
            self.file = None;
            let former = self.folder.join(FORMER);
            fs::rename(&path, &former).with_context(|| format!("rename {}", path.display()))?;
        }
        let write = |this: &mut Self| -> io::Result<()> {
            let file = match &mut this.file {
                Some(file) => file,
                None => {
                    let (file, size) = open(&this.folder, &path)?;
                    this.size = size;
                    this.file.insert(file)
                }
            };
            file.write_all(line.as_bytes())?;
            this.size += line.len() as u64;
            Ok(())
        };
        write(self).inspect_err(|_| self.file = None).with_context(|| format!("write {}", path.display()))
    }
}

/// An event as it is written down, without the line's end.
pub(crate) fn line(event: &Event, unix_ms: u64) -> Result<String> {
    let time = Timestamp::from_millisecond(i64::try_from(unix_ms)?)?;
    let line = Line { time: format!("{time:.3}"), event, message: event.to_string() };
    Ok(serde_json::to_string(&line)?)
}

/// Opens the file for appending. The next line begins on a new one even if the last was cut off.
fn open(folder: &Path, path: &Path) -> io::Result<(File, u64)> {
    fs::create_dir_all(folder)?;
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    let size = file.metadata()?.len();
    if size > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok((file, size))
}

/// The events that were read.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// Each as it was written down, the oldest first.
    pub events: Vec<Value>,
    /// Lines that were none.
    pub damaged: u64,
}

/// Reads events as they come. The first read gives those there are.
#[derive(Debug)]
pub(crate) struct Reader {
    folder: PathBuf,
    file: Option<File>,
    /// The beginning of a line whose end has not been written yet.
    rest: Vec<u8>,
    is_first: bool,
}

impl Reader {
    /// A reader of the events in the folder `state`.
    pub(crate) fn new(state: &Path) -> Self {
        Self { folder: state.to_owned(), file: None, rest: Vec::new(), is_first: true }
    }

    /// Whether any were ever written down.
    pub(crate) fn exists(&self) -> bool {
        [CURRENT, FORMER].iter().any(|name| self.folder.join(name).exists())
    }

    /// Those that were written since the last read.
    ///
    /// # Errors
    ///
    /// If a file is there and cannot be read.
    pub(crate) fn read(&mut self) -> Result<Events> {
        let mut found = Events::default();
        if self.is_first {
            self.is_first = false;
            if let Some(former) = self.open(FORMER)? {
                self.drain(former, &mut found)?;
            }
        }
        if let Some(file) = self.file.take() {
            let file = self.drain(file, &mut found)?;
            if self.is_current(&file) {
                self.file = Some(file);
                return Ok(found);
            }
        }
        if let Some(file) = self.open(CURRENT)? {
            self.file = Some(self.drain(file, &mut found)?);
        }
        Ok(found)
    }

    fn open(&self, name: &str) -> Result<Option<File>> {
        let path = self.folder.join(name);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Whether it is still the file that is written to.
    fn is_current(&self, file: &File) -> bool {
        let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let current = fs::metadata(self.folder.join(CURRENT)).map(inode).ok();
        current.is_some() && current == file.metadata().map(inode).ok()
    }

    /// Reads to the end of a file.
    fn drain(&mut self, mut file: File, found: &mut Events) -> Result<File> {
        let mut bytes = std::mem::take(&mut self.rest);
        file.read_to_end(&mut bytes).with_context(|| format!("read {}", self.folder.display()))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        self.rest = bytes.split_off(whole);
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            match parse(line) {
                Some(event) => found.events.push(event),
                None => found.damaged += 1,
            }
        }
        Ok(file)
    }
}

/// A line if it is an event.
fn parse(line: &[u8]) -> Option<Value> {
    let event: Value = serde_json::from_slice(line).ok()?;
    let is_event =
        ["time", "event", "message"].iter().all(|key| event.get(key).is_some_and(Value::is_string));
    is_event.then_some(event)
}

#[cfg(test)]
#[path = "event_log_tests.rs"]
mod tests;

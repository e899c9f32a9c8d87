//! The event log on disk: one JSON object a line, in the state directory, in two files of a bounded size. A damaged line,
//! left by a full disk or a power failure, is skipped and counted, and the rest is read.

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
use synguard_kernel::clock;
use synguard_model::event::Event;

const CURRENT: &str = "events.jsonl";
const FORMER: &str = "events.old.jsonl";
/// Maximum size of each of the two files, in bytes.
const SIZE_MAX: u64 = 1024 * 1024;

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a Event,
    message: String,
}

/// A writer of the event log. The first error of a series is logged; errors have no other effect.
#[derive(Debug)]
pub(crate) struct EventLog {
    folder: PathBuf,
    file: Option<File>,
    size: u64,
    size_max: u64,
    is_error_logged: bool,
}

impl EventLog {
    /// Creates the writer of the log in the folder `state`, which is created with the first event.
    pub(crate) fn new(state: &Path) -> Self {
        Self { folder: state.to_owned(), file: None, size: 0, size_max: SIZE_MAX, is_error_logged: false }
    }

    /// Reports events: logs each on standard error and appends it to the event log.
    pub(crate) fn report(&mut self, events: &[Event]) {
        for event in events {
            log::log!(event.level(), "{event}");
            self.write(event, clock::unix_ms());
        }
    }

    /// Appends an event that happened at `unix_ms`, in milliseconds since 1970.
    fn write(&mut self, event: &Event, unix_ms: u64) {
        match self.try_write(event, unix_ms) {
            Ok(()) => self.is_error_logged = false,
            Err(error) if !self.is_error_logged => {
                self.is_error_logged = true;
                log::warn!("events cannot be written to the event log, everything else continues: {error:#}");
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

/// Formats an event as a line of the log, without the newline.
pub(crate) fn line(event: &Event, unix_ms: u64) -> Result<String> {
    let time = Timestamp::from_millisecond(i64::try_from(unix_ms)?)?;
    let line = Line { time: format!("{time:.3}"), event, message: event.to_string() };
    Ok(serde_json::to_string(&line)?)
}

/// Opens the file for appending. Ends an incomplete last line, so that the next event begins a new one.
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

/// Events read from the log.
#[derive(Debug, Default)]
pub(crate) struct EventBatch {
    /// The events as JSON, the oldest first.
    pub events: Vec<Value>,
    /// The number of damaged lines.
    pub damaged: u64,
}

/// A reader that follows the event log. The first read returns all events of the log.
#[derive(Debug)]
pub(crate) struct EventLogReader {
    folder: PathBuf,
    file: Option<File>,
    /// The beginning of an incomplete last line.
    rest: Vec<u8>,
    is_first: bool,
}

impl EventLogReader {
    /// Creates a reader of the log in the folder `state`.
    pub(crate) fn new(state: &Path) -> Self {
        Self { folder: state.to_owned(), file: None, rest: Vec::new(), is_first: true }
    }

    /// Reports whether there is a log.
    pub(crate) fn exists(&self) -> bool {
        [CURRENT, FORMER].iter().any(|name| self.folder.join(name).exists())
    }

    /// Reads the events that were written since the last call. A missing file is no error.
    pub(crate) fn read_new(&mut self) -> Result<EventBatch> {
        let mut batch = EventBatch::default();
        if self.is_first {
            self.is_first = false;
            if let Some(former) = self.open(FORMER)? {
                self.drain(former, &mut batch)?;
            }
        }
        if let Some(file) = self.file.take() {
            let file = self.drain(file, &mut batch)?;
            if self.is_current(&file) {
                self.file = Some(file);
                return Ok(batch);
            }
        }
        if let Some(file) = self.open(CURRENT)? {
            self.file = Some(self.drain(file, &mut batch)?);
        }
        Ok(batch)
    }

    fn open(&self, name: &str) -> Result<Option<File>> {
        let path = self.folder.join(name);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Reports whether events are still appended to this file.
    fn is_current(&self, file: &File) -> bool {
        let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let current = fs::metadata(self.folder.join(CURRENT)).map(inode).ok();
        current.is_some() && current == file.metadata().map(inode).ok()
    }

    /// Reads a file to its end.
    fn drain(&mut self, mut file: File, batch: &mut EventBatch) -> Result<File> {
        let mut bytes = std::mem::take(&mut self.rest);
        #[expect(clippy::verbose_file_reads, reason = "reading goes on where it ended the last time")]
        let read = file.read_to_end(&mut bytes);
        read.with_context(|| format!("read {}", self.folder.display()))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        self.rest = bytes.split_off(whole);
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            match parse(line) {
                Some(event) => batch.events.push(event),
                None => batch.damaged += 1,
            }
        }
        Ok(file)
    }
}

/// Parses a line; `None` if it is not an event.
fn parse(line: &[u8]) -> Option<Value> {
    let event: Value = serde_json::from_slice(line).ok()?;
    let is_event =
        ["time", "event", "message"].iter().all(|key| event.get(key).is_some_and(Value::is_string));
    is_event.then_some(event)
}

#[cfg(test)]
#[path = "event_log_tests.rs"]
mod tests;

//! The event log on disk: one JSON object a line, in the state directory, in two files of a bounded size. The controller and the
//! commands that change something write it. A damaged line, left by a full disk or a power failure, is skipped and counted, and
//! the rest is read.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use synguard_kernel::clock::{self, Deadline};
use synguard_model::event::Event;

const CURRENT: &str = "events.jsonl";
const FORMER: &str = "events.old.jsonl";
/// Maximum size of each of the two files, in bytes.
const SIZE_MAX: u64 = 1024 * 1024;
/// Most events that wait to be written; the latest ones are kept.
const WAITING_MAX: usize = 1_000;
/// Longest time to wait for another writer. A writer holds the lock for microseconds.
const LOCK_WAIT: Duration = Duration::from_millis(100);
const LOCK_POLL: Duration = Duration::from_millis(1);
/// Most files to open for one line.
const REOPEN_MAX: usize = 16;

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a Event,
    message: String,
}

/// A writer of the event log, beside which other processes may write. The first error of a series is logged; events that cannot
/// be written wait until they can be.
///
/// Each line is appended under a lock on the file, and whoever finds the file full renames it. A process that waited for the
/// lock meanwhile, or had the file open, notices that its file is no longer the current one and opens that.
#[derive(Debug)]
pub(crate) struct EventLog {
    folder: PathBuf,
    file: Option<File>,
    size_max: u64,
    is_error_logged: bool,
    /// Lines that could not be written yet, the oldest first, at most [`WAITING_MAX`].
    waiting: VecDeque<String>,
}

impl EventLog {
    /// Creates the writer of the log in the folder `state`, which is created with the first event.
    pub(crate) fn new(state: &Path) -> Self {
        Self {
            folder: state.to_owned(),
            file: None,
            size_max: SIZE_MAX,
            is_error_logged: false,
            waiting: VecDeque::new(),
        }
    }

    /// Reports events: logs each on standard error and appends it to the event log, after those that could not be written
    /// before.
    pub(crate) fn report(&mut self, events: &[Event]) {
        for event in events {
            log::log!(event.level(), "{event}");
            self.record(event);
        }
        self.write_waiting();
    }

    /// Appends an event to the event log only.
    pub(crate) fn record(&mut self, event: &Event) {
        self.write(event, clock::unix_ms());
    }

    /// Appends an event that happened at `unix_ms`, in milliseconds since 1970.
    fn write(&mut self, event: &Event, unix_ms: u64) {
        match line(event, unix_ms) {
            Ok(line) => {
                if self.waiting.len() == WAITING_MAX {
                    self.waiting.pop_front();
                }
                self.waiting.push_back(line + "\n");
            }
            Err(error) => log::warn!("an event cannot be written: {error:#}"),
        }
        self.write_waiting();
    }

    fn write_waiting(&mut self) {
        while let Some(line) = self.waiting.pop_front() {
            if let Err(error) = self.try_write(&line) {
                self.waiting.push_front(line);
                if !self.is_error_logged {
                    self.is_error_logged = true;
                    let why = "events cannot be written to the event log and wait, everything else continues";
                    log::warn!("{why}: {error:#}");
                }
                return;
            }
            self.is_error_logged = false;
        }
    }

    fn try_write(&mut self, line: &str) -> Result<()> {
        let path = self.folder.join(CURRENT);
        self.append(&path, line.as_bytes())
            .inspect_err(|_| self.file = None)
            .with_context(|| format!("write {}", path.display()))
    }

    fn append(&mut self, path: &Path, line: &[u8]) -> io::Result<()> {
        for _ in 0..REOPEN_MAX {
            let mut file = match self.file.take() {
                Some(file) => file,
                None => open(&self.folder, path)?,
            };
            let is_locked = lock(&file)?;
            if !is_same(path, &file) {
                // Another process renamed this file, or somebody removed it.
                continue;
            }
            let size = file.metadata()?.len();
            if is_locked && size > 0 && size + line.len() as u64 > self.size_max {
                fs::rename(path, self.folder.join(FORMER))?;
                continue;
            }
            let written = end_last_line(&mut file, size).and_then(|()| file.write_all(line));
            if is_locked {
                if written.is_err() {
                    // A part of the line may have been written. If it stays, readers skip it as damaged.
                    let _ = file.set_len(size);
                }
                file.unlock()?;
            }
            written?;
            self.file = Some(file);
            return Ok(());
        }
        Err(io::Error::other("the file is renamed again and again"))
    }
}

/// Locks the file against other writers. Returns `false` if another process holds the lock for too long, perhaps because it
/// was stopped: a single write appends a whole line without the lock, too, but the file must not be renamed then.
fn lock(file: &File) -> io::Result<bool> {
    let deadline = Deadline::after(LOCK_WAIT);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if deadline.has_passed() => return Ok(false),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_POLL),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Formats an event as a line of the log, without the newline.
pub(crate) fn line(event: &Event, unix_ms: u64) -> Result<String> {
    let time = Timestamp::from_millisecond(i64::try_from(unix_ms)?)?;
    let line = Line { time: format!("{time:.3}"), event, message: event.to_string() };
    Ok(serde_json::to_string(&line)?)
}

/// Opens the file for appending.
fn open(folder: &Path, path: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)
}

/// Ends an incomplete last line, which a full disk or a power failure left, so that the next event begins a new one.
fn end_last_line(file: &mut File, size: u64) -> io::Result<()> {
    let mut last = [b'\n'];
    if size > 0 {
        file.seek(SeekFrom::Start(size - 1))?;
        file.read_exact(&mut last)?;
    }
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

/// Reports whether an open file is the one at `path`.
fn is_same(path: &Path, file: &File) -> bool {
    let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let there = fs::metadata(path).map(inode).ok();
    there.is_some() && there == file.metadata().map(inode).ok()
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

    /// Reads the events that were written since the last call. A missing file is no error.
    pub(crate) fn read_new(&mut self) -> Result<EventBatch> {
        let mut events = Vec::new();
        let damaged = self.for_each_new(|event| events.push(event))?;
        Ok(EventBatch { events, damaged })
    }

    /// Passes the events that were written since the last call to `visit`, and returns the number of damaged lines. The events
    /// of a full log as JSON values are many times its size, so they are not kept here.
    pub(crate) fn for_each_new(&mut self, mut visit: impl FnMut(Value)) -> Result<u64> {
        let mut damaged = 0;
        if self.is_first {
            self.is_first = false;
            // In this order, no event is missed or read twice if a writer renames the file in between.
            let current = self.open(CURRENT)?;
            if let Some(former) = self.open(FORMER)? {
                let is_renamed =
                    current.as_ref().is_some_and(|file| is_same(&self.folder.join(FORMER), file));
                if !is_renamed {
                    self.drain(former, &mut visit, &mut damaged)?;
                }
            }
            self.file = current;
        }
        if let Some(file) = self.file.take() {
            let file = self.drain(file, &mut visit, &mut damaged)?;
            if is_same(&self.folder.join(CURRENT), &file) {
                self.file = Some(file);
                return Ok(damaged);
            }
        }
        if let Some(file) = self.open(CURRENT)? {
            self.file = Some(self.drain(file, &mut visit, &mut damaged)?);
        }
        Ok(damaged)
    }

    fn open(&self, name: &str) -> Result<Option<File>> {
        let path = self.folder.join(name);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Reads a file to its end.
    fn drain(&mut self, mut file: File, visit: &mut impl FnMut(Value), damaged: &mut u64) -> Result<File> {
        let mut bytes = std::mem::take(&mut self.rest);
        #[expect(clippy::verbose_file_reads, reason = "reading goes on where it ended the last time")]
        let read = file.read_to_end(&mut bytes);
        read.with_context(|| format!("read {}", self.folder.display()))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        self.rest = bytes.split_off(whole);
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            match parse(line) {
                Some(event) => visit(event),
                None => *damaged += 1,
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

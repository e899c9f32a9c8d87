//! The log on standard error: with times and colours for people, or with the priorities that journald understands. While a
//! full-screen view is open there, lines are buffered and written when it closes.

use std::{
    io::{self, Write as _},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use env_logger::Logger;
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Maximum number of buffered lines; the latest ones are kept.
const BUFFERED_MAX: usize = 100;

/// The buffered lines; `None` while lines are written at once.
static BUFFER: Mutex<Option<Vec<(Level, String)>>> = Mutex::new(None);

fn buffer() -> MutexGuard<'static, Option<Vec<(Level, String)>>> {
    BUFFER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the logger: level info, and with each `-v` one level more.
pub fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let mut builder = env_logger::Builder::new();
    builder.filter(Some("synguard"), level).filter(Some("aya"), LevelFilter::Error).format_target(false);
    let journal = std::env::var("JOURNAL_STREAM").ok();
    if journal.as_deref().and_then(parse_stream).is_some_and(|stream| Some(stream) == standard_error()) {
        builder.format(|out, record| writeln!(out, "<{}>{}", priority(record.level()), record.args()));
    }
    let logger = builder.build();
    let max = logger.filter();
    // A logger that was set before stays.
    if log::set_boxed_logger(Box::new(BufferedLogger(logger))).is_ok() {
        log::set_max_level(max);
    }
}

/// A logger that can buffer lines.
struct BufferedLogger(Logger);

impl Log for BufferedLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        match &mut *buffer() {
            Some(lines) if self.0.matches(record) => {
                if lines.len() >= BUFFERED_MAX {
                    lines.remove(0);
                }
                lines.push((record.level(), record.args().to_string()));
            }
            Some(_) => {}
            None => self.0.log(record),
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// A pause of the log: lines are buffered until it is dropped.
#[derive(Debug)]
pub(crate) struct PauseLogging(());

impl PauseLogging {
    /// Begins to buffer lines.
    pub(crate) fn begin() -> Self {
        buffer().get_or_insert_default();
        Self(())
    }
}

impl Drop for PauseLogging {
    fn drop(&mut self) {
        let lines = mem::take(&mut *buffer());
        for (level, line) in lines.into_iter().flatten() {
            log::log!(level, "{line}");
        }
    }
}

/// Parses device and inode of the journal's stream, as systemd passes them in `JOURNAL_STREAM`. Pure.
fn parse_stream(variable: &str) -> Option<(u64, u64)> {
    let (device, inode) = variable.split_once(':')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}

/// Returns device and inode of standard error, which may have been redirected since systemd started the process.
fn standard_error() -> Option<(u64, u64)> {
    rustix::fs::fstat(io::stderr()).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// Returns the priority of a level, as in `sd-daemon(3)`.
const fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_is_two_numbers() {
        assert_eq!(parse_stream("8:1234"), Some((8, 1234)));
        for other in ["", "8", "8:", ":1", "8:x", "-1:2", "8:1:2"] {
            assert_eq!(parse_stream(other), None, "{other}");
        }
    }
}

//! What is logged goes to standard error, but not while a screen is open there: then it is kept, and said when that
//! is closed.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use env_logger::Logger;
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Lines that are kept at most; the latest are those that matter.
const KEPT_MAX: usize = 100;

/// Lines kept back; `None` while nothing is.
static KEPT: Mutex<Option<Vec<(Level, String)>>> = Mutex::new(None);

fn kept() -> MutexGuard<'static, Option<Vec<(Level, String)>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts logging; `verbose` is how often more was asked for.
pub fn init(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let logger = env_logger::Builder::new()
        .filter(Some("synguard"), level)
        .filter(Some("aya"), LevelFilter::Error)
        .format_target(false)
        .build();
    let max = logger.filter();
    if log::set_boxed_logger(Box::new(Patient(logger))).is_ok() {
        log::set_max_level(max);
    }
}

/// A logger that can wait.
struct Patient(Logger);

impl Log for Patient {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        match &mut *kept() {
            Some(lines) if self.0.matches(record) => {
                if lines.len() >= KEPT_MAX {
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

/// Keeps lines back until it is dropped.
#[derive(Debug)]
pub struct Silence(());

impl Silence {
    /// From now on.
    pub fn begin() -> Self {
        kept().get_or_insert_default();
        Self(())
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        for (level, line) in mem::take(&mut *kept()).into_iter().flatten() {
            log::log!(level, "{line}");
        }
    }
}

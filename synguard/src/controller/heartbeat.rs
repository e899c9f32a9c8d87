//! The sign of life of a controller: a small file in the run directory into which it writes the time with each tick. A
//! controller that is stopped or hangs still holds its lock; only this tells.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use synguard_kernel::clock;

const FILE: &str = "heartbeat";
/// The age from which a controller counts as not responding: eight ticks, more than a busy machine delays one.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// The controller's end: writes the time.
#[derive(Debug)]
pub(super) struct Heartbeat {
    path: PathBuf,
    file: Option<File>,
}

impl Heartbeat {
    pub(super) fn new(run: &Path) -> Self {
        Self { path: run.join(FILE), file: None }
    }

    /// Writes the time, in nanoseconds of `CLOCK_MONOTONIC`. The length of the text never changes, so that no reader sees
    /// a part of it.
    pub(super) fn beat(&mut self, now_ns: u64) {
        if let Err(error) = self.write(now_ns) {
            log::debug!("{}: {error}", self.path.display());
            self.file = None;
        }
    }

    /// Has the next beat create the file, because the run directory was removed.
    pub(super) fn create_again(&mut self) {
        self.file = None;
    }

    fn write(&mut self, now_ns: u64) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => {
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(false).mode(0o600);
                self.file.insert(options.open(&self.path)?)
            }
        };
        file.write_all_at(format!("{now_ns:020}\n").as_bytes(), 0)
    }
}

/// Returns the time since the controller's last sign of life, if there is any.
pub(crate) fn age(run: &Path) -> Option<Duration> {
    let text = fs::read_to_string(run.join(FILE)).ok()?;
    let at_ns: u64 = text.trim().parse().ok()?;
    Some(Duration::from_nanos(clock::now_ns().saturating_sub(at_ns)))
}

/// Reports whether a controller whose last sign of life is so old responds. One that has given none has just begun.
pub(crate) fn is_responding(age: Option<Duration>) -> bool {
    age.is_none_or(|age| age < SILENCE_MAX)
}

/// Removes the file from the run directory.
pub(super) fn remove(run: &Path) {
    // It is not there if the controller ended before its first tick.
    let _ = fs::remove_file(run.join(FILE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_that_of_the_last_beat() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path();
        assert!(age(run).is_none() && is_responding(None));
        let mut heartbeat = Heartbeat::new(run);
        heartbeat.beat(clock::now_ns() - 5_000_000_000);
        let old = age(run).expect("a beat");
        assert!(old >= Duration::from_secs(5) && !is_responding(Some(old)), "{old:?}");
        heartbeat.beat(clock::now_ns());
        assert!(is_responding(age(run)) && age(run) < Some(Duration::from_secs(1)));
        fs::remove_file(run.join(FILE)).expect("removed");
        heartbeat.beat(clock::now_ns());
        assert_eq!(age(run), None, "it goes into the file that was removed");
        heartbeat.create_again();
        heartbeat.beat(clock::now_ns());
        assert!(age(run).is_some());
        remove(run);
        assert_eq!(fs::read_dir(run).expect("a folder").count(), 0);
    }
}

//! The log: on standard error, with times and colours for people, or with the priorities that journald understands.

use std::{
    fs::File, io::Write as _, mem::ManuallyDrop, os::fd::FromRawFd as _, os::unix::fs::MetadataExt as _,
};

use log::{Level, LevelFilter};

/// Begins to log: what is worth knowing, and with each `-v` more of what is done.
pub fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let mut builder = env_logger::Builder::new();
    builder.filter(Some("synguard"), level).filter(Some("aya"), LevelFilter::Error).format_target(false);
    let journal = std::env::var("JOURNAL_STREAM").ok();
    if journal.as_deref().and_then(stream).is_some_and(|stream| Some(stream) == standard_error()) {
        builder.format(|out, record| writeln!(out, "<{}>{}", priority(record.level()), record.args()));
    }
    builder.init();
}

/// Device and inode of the journal's stream, as systemd passes them. Pure.
fn stream(variable: &str) -> Option<(u64, u64)> {
    let (device, inode) = variable.split_once(':')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}

/// Those of standard error, which may have been led elsewhere since systemd started us.
fn standard_error() -> Option<(u64, u64)> {
    // SAFETY: whatever the descriptor is, it is only asked about, and never closed here.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDERR_FILENO) });
    file.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The priority of a level, as in `sd-daemon(3)`.
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
    fn streams_are_two_numbers() {
        assert_eq!(stream("8:1234"), Some((8, 1234)));
        for other in ["", "8", "8:", ":1", "8:x", "-1:2", "8:1:2"] {
            assert_eq!(stream(other), None, "{other}");
        }
    }
}

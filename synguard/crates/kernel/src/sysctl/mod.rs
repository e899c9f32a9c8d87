//! The only reader and writer of `/proc/sys`, and the owner of the settings that are raised while a flood lasts: each is
//! only ever raised, what it was is written to disk before, and put back only while it still is what was written.
//!
//! The kernel resolves `net` to the namespace of the process.

mod decide;
mod guard;
mod saved_value;
mod tcp_stack;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use self::{
    decide::{Here, Restore, to_restore},
    saved_value::Journal,
};
pub use self::{
    guard::{Owner, Raised, Restored},
    tcp_stack::{Stack, stack},
};

const IPV4: &str = "/proc/sys/net/ipv4";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A setting that is raised while a flood lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `net.ipv4.tcp_syncookies`: 0 never, 1 when a listener's queue is full, 2 always.
    Syncookies,
    /// `net.ipv4.tcp_timestamps`: 0 none, 1 with a secret offset for each pair of hosts, 2 without.
    Timestamps,
}

impl Setting {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Syncookies, Self::Timestamps];

    /// Its name, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syncookies => "net.ipv4.tcp_syncookies",
            Self::Timestamps => "net.ipv4.tcp_timestamps",
        }
    }

    /// What it is; `None` if it cannot be read, as in a kernel without it.
    pub fn read(self) -> Option<u8> {
        read_number(&self.path())
    }

    /// Whether it is at least what it is raised to.
    pub fn is_up(self) -> bool {
        self.read().is_some_and(|value| value >= decide::RAISED)
    }

    fn path(self) -> PathBuf {
        Path::new(IPV4).join(match self {
            Self::Syncookies => "tcp_syncookies",
            Self::Timestamps => "tcp_timestamps",
        })
    }

    /// The name of its journal.
    const fn journal(self) -> &'static str {
        match self {
            Self::Syncookies => "syncookies.json",
            Self::Timestamps => "timestamps.json",
        }
    }
}

/// What the setting was before it was raised, if the journal in `run` says that it is raised now.
pub fn owed(run: &Path, setting: Setting) -> Option<u8> {
    let entry = Journal::new(run, setting).read().ok()??;
    let here = Here { boot: &boot_id().ok()?, netns: guard::netns_cookie().ok()?, current: setting.read() };
    matches!(to_restore(&entry, &here), Restore::Write { .. }).then_some(entry.original)
}

/// Whether another instance, whose folder is beside `run`, has raised it and will put it back.
pub fn is_raised_beside(run: &Path, setting: Setting) -> bool {
    let beside = run.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    beside.map(|entry| entry.path()).any(|folder| folder != run && owed(&folder, setting).is_some())
}

/// Whether a journal in `run` has anything to say.
pub fn is_journalled(run: &Path) -> bool {
    Setting::ALL.into_iter().any(|setting| Journal::new(run, setting).exists())
}

fn read_number(path: &Path) -> Option<u8> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Writes a number and reads it back.
fn write_checked(path: &Path, value: u8) -> Result<()> {
    fs::write(path, value.to_string()).map_err(|error| explain(path, &error))?;
    match read_number(path) {
        Some(read) if read == value => Ok(()),
        read => anyhow::bail!("wrote {value} to {}, but it reads {read:?}", path.display()),
    }
}

fn explain(path: &Path, error: &io::Error) -> anyhow::Error {
    let hint = match error.raw_os_error() {
        Some(libc::EROFS) => ": /proc/sys is read-only here, set it from outside the container",
        Some(libc::EACCES | libc::EPERM) => ": it takes CAP_NET_ADMIN in this network namespace",
        _ => "",
    };
    anyhow::anyhow!("cannot write {} ({error}){hint}", path.display())
}

/// A name that no two boots share.
fn boot_id() -> Result<String> {
    Ok(fs::read_to_string(BOOT_ID).with_context(|| format!("read {BOOT_ID}"))?.trim().to_owned())
}

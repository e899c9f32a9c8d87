//! Raises a setting and puts it back.

use std::{
    io,
    os::{fd::AsRawFd as _, unix::net::UnixDatagram},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{
    Setting, boot_id,
    decide::{Here, Raise, Restore, to_raise, to_restore},
    read_number,
    saved_value::{Entry, Journal},
    write_checked,
};

/// What became of raising a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raised {
    /// It was raised.
    Raised {
        /// What it was.
        from: u8,
        /// What it is.
        to: u8,
    },
    /// There is nothing to raise; nothing was touched.
    AlreadyUp(u8),
}

/// What became of putting a setting back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// Nothing was raised, or it is back already.
    Nothing,
    /// It was put back.
    Back {
        /// What it was.
        from: u8,
        /// What it is.
        to: u8,
    },
    /// Somebody else has changed it: it was left as it is.
    LeftAlone {
        /// What it is.
        found: u8,
        /// What was written.
        written: u8,
        /// What it was before.
        original: u8,
    },
}

/// Raises a setting and puts it back.
#[derive(Debug)]
pub struct Owner {
    setting: Setting,
    path: PathBuf,
    journal: Journal,
    held: Option<Entry>,
}

impl Owner {
    /// The owner whose journal is in the folder `run`. What the journal holds is left as it is.
    pub fn new(run: &Path, setting: Setting) -> Self {
        Self { setting, path: setting.path(), journal: Journal::new(run, setting), held: None }
    }

    /// Raises it to 2, if it is less; what it was is on disk before that.
    ///
    /// # Errors
    ///
    /// If the journal or the setting cannot be written, or the setting is not what was written afterwards. It is
    /// unchanged then.
    pub fn raise(&mut self) -> Result<Raised> {
        let current = self.read().with_context(|| format!("read {}", self.path.display()))?;
        let (from, to) = match to_raise(current) {
            Raise::Write { from, to } => (from, to),
            Raise::AlreadyUp(value) => return Ok(Raised::AlreadyUp(value)),
        };
        let entry = Entry { boot: boot_id()?, netns: netns_cookie()?, original: from, written: to };
        self.journal.write(&entry)?;
        if let Err(error) = write_checked(&self.path, to) {
            // Not raised: nothing is owed.
            self.journal.remove();
            return Err(error);
        }
        self.held = Some(entry);
        Ok(Raised::Raised { from, to })
    }

    /// Whether this owner has raised it.
    pub const fn is_raised(&self) -> bool {
        self.held.is_some()
    }

    /// What it was before it was raised.
    pub fn original(&self) -> Option<u8> {
        self.held.as_ref().map(|entry| entry.original)
    }

    /// Looks whether somebody else has changed it since it was raised. If so it is not ours any more.
    pub fn check(&mut self) -> Restored {
        let (Some(entry), Some(found)) = (&self.held, self.read()) else { return Restored::Nothing };
        if found == entry.written {
            return Restored::Nothing;
        }
        let left = Restored::LeftAlone { found, written: entry.written, original: entry.original };
        self.forget();
        left
    }

    /// Puts it back if the journal says that it is owed: this owner's own work, or that of a controller that was
    /// killed. What another boot owed is void, for then the setting was made anew.
    ///
    /// # Errors
    ///
    /// If it cannot be put back, or belongs to another network namespace: the journal stays.
    pub fn restore(&mut self) -> Result<Restored> {
        let Some(entry) = self.journal.read()? else {
            self.held = None;
            return Ok(Restored::Nothing);
        };
        let here = Here { boot: &boot_id()?, netns: netns_cookie()?, current: self.read() };
        let restored = match to_restore(&entry, &here) {
            Restore::Write { from, to } => {
                write_checked(&self.path, to)?;
                Restored::Back { from, to }
            }
            Restore::Void => Restored::Nothing,
            Restore::Foreign { found } => {
                Restored::LeftAlone { found, written: entry.written, original: entry.original }
            }
            Restore::Unreadable => anyhow::bail!(
                "{} cannot be read: set {}={} by hand",
                self.path.display(),
                self.setting.name(),
                entry.original
            ),
            Restore::Elsewhere => anyhow::bail!(
                "it was raised from {} to {} in another network namespace: run `synguard detach` there",
                entry.original,
                entry.written
            ),
        };
        self.forget();
        Ok(restored)
    }

    fn read(&self) -> Option<u8> {
        read_number(&self.path)
    }

    fn forget(&mut self) {
        self.journal.remove();
        self.held = None;
    }
}

/// A number that no two network namespaces of one boot share, not even one after the other.
pub(super) fn netns_cookie() -> Result<u64> {
    let socket = UnixDatagram::unbound().context("open a socket")?;
    let (mut cookie, mut length) = (0u64, size_of::<u64>() as libc::socklen_t);
    // SAFETY: the descriptor is open, and the pointers are to memory of ours of the size given.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error()).context("ask for the network namespace's number");
    }
    Ok(cookie)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;

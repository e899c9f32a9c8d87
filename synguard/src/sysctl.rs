//! The only reader and writer of `/proc/sys`, and the owner of `net.ipv4.tcp_syncookies` while a flood lasts: it is
//! only ever raised, what it was is written to disk before, and put back only while it still is what was written.
//!
//! The kernel resolves `net` to the namespace of the process.

mod decide;
mod journal;

use std::{fs, io, os::fd::AsRawFd as _, os::unix::net::UnixDatagram, path::Path};

use anyhow::{Context as _, Result};

use self::{
    decide::{Here, Raise, Restore, to_raise, to_restore},
    journal::{Entry, Journal},
};

const SYNCOOKIES: &str = "/proc/sys/net/ipv4/tcp_syncookies";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The setting's name, for messages.
pub const NAME: &str = "net.ipv4.tcp_syncookies";

/// `net.ipv4.tcp_syncookies`: 0 never, 1 when a listener's queue is full, 2 always. `None` if it cannot be
/// read, as in a kernel without SYN cookies.
pub fn tcp_syncookies() -> Option<u8> {
    fs::read_to_string(SYNCOOKIES).ok()?.trim().parse().ok()
}

/// What became of raising it.
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

/// What became of putting it back.
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

/// Raises the setting and puts it back.
#[derive(Debug)]
pub struct Syncookies {
    journal: Journal,
    held: Option<Entry>,
}

impl Syncookies {
    /// The owner whose journal is in the folder `run`. What the journal holds is left as it is.
    pub fn new(run: &Path) -> Self {
        Self { journal: Journal::new(run), held: None }
    }

    /// Raises it to 2, if it is less; what it was is on disk before that.
    ///
    /// # Errors
    ///
    /// If the journal or the setting cannot be written, or the setting is not what was written afterwards. It is
    /// unchanged then.
    pub fn raise(&mut self) -> Result<Raised> {
        let (from, to) = match to_raise(tcp_syncookies().with_context(|| format!("read {SYNCOOKIES}"))?) {
            Raise::Write { from, to } => (from, to),
            Raise::AlreadyUp(value) => return Ok(Raised::AlreadyUp(value)),
        };
        let entry = Entry { boot: boot_id()?, netns: netns_cookie()?, original: from, written: to };
        self.journal.write(&entry)?;
        if let Err(error) = write_checked(to) {
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
        let (Some(entry), Some(found)) = (&self.held, tcp_syncookies()) else { return Restored::Nothing };
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
        let here = Here { boot: &boot_id()?, netns: netns_cookie()?, current: tcp_syncookies() };
        let restored = match to_restore(&entry, &here) {
            Restore::Write { from, to } => {
                write_checked(to)?;
                Restored::Back { from, to }
            }
            Restore::Void => Restored::Nothing,
            Restore::Foreign { found } => {
                Restored::LeftAlone { found, written: entry.written, original: entry.original }
            }
            Restore::Unreadable => {
                anyhow::bail!("{SYNCOOKIES} cannot be read: set {NAME}={} by hand", entry.original)
            }
            Restore::Elsewhere => anyhow::bail!(
                "it was raised from {} to {} in another network namespace: run `synguard detach` there",
                entry.original,
                entry.written
            ),
        };
        self.forget();
        Ok(restored)
    }

    fn forget(&mut self) {
        self.journal.remove();
        self.held = None;
    }
}

/// What the setting was before it was raised, if the journal in `run` says that it is raised now.
pub fn owed(run: &Path) -> Option<u8> {
    let entry = Journal::new(run).read().ok()??;
    let here = Here { boot: &boot_id().ok()?, netns: netns_cookie().ok()?, current: tcp_syncookies() };
    matches!(to_restore(&entry, &here), Restore::Write { .. }).then_some(entry.original)
}

/// Whether another instance, whose folder is beside `run`, has raised it and will put it back.
pub fn is_raised_beside(run: &Path) -> bool {
    let beside = run.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    beside.map(|entry| entry.path()).any(|folder| folder != run && owed(&folder).is_some())
}

/// Whether the journal in `run` has anything to say.
pub fn is_journalled(run: &Path) -> bool {
    Journal::new(run).exists()
}

/// Writes the setting and reads it back.
fn write_checked(value: u8) -> Result<()> {
    fs::write(SYNCOOKIES, value.to_string()).map_err(explain)?;
    match tcp_syncookies() {
        Some(read) if read == value => Ok(()),
        read => anyhow::bail!("wrote {value} to {SYNCOOKIES}, but it reads {read:?}"),
    }
}

fn explain(error: io::Error) -> anyhow::Error {
    let hint = match error.raw_os_error() {
        Some(libc::EROFS) => ": /proc/sys is read-only here, set it from outside the container",
        Some(libc::EACCES | libc::EPERM) => ": it takes CAP_NET_ADMIN in this network namespace",
        _ => "",
    };
    anyhow::anyhow!("cannot write {SYNCOOKIES} ({error}){hint}")
}

/// A name that no two boots share.
fn boot_id() -> Result<String> {
    Ok(fs::read_to_string(BOOT_ID).with_context(|| format!("read {BOOT_ID}"))?.trim().to_owned())
}

/// A number that no two network namespaces of one boot share, not even one after the other.
fn netns_cookie() -> Result<u64> {
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

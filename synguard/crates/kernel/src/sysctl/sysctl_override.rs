//! Raises a sysctl and restores it, crash-safe: the old value is on disk before the sysctl changes.

use std::{
    io,
    os::{fd::AsRawFd as _, unix::net::UnixDatagram},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use synguard_model::event::{AttackRates, Sysctl, SysctlChange};

use super::{
    boot_id,
    decide::{Environment, RaiseDecision, RestoreDecision, decide_raise, decide_restore},
    read_number,
    saved_value::{SavedValue, SavedValueFile},
    write_checked,
};

/// A sysctl that can be raised, with the file of its saved value.
#[derive(Debug)]
pub(super) struct SysctlOverride {
    sysctl: Sysctl,
    path: PathBuf,
    file: SavedValueFile,
    /// The saved value, while this override has the sysctl raised.
    saved: Option<SavedValue>,
}

impl SysctlOverride {
    /// Creates the override of a sysctl, with its saved value in the folder `run`. Leaves an existing file as it is.
    pub(super) fn new(run: &Path, sysctl: Sysctl) -> Self {
        Self { sysctl, path: super::path(sysctl), file: SavedValueFile::new(run, sysctl), saved: None }
    }

    /// Raises the sysctl to 2 if it is lower. `rates` are passed on to the event.
    ///
    /// # Errors
    ///
    /// If the old value cannot be saved, or the sysctl cannot be written or reads differently afterwards. The sysctl is
    /// unchanged then.
    pub(super) fn raise(&mut self, rates: AttackRates) -> Result<SysctlChange> {
        let current = self.read().with_context(|| format!("read {}", self.path.display()))?;
        let (from, to) = match decide_raise(current) {
            RaiseDecision::Write { from, to } => (from, to),
            RaiseDecision::AlreadyRaised(value) => return Ok(SysctlChange::AlreadyRaised { value }),
        };
        let saved = SavedValue { boot: boot_id()?, netns: netns_cookie()?, original: from, written: to };
        self.file.write(&saved)?;
        if let Err(error) = write_checked(&self.path, to) {
            // The sysctl was not raised, so nothing must be restored.
            self.file.remove();
            return Err(error);
        }
        self.saved = Some(saved);
        Ok(SysctlChange::Raised { from, to, rates })
    }

    /// Reports whether this override raised the sysctl.
    pub(super) const fn is_overriding(&self) -> bool {
        self.saved.is_some()
    }

    /// Returns the value that the sysctl had before it was raised.
    pub(super) fn original(&self) -> Option<u8> {
        self.saved.as_ref().map(|saved| saved.original)
    }

    /// Detects that another program changed the sysctl since it was raised. It is not restored after that.
    pub(super) fn check(&mut self) -> Option<SysctlChange> {
        let (saved, found) = (self.saved.as_ref()?, self.read()?);
        if found == saved.written {
            // Somebody may have removed the run directory, and a crash would leave the sysctl raised for good.
            if !self.file.exists()
                && let Err(error) = self.file.write(saved)
            {
                log::warn!("the old value of {} cannot be saved again: {error:#}", self.sysctl.name());
            }
            return None;
        }
        let change = SysctlChange::LeftAlone { found, written: saved.written, original: saved.original };
        self.discard();
        Some(change)
    }

    /// Restores the sysctl if there is a saved value, be it of this override or of a killed controller. A saved value of
    /// another boot is void, because the kernel started with its own value.
    ///
    /// # Errors
    ///
    /// If the sysctl cannot be restored, or the saved value belongs to another network namespace. The file stays.
    pub(super) fn restore(&mut self, after_crash: bool) -> Result<Option<SysctlChange>> {
        let Some(saved) = self.file.read()?.or_else(|| self.saved.clone()) else {
            self.saved = None;
            return Ok(None);
        };
        let environment = Environment { boot: &boot_id()?, netns: netns_cookie()?, current: self.read() };
        let SavedValue { original, written, .. } = saved;
        let change = match decide_restore(&saved, &environment) {
            RestoreDecision::Write { from, to } => {
                write_checked(&self.path, to)?;
                Some(SysctlChange::Restored { from, to, after_crash })
            }
            RestoreDecision::Nothing => None,
            RestoreDecision::ChangedByOther { found } => {
                Some(SysctlChange::LeftAlone { found, written, original })
            }
            RestoreDecision::Unreadable => anyhow::bail!(
                "{} cannot be read: set {}={original} by hand",
                self.path.display(),
                self.sysctl.name(),
            ),
            RestoreDecision::OtherNamespace => anyhow::bail!(
                "it was raised from {original} to {written} in another network namespace: run `synguard detach` there"
            ),
        };
        self.discard();
        Ok(change)
    }

    fn read(&self) -> Option<u8> {
        read_number(&self.path)
    }

    fn discard(&mut self) {
        self.file.remove();
        self.saved = None;
    }
}

/// Returns the cookie of the process's network namespace, which no other namespace of this boot has or had.
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
        return Err(io::Error::last_os_error()).context("read the cookie of the network namespace");
    }
    Ok(cookie)
}

#[cfg(test)]
#[path = "sysctl_override_tests.rs"]
mod tests;

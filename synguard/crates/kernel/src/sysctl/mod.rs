//! The only reader and writer of `/proc/sys`, and the guard of the settings that are raised during a flood. A setting is
//! only ever raised. Its old value is saved on disk before, and restored only while the setting still has the value that
//! synguard wrote.
//!
//! The kernel resolves `net` to the network namespace of the process.

mod decide;
mod guard;
mod saved_value;
mod sysctl_override;
mod tcp_stack;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use synguard_model::event::Sysctl;

use self::{
    decide::{Environment, RestoreDecision, decide_restore},
    saved_value::SavedValueFile,
};
pub use self::{
    guard::{SysctlGuard, restore_after_crash},
    tcp_stack::{TcpStack, tcp_stack},
};

const PROC_SYS: &str = "/proc/sys";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Returns the value of a setting; `None` if it cannot be read, as in a kernel without it.
pub fn read(sysctl: Sysctl) -> Option<u8> {
    read_number(&path(sysctl))
}

/// Reports whether a setting has at least the value to which the controller raises it.
pub fn is_raised(sysctl: Sysctl) -> bool {
    read(sysctl).is_some_and(|value| value >= decide::RAISED)
}

/// Returns the value that a setting had before it was raised, if a saved value in `run` shows that it is raised now.
pub fn pending_restore(run: &Path, sysctl: Sysctl) -> Option<u8> {
    let saved = SavedValueFile::new(run, sysctl).read().ok()??;
    let environment = Environment {
        boot: &boot_id().ok()?,
        netns: sysctl_override::netns_cookie().ok()?,
        current: read(sysctl),
    };
    matches!(decide_restore(&saved, &environment), RestoreDecision::Write { .. }).then_some(saved.original)
}

/// Reports whether another instance, whose run directory is beside `run`, raised a setting and will restore it.
pub fn is_raised_by_other_instance(run: &Path, sysctl: Sysctl) -> bool {
    let beside = run.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    beside.map(|entry| entry.path()).any(|folder| folder != run && pending_restore(&folder, sysctl).is_some())
}

/// Reports whether the run directory contains a saved value.
pub fn has_saved_value(run: &Path) -> bool {
    Sysctl::ALL.into_iter().any(|sysctl| SavedValueFile::new(run, sysctl).exists())
}

fn path(sysctl: Sysctl) -> PathBuf {
    Path::new(PROC_SYS).join(sysctl.name().replace('.', "/"))
}

fn read_number(path: &Path) -> Option<u8> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Writes a number and reads it back.
fn write_checked(path: &Path, value: u8) -> Result<()> {
    fs::write(path, value.to_string()).map_err(|error| write_error(path, &error))?;
    match read_number(path) {
        Some(read) if read == value => Ok(()),
        read => anyhow::bail!("wrote {value} to {}, but it reads {read:?}", path.display()),
    }
}

fn write_error(path: &Path, error: &io::Error) -> anyhow::Error {
    let hint = match error.raw_os_error() {
        Some(libc::EROFS) => ": /proc/sys is read-only here, set it from outside the container",
        Some(libc::EACCES | libc::EPERM) => ": it takes CAP_NET_ADMIN in this network namespace",
        _ => "",
    };
    anyhow::anyhow!("cannot write {} ({error}){hint}", path.display())
}

/// Returns an identifier that is unique to this boot.
fn boot_id() -> Result<String> {
    Ok(fs::read_to_string(BOOT_ID).with_context(|| format!("read {BOOT_ID}"))?.trim().to_owned())
}

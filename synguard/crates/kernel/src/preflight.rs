//! What must hold before anything is touched: privilege, kernel, bpffs. Each has one clear error.

use std::{ffi::CString, fs, io, mem::MaybeUninit, os::unix::ffi::OsStrExt as _, path::Path};

use anyhow::{Context as _, Result};
use synguard_model::error::{ExitKind, failure};

/// The oldest kernel that the program is tested on.
const KERNEL_MIN: (u32, u32) = (6, 1);

const CAP_NET_ADMIN: u64 = 1 << 12;
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

/// Checks that the process may use BPF objects and change network devices.
///
/// # Errors
///
/// A privilege failure that names what is missing.
pub fn privilege() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let effective = effective_capabilities(&status).context("no CapEff in /proc/self/status")?;
    match missing_capabilities(effective) {
        [] => Ok(()),
        missing => Err(failure(
            ExitKind::Privilege,
            format!("not privileged: {} missing: run as root (sudo)", missing.join(", ")),
        )),
    }
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(value.trim(), 16).ok()
}

fn missing_capabilities(effective: u64) -> &'static [&'static str] {
    let bpf = effective & CAP_SYS_ADMIN != 0 || effective & CAP_BPF != 0 && effective & CAP_PERFMON != 0;
    match (effective & CAP_NET_ADMIN != 0, bpf) {
        (true, true) => &[],
        (true, false) => &["CAP_BPF and CAP_PERFMON"],
        (false, true) => &["CAP_NET_ADMIN"],
        (false, false) => &["CAP_NET_ADMIN", "CAP_BPF and CAP_PERFMON"],
    }
}

/// Checks that the kernel is new enough.
///
/// # Errors
///
/// A failure that names the kernel and the oldest that will do.
pub fn kernel() -> Result<()> {
    let release = uname_release().unwrap_or_default();
    let Some(version) = kernel_version(&release) else {
        // Better a message of the kernel's own later than none of ours now.
        log::warn!("cannot tell the kernel's version from `{release}`");
        return Ok(());
    };
    if version >= KERNEL_MIN {
        return Ok(());
    }
    let (major, minor) = KERNEL_MIN;
    anyhow::bail!("Linux {release} is too old: synguard needs Linux {major}.{minor} or newer")
}

fn uname_release() -> Option<String> {
    let mut name = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: the pointer is to a utsname of ours; all zeros is a valid one should the call fail.
    let name = unsafe {
        libc::uname(name.as_mut_ptr());
        name.assume_init()
    };
    let bytes: Vec<u8> = name.release.iter().map(|&c| c as u8).take_while(|&c| c != 0).collect();
    String::from_utf8(bytes).ok()
}

fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Checks that `path` is a mounted BPF file system.
///
/// # Errors
///
/// A failure that says how to mount one.
pub fn bpffs(path: &Path) -> Result<()> {
    const BPF_FS_MAGIC: u64 = 0xcafe_4a11;
    let display = path.display();
    let c_path = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| failure(ExitKind::Invalid, format!("--bpffs {display:?}: contains a NUL byte")))?;
    let mut stat = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: both pointers are to memory of ours.
    let failed = unsafe { libc::statfs(c_path.as_ptr(), stat.as_mut_ptr()) } != 0;
    let error = io::Error::last_os_error();
    // SAFETY: all zeros is a valid statfs, should the call have failed.
    let stat = unsafe { stat.assume_init() };
    if !failed && stat.f_type as u64 & 0xffff_ffff == BPF_FS_MAGIC {
        return Ok(());
    }
    let why = if failed { error.to_string() } else { "another kind of file system".to_owned() };
    anyhow::bail!("no BPF file system at {display} ({why}): mount one with `mount -t bpf bpf {display}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_versions_are_read_from_any_suffix() {
        for (release, version) in [
            ("6.18.44-fc", Some((6, 18))),
            ("6.1.0-28-cloud-amd64", Some((6, 1))),
            ("5.15", Some((5, 15))),
            ("2.6.78", Some((2, 6))),
            ("", None),
            ("six", None),
        ] {
            assert_eq!(kernel_version(release), version, "{release}");
        }
    }

    #[test]
    fn capabilities_are_asked_for_by_name() {
        let status = "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\n";
        assert_eq!(effective_capabilities(status), Some(0x1ff_ffff_ffff));
        assert_eq!(missing_capabilities(0x1ff_ffff_ffff), [""; 0]);
        assert_eq!(missing_capabilities(0).len(), 2);
        assert_eq!(missing_capabilities(CAP_SYS_ADMIN), ["CAP_NET_ADMIN"]);
        assert_eq!(missing_capabilities(CAP_NET_ADMIN | CAP_BPF), ["CAP_BPF and CAP_PERFMON"]);
        assert_eq!(missing_capabilities(CAP_NET_ADMIN | CAP_BPF | CAP_PERFMON), [""; 0]);
    }
}

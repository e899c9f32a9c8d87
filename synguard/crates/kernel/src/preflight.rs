//! Checks that run before a command changes anything: privileges, kernel version, bpffs. Each failure is one line with
//! its remedy.

use std::path::Path;

use anyhow::Result;
use synguard_model::error::{ExitKind, failure};

use crate::capabilities;

/// The oldest kernel that the program is tested on.
const KERNEL_MIN: (u32, u32) = (6, 1);

/// Checks that the process may use BPF objects and change network devices. The error, of the kind
/// [`ExitKind::Privilege`], names the missing capabilities.
pub fn check_privileges() -> Result<()> {
    match capabilities::missing()? {
        [] => Ok(()),
        missing => Err(failure(
            ExitKind::Privilege,
            format!("not privileged: {} missing: run as root (sudo)", missing.join(", ")),
        )),
    }
}

/// Checks that the kernel is one that the program is tested on, or newer. A release that does not begin with two numbers passes with a
/// warning: a message from the kernel later is better than a refusal without a reason now.
pub fn check_kernel() -> Result<()> {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let Some(version) = kernel_version(&release) else {
        log::warn!("unknown kernel version `{release}`: not checked");
        return Ok(());
    };
    if version >= KERNEL_MIN {
        return Ok(());
    }
    let (major, minor) = KERNEL_MIN;
    anyhow::bail!("Linux {release} is too old: synguard needs Linux {major}.{minor} or newer")
}

fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Checks that `path` is a mounted BPF file system. The error says how to mount one, or how to reach the host's: `ip netns exec`
/// mounts a sysfs of its own, in which there is none.
pub fn check_bpffs(path: &Path) -> Result<()> {
    /// `BPF_FS_MAGIC` of linux/magic.h.
    const BPF_FS_MAGIC: u32 = 0xcafe_4a11;
    let why = match rustix::fs::statfs(path) {
        Ok(found) if found.f_type as u32 == BPF_FS_MAGIC => return Ok(()),
        Ok(_) => "another kind of file system".to_owned(),
        Err(error) => std::io::Error::from(error).to_string(),
    };
    let path = path.display();
    anyhow::bail!(
        "no BPF file system at {path} ({why}): mount one with `mount -t bpf bpf {path}`; instead of `ip netns exec NS` use \
         `nsenter --net=/run/netns/NS`, which keeps the host's"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_version_ignores_any_suffix() {
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
    fn other_file_systems_are_not_bpffs() {
        for (path, why) in [("/proc", "another kind of file system"), ("/no-such-folder", "No such file")] {
            let error = check_bpffs(Path::new(path)).expect_err("no bpffs").to_string();
            assert!(error.contains(why) && error.contains("mount -t bpf bpf /"), "{error}");
            assert!(error.contains("`nsenter --net=/run/netns/NS`"), "{error}");
        }
    }
}

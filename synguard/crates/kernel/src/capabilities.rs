//! What the controller may still do once it runs: only what it needs.

use anyhow::{Context as _, Result};
use caps::{CapSet, Capability, CapsHashSet};

/// Maps, links and pins; and attaching again to an interface, and writing the namespace's sysctl. That the process
/// stays root is what lets it into its own files.
const NEEDED: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_NET_ADMIN];

/// Gives up every other capability, for good. Where that fails the controller goes on with what it has.
pub fn drop_all_but_needed() {
    if let Err(error) = drop_them() {
        log::warn!("more privileges than needed are kept: {error:#}");
    }
}

fn drop_them() -> Result<()> {
    // SAFETY: the call has no pointers, and is never undone.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if result != 0 {
        return Err(std::io::Error::last_os_error()).context("set no_new_privs");
    }
    let held = caps::read(None, CapSet::Permitted).context("read the capabilities")?;
    if held.contains(&Capability::CAP_SETPCAP) {
        for capability in caps::read(None, CapSet::Bounding).context("read the bounding set")? {
            if !NEEDED.contains(&capability) {
                caps::drop(None, CapSet::Bounding, capability).context("narrow the bounding set")?;
            }
        }
    }
    // A kernel or container may give CAP_SYS_ADMIN where CAP_BPF is not to be had: then it is what is needed.
    let mut kept: CapsHashSet = NEEDED.into_iter().filter(|capability| held.contains(capability)).collect();
    if !held.contains(&Capability::CAP_BPF) && held.contains(&Capability::CAP_SYS_ADMIN) {
        kept.insert(Capability::CAP_SYS_ADMIN);
    }
    caps::clear(None, CapSet::Inheritable).context("clear the inheritable set")?;
    caps::set(None, CapSet::Effective, &kept).context("reduce the effective set")?;
    caps::set(None, CapSet::Permitted, &kept).context("reduce the permitted set")
}

//! The process's capabilities: the ones that a command needs, and the ones that the controller keeps.

use anyhow::{Context as _, Result};
use caps::{CapSet, Capability, CapsHashSet};

/// The capabilities that the controller keeps: for maps, links and pins, and for attaching again to an interface and
/// writing the namespace's sysctl. It can open its own files because the process stays root.
const KEPT: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_NET_ADMIN];

/// Returns the names of the capabilities that a command needs and this process lacks.
pub fn missing() -> Result<&'static [&'static str]> {
    let effective = caps::read(None, CapSet::Effective).context("read the capabilities")?;
    Ok(missing_in(&effective))
}

/// `CAP_SYS_ADMIN` stands for both `CAP_BPF` and `CAP_PERFMON`, as in the kernel.
fn missing_in(effective: &CapsHashSet) -> &'static [&'static str] {
    let has = |capability| effective.contains(&capability);
    let bpf = has(Capability::CAP_SYS_ADMIN) || has(Capability::CAP_BPF) && has(Capability::CAP_PERFMON);
    match (has(Capability::CAP_NET_ADMIN), bpf) {
        (true, true) => &[],
        (true, false) => &["CAP_BPF and CAP_PERFMON"],
        (false, true) => &["CAP_NET_ADMIN"],
        (false, false) => &["CAP_NET_ADMIN", "CAP_BPF and CAP_PERFMON"],
    }
}

/// Gives up all capabilities that the controller does not need, for good. If that fails, the controller warns and
/// continues with the capabilities that it has.
pub fn drop_unneeded() {
    if let Err(error) = try_drop_unneeded() {
        log::warn!("cannot drop unneeded privileges: {error:#}");
    }
}

fn try_drop_unneeded() -> Result<()> {
    rustix::thread::set_no_new_privs(true).context("set no_new_privs")?;
    let permitted = caps::read(None, CapSet::Permitted).context("read the capabilities")?;
    if permitted.contains(&Capability::CAP_SETPCAP) {
        for capability in caps::read(None, CapSet::Bounding).context("read the bounding set")? {
            if !KEPT.contains(&capability) {
                caps::drop(None, CapSet::Bounding, capability).context("narrow the bounding set")?;
            }
        }
    }
    // A kernel or container may offer CAP_SYS_ADMIN where CAP_BPF is not available: then CAP_SYS_ADMIN is needed.
    let mut kept: CapsHashSet =
        KEPT.into_iter().filter(|capability| permitted.contains(capability)).collect();
    if !permitted.contains(&Capability::CAP_BPF) && permitted.contains(&Capability::CAP_SYS_ADMIN) {
        kept.insert(Capability::CAP_SYS_ADMIN);
    }
    caps::clear(None, CapSet::Inheritable).context("clear the inheritable set")?;
    caps::set(None, CapSet::Effective, &kept).context("reduce the effective set")?;
    caps::set(None, CapSet::Permitted, &kept).context("reduce the permitted set")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_capabilities_are_named() {
        use Capability::{CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN};
        let missing = |held: &[Capability]| missing_in(&held.iter().copied().collect());
        assert_eq!(missing_in(&caps::all()), [""; 0]);
        assert_eq!(missing(&[]).len(), 2);
        assert_eq!(missing(&[CAP_SYS_ADMIN]), ["CAP_NET_ADMIN"]);
        assert_eq!(missing(&[CAP_NET_ADMIN, CAP_BPF]), ["CAP_BPF and CAP_PERFMON"]);
        assert_eq!(missing(&[CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON]), [""; 0]);
    }

    #[test]
    fn process_can_read_its_own_capabilities() {
        missing().expect("the capabilities");
    }
}

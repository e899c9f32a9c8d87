//! XDP links: attaching the program to interfaces, listing the attachments, and detaching.

use std::{fs, io, path::Path};

use anyhow::{Context as _, Result, anyhow, bail};
use aya::programs::{
    ProgramError, Xdp, XdpMode,
    links::{FdLink, PinnedLink},
    loaded_programs,
    xdp::XdpLink,
};
use synguard_kernel::netlink::{self, XdpPlace};
use synguard_model::{
    error::{ExitKind, Failure, failure},
    settings::AttachMode,
};

use crate::{
    bpf_syscall,
    pins::{link_interface, link_path, remove_if_there, rename_pin},
};

/// An interface to which the filter is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Name of the interface when it was attached.
    pub name: String,
    /// Index of the interface in its network namespace; 0 if the interface is gone.
    pub ifindex: u32,
    /// Place where the program runs; `None` if the interface is in another network namespace.
    pub place: Option<XdpPlace>,
    pub program_id: u32,
}

/// Lists the interfaces that have a pinned link in `pins`, by name.
pub fn attached(pins: &Path) -> Result<Vec<Attached>> {
    let entries = match fs::read_dir(pins) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("list {}", pins.display())),
    };
    let mut attached = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("list {}", pins.display()))?;
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(link_interface) else {
            continue;
        };
        attached.push(read_link(&entry.path(), name)?);
    }
    attached.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(attached)
}

fn read_link(path: &Path, name: String) -> Result<Attached> {
    let link = bpf_syscall::open_pin(path).with_context(|| format!("open {}", path.display()))?;
    let info = bpf_syscall::xdp_link_info(&link).with_context(|| format!("ask about {}", path.display()))?;
    // The index is valid in the interface's own namespace only. The program's id shows whether that is this one.
    let seen = if info.ifindex == 0 { None } else { netlink::interface_by_index(info.ifindex)? };
    let place = seen.and_then(|interface| {
        interface.xdp.iter().find(|(_, id)| *id == info.program_id).map(|(place, _)| *place)
    });
    Ok(Attached { name, ifindex: info.ifindex, place, program_id: info.program_id })
}

/// Checks, before any change, that an interface exists and runs no other XDP program.
pub(super) fn check_free(name: &str, ours: &[Attached]) -> Result<()> {
    let Some(interface) = netlink::interface_by_name(name)? else {
        bail!("no interface `{name}` in this network namespace: `ip link` lists those there are");
    };
    let ours: Vec<u32> =
        ours.iter().filter(|link| link.ifindex == interface.index).map(|l| l.program_id).collect();
    match interface.xdp.iter().find(|(_, id)| !ours.contains(id)) {
        None => Ok(()),
        Some(&(_, id)) => Err(foreign_program(name, id)),
    }
}

fn foreign_program(name: &str, id: u32) -> anyhow::Error {
    let program = loaded_programs().flatten().find(|program| program.id() == id);
    // Reading the name of the program needs a privilege that is not needed otherwise, so the name may be missing.
    let title =
        program.and_then(|program| Some(format!("`{}`, ", program.name_as_str()?))).unwrap_or_default();
    failure(
        ExitKind::Conflict,
        format!(
            "{name} already runs another XDP program ({title}id {id}), which synguard leaves alone: \
             remove it with its own tool, or with `ip link set dev {name} xdp off`"
        ),
    )
}

/// Attaches the program to an interface and pins the link. Returns the place where the program runs and, if `Auto` had
/// to fall back to generic mode, the reason.
pub(super) fn attach(
    program: &mut Xdp,
    pins: &Path,
    name: &str,
    mode: AttachMode,
) -> Result<(XdpPlace, Option<String>)> {
    let (link, place, why) = match mode {
        AttachMode::Native => (create_link(program, name, XdpMode::Driver)?, XdpPlace::Native, None),
        AttachMode::Generic => (create_link(program, name, XdpMode::Skb)?, XdpPlace::Generic, None),
        AttachMode::Auto => match create_link(program, name, XdpMode::Driver) {
            Ok(link) => (link, XdpPlace::Native, None),
            Err(error) if error.downcast_ref::<Failure>().is_some() => return Err(error),
            Err(error) => {
                (create_link(program, name, XdpMode::Skb)?, XdpPlace::Generic, Some(format!("{error:#}")))
            }
        },
    };
    let path = link_path(pins, name);
    // If the interface of a former link disappeared, the pin of that link is still there, without effect.
    remove_if_there(&path).with_context(|| format!("remove {}", path.display()))?;
    link.pin(&path).with_context(|| format!("pin {}", path.display()))?;
    Ok((place, why))
}

fn create_link(program: &mut Xdp, name: &str, mode: XdpMode) -> Result<FdLink> {
    let id = program.attach(name, mode).map_err(|error| explain_attach(error, name, mode))?;
    // On a kernel without XDP links, aya falls back to netlink, whose attachment cannot be pinned. Such kernels were
    // refused before.
    program.take_link(id)?.try_into().map_err(|_| anyhow!("{name}: the kernel made no XDP link"))
}

fn explain_attach(error: ProgramError, name: &str, mode: XdpMode) -> anyhow::Error {
    let mode = if mode == XdpMode::Skb { "generic" } else { "native" };
    match crate::pinned_map::errno(&error) {
        Some(libc::EBUSY | libc::EEXIST) => match netlink::interface_by_name(name) {
            Ok(Some(interface)) => foreign_program(name, interface.xdp.first().map_or(0, |(_, id)| *id)),
            _ => failure(ExitKind::Conflict, format!("{name}: busy with another XDP program")),
        },
        Some(libc::EOPNOTSUPP) => anyhow!("{name}: its driver has no {mode} XDP"),
        Some(libc::ENOMEM) => anyhow!("{name}: not enough memory for {mode} XDP queues"),
        _ => anyhow::Error::from(error).context(format!("attach to {name} in {mode} mode")),
    }
}

/// Replaces the program of an interface's pinned link atomically, so that no packet passes unfiltered.
pub(super) fn replace_program(program: &mut Xdp, pins: &Path, name: &str) -> Result<()> {
    let path = link_path(pins, name);
    let mut replace = || -> Result<()> {
        let link: XdpLink = FdLink::from(PinnedLink::from_pin(&path)?).try_into()?;
        program.attach_to_link(link)?;
        Ok(())
    };
    replace().with_context(|| format!("replace the program on {name}"))
}

/// Detaches an interface and removes its pin. Does nothing if the filter is not attached to it.
pub fn detach(pins: &Path, name: &str) -> Result<()> {
    let path = link_path(pins, name);
    match bpf_syscall::open_pin(&path) {
        Ok(link) => match bpf_syscall::detach_link(&link) {
            // ENOLINK: the link was detached when its interface disappeared.
            Err(error) if error.raw_os_error() != Some(libc::ENOLINK) => {
                return Err(error).with_context(|| format!("detach from {name}"));
            }
            _ => {}
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
    }
    remove_if_there(&path).with_context(|| format!("remove {}", path.display()))
}

/// Renames the pin of an interface that was renamed.
pub fn rename(pins: &Path, from: &str, to: &str) -> Result<()> {
    rename_pin(&link_path(pins, from), &link_path(pins, to))
}

//! Attaching the filter to interfaces and removing it from them.

use std::{fs, io, path::Path};

use anyhow::{Context as _, Result};
use synguard_common::ip_list::List;
use synguard_kernel::netlink::XdpPlace;
use synguard_model::settings::{AttachMode, Settings};

use crate::{
    Datapath,
    ip_lists::PrefixEntry,
    links::{self, Attached},
    load,
};

/// Parameters of an attach.
#[derive(Debug)]
pub struct AttachRequest<'a> {
    /// Names of the interfaces.
    pub interfaces: &'a [String],
    /// Where the program should run.
    pub mode: AttachMode,
    /// Capacity of the table of sources, if the table has to be created.
    pub sources: u32,
    pub settings: &'a Settings,
    /// Entries that each list may have.
    pub list_capacity: u32,
    pub allow: Vec<PrefixEntry>,
    pub block: Vec<PrefixEntry>,
    /// Time at which the filter stops dropping unless the settings are confirmed, in nanoseconds of `CLOCK_MONOTONIC`;
    /// 0 means never.
    pub disarm_at_ns: u64,
}

/// Result of an attach.
#[derive(Clone, Debug, Default)]
pub struct AttachReport {
    /// Interfaces attached by this call, with the place where the program runs and, if it cannot run natively, the
    /// reason.
    pub attached: Vec<(String, XdpPlace, Option<String>)>,
    /// Interfaces of a former controller, whose program was replaced.
    pub adopted: Vec<String>,
}

impl Datapath {
    /// Loads the program, takes over the maps pinned in `pins`, and attaches to the interfaces of the request.
    ///
    /// # Errors
    ///
    /// If an interface does not exist, runs another program or cannot be attached to, or if the kernel refuses the
    /// program. Interfaces that were attached before stay attached; the additions of this call are undone.
    pub fn attach(pins: &Path, request: AttachRequest<'_>) -> Result<(Self, AttachReport)> {
        let existing = links::attached(pins)?;
        for name in request.interfaces {
            links::check_free(name, &existing)?;
        }
        let fresh = existing.is_empty();
        let result = Self::attach_checked(pins, request, &existing);
        if result.is_err() {
            // An error here would hide the original one.
            let _ = if fresh { remove(pins) } else { load::clear_stage(pins) };
        }
        result
    }

    fn attach_checked(
        pins: &Path,
        request: AttachRequest<'_>,
        existing: &[Attached],
    ) -> Result<(Self, AttachReport)> {
        let mut loaded = load::load(pins, request.sources)?;
        let pinned = loaded.pin()?;
        let mut datapath = Self::open(&pinned)?.context("the maps just pinned are missing")?;
        let before = if existing.is_empty() { None } else { Some(datapath.config()?) };
        datapath.set_settings(request.settings, request.disarm_at_ns)?;
        datapath.set_lists(request.list_capacity, request.allow, request.block)?;
        let program = loaded.program()?;
        let mut report = AttachReport::default();
        for link in existing.iter().filter(|link| link.ifindex == 0) {
            // The interface of this link is gone. A new interface of the same name is attached below.
            links::detach(pins, &link.name)?;
        }
        let is_attached = |name: &str| existing.iter().any(|link| link.ifindex != 0 && link.name == name);
        for name in request.interfaces.iter().filter(|name| !is_attached(name)) {
            match links::attach(program, pins, name, request.mode) {
                Ok((place, why)) => report.attached.push((name.clone(), place, why)),
                Err(error) => {
                    // Errors here would hide the original one.
                    for (name, ..) in &report.attached {
                        let _ = links::detach(pins, name);
                    }
                    if let Some((config, ports)) = before {
                        let _ = datapath.set_config(&config, &ports);
                    }
                    return Err(error);
                }
            }
        }
        // The takeover comes last, so that a failure above does not affect interfaces attached before.
        loaded.take_over()?;
        pins.clone_into(&mut datapath.pins);
        let program = loaded.program()?;
        for link in existing.iter().filter(|link| link.ifindex != 0) {
            links::replace_program(program, pins, &link.name)?;
            report.adopted.push(link.name.clone());
        }
        Ok((datapath, report))
    }

    fn set_lists(&mut self, capacity: u32, allow: Vec<PrefixEntry>, block: Vec<PrefixEntry>) -> Result<()> {
        let mut lists = self.lists()?;
        lists.set_capacity(capacity)?;
        // The allowlist comes first: no packet of an allowed source may meet the blocklist alone.
        lists.replace(List::Allow, allow)?;
        lists.replace(List::Block, block)
    }
}

/// Attaches the pinned program again to an interface that disappeared and came back.
///
/// # Errors
///
/// If the interface runs another program by now or cannot be attached to.
pub fn reattach(pins: &Path, name: &str, mode: AttachMode) -> Result<()> {
    links::check_free(name, &[])?;
    let mut program = load::open_program(pins)?;
    links::attach(&mut program, pins, name, mode).map(drop)
}

/// Detaches every interface and removes every pin of an instance.
pub fn remove(pins: &Path) -> Result<()> {
    for link in links::attached(pins)? {
        links::detach(pins, &link.name)?;
    }
    load::clear_stage(pins)?;
    match fs::read_dir(pins) {
        Ok(entries) => {
            for entry in entries.flatten() {
                fs::remove_file(entry.path())
                    .with_context(|| format!("remove {}", entry.path().display()))?;
            }
            fs::remove_dir(pins).with_context(|| format!("remove {}", pins.display()))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("list {}", pins.display())),
    }
    // The parent folder is shared by all instances and is removed with the last one.
    if let Some(parent) = pins.parent() {
        let _ = fs::remove_dir(parent);
    }
    Ok(())
}

//! Pins that a controller holds: their objects stay while it runs, and a pin that somebody removes is made again.
//!
//! A filter lives as long as its pins. Without a holder, whoever cleans up the BPF file system takes the filter off without a
//! word. The controller's descriptors are only a second hold: its death changes nothing while the pins exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    bpf_syscall,
    pins::{is_link, link_interface},
};

/// The state of the filter's links and pins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PinState {
    /// Interfaces whose link is detached although its pin exists: the interface is gone, or somebody detached the link.
    pub detached: Vec<String>,
    /// The number of attached links.
    pub attached: usize,
    /// Names of pins that do not exist although their objects are in use.
    pub missing: Vec<OsString>,
}

impl PinState {
    /// Reports whether every link is detached and unpinned, as `synguard detach` leaves it.
    pub const fn is_removed(&self) -> bool {
        !self.missing.is_empty() && self.attached == 0 && self.detached.is_empty()
    }
}

/// The objects behind the pins of an instance.
#[derive(Debug)]
pub struct HeldPins {
    pins: PathBuf,
    held: BTreeMap<OsString, OwnedFd>,
}

impl HeldPins {
    /// Opens everything that is pinned in the folder `pins`.
    ///
    /// # Errors
    ///
    /// If a pin cannot be opened.
    pub fn open(pins: &Path) -> Result<Self> {
        let mut held = Self { pins: pins.to_owned(), held: BTreeMap::new() };
        held.open_new()?;
        Ok(held)
    }

    /// Compares the pins with the objects. Follows links that were added, renamed, or detached together with their pin.
    ///
    /// # Errors
    ///
    /// If a pin cannot be opened, or a link cannot be asked about.
    pub fn check(&mut self) -> Result<PinState> {
        let present = self.open_new()?;
        let links: Vec<_> = self
            .held
            .iter()
            .filter(|(name, _)| is_link_pin(name))
            .map(|(name, link)| Ok((name.clone(), bpf_syscall::xdp_link_info(link)?)))
            .collect::<io::Result<_>>()
            .context("ask about a link")?;
        let pinned = links.iter().filter(|(name, _)| present.contains(name)).map(|(_, info)| info.link_id);
        let pinned: BTreeSet<u32> = pinned.collect();
        let mut state = PinState::default();
        for (name, info) in links {
            match (present.contains(&name), info.ifindex) {
                (true, 0) => state.detached.extend(name.to_str().and_then(link_interface)),
                (true, _) => state.attached += 1,
                // A renamed pin, or one that a command removed after it detached the link.
                (false, index) if index == 0 || pinned.contains(&info.link_id) => {
                    drop(self.held.remove(&name));
                }
                (false, _) => {
                    state.attached += 1;
                    state.missing.push(name);
                }
            }
        }
        let others = self.held.keys().filter(|name| !is_link_pin(name));
        state.missing.extend(others.filter(|name| !present.contains(*name)).cloned());
        Ok(state)
    }

    /// Makes these pins again. The caller holds the lock for changes.
    ///
    /// # Errors
    ///
    /// If the BPF file system refuses a pin.
    pub fn restore(&self, missing: &[OsString]) -> Result<()> {
        fs::create_dir_all(&self.pins).with_context(|| format!("create {}", self.pins.display()))?;
        for name in missing {
            let Some(object) = self.held.get(name) else { continue };
            let path = self.pins.join(name);
            match bpf_syscall::pin(object, &path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(error).with_context(|| format!("pin {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Opens the pins that are new, and returns the names of all that exist.
    fn open_new(&mut self) -> Result<BTreeSet<OsString>> {
        let mut present = BTreeSet::new();
        let entries = match fs::read_dir(&self.pins) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(present),
            Err(error) => return Err(error).with_context(|| format!("list {}", self.pins.display())),
        };
        for entry in entries.flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            if !self.held.contains_key(&name) {
                if path.is_dir() {
                    continue;
                }
                match bpf_syscall::open_pin(&path) {
                    Ok(object) => drop(self.held.insert(name.clone(), object)),
                    // Removed or renamed since it was listed.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
                }
            }
            present.insert(name);
        }
        Ok(present)
    }

    /// Gives up a link, because another one takes its place under the same name.
    pub fn release(&mut self, interface: &str) {
        self.held.retain(|name, _| name.to_str().and_then(link_interface).as_deref() != Some(interface));
    }
}

fn is_link_pin(name: &OsStr) -> bool {
    name.to_str().is_some_and(is_link)
}

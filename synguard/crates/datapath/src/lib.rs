//! The XDP program and its maps as the rest of synguard sees them. Only this folder names `aya`.
//!
//! The pinned maps are the single runtime truth: every command opens them, does its work and lets go, whether
//! a controller runs or not. Nothing here holds a link open, so a process that dies changes nothing.

mod bpf_syscall;
mod inspect;
mod ip_lists;
mod links;
mod load;
mod maps;
mod pins;
mod snapshot;
mod syn_cookie;
mod table_scan;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use synguard_common::{
    abi::{Config, CpuState, PortSet},
    hyperloglog::HyperLogLog,
    ip_list::List,
    map_names,
    source::{SourceKey, SourceState},
};
use synguard_kernel::netlink::XdpPlace;
use synguard_model::{
    settings::{Mode, Settings},
    snapshot::Counters,
};

pub use self::{
    ip_lists::{ListMaps, ListSize, PrefixEntry, PrefixLookup},
    links::Attached,
    maps::EventStream,
    table_scan::{Budget, Coverage, ScanMethod},
};

/// The compiled XDP program.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/synguard-ebpf"));

/// The pinned filter of an instance.
pub struct Datapath {
    maps: maps::Maps,
    pins: PathBuf,
}

/// What to attach, and how.
#[derive(Debug)]
pub struct AttachRequest<'a> {
    /// The interfaces, by name.
    pub interfaces: &'a [String],
    /// Where the program should run.
    pub mode: Mode,
    /// Sources the table should have room for, if it is made anew.
    pub sources: u32,
    /// The settings to begin with.
    pub settings: &'a Settings,
    /// Entries that a list may have.
    pub list_capacity: u32,
    /// The allowlist.
    pub allow: Vec<PrefixEntry>,
    /// The blocklist.
    pub block: Vec<PrefixEntry>,
    /// When the filter stops dropping unless confirmed, in nanoseconds of CLOCK_MONOTONIC; 0 is never.
    pub disarm_at_ns: u64,
}

/// What attaching did.
#[derive(Clone, Debug, Default)]
pub struct AttachReport {
    /// Interfaces that were attached now, where the program runs on them, and why not natively if it could
    /// not.
    pub attached: Vec<(String, XdpPlace, Option<String>)>,
    /// Interfaces of a former controller whose program was replaced.
    pub adopted: Vec<String>,
}

impl Datapath {
    /// Opens the filter pinned in `pins`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it is there and cannot be opened.
    pub fn open(pins: &Path) -> Result<Option<Self>> {
        let maps = maps::Maps::open(pins)?;
        Ok(maps.map(|maps| Self { maps, pins: pins.to_owned() }))
    }

    /// Loads the program, takes over what is pinned in `pins`, and attaches to the interfaces asked for.
    ///
    /// # Errors
    ///
    /// If an interface does not exist, runs a foreign program or cannot be attached to, or the kernel refuses
    /// the program. Interfaces that were attached before stay so; what this call added is undone.
    pub fn attach(pins: &Path, request: AttachRequest<'_>) -> Result<(Self, AttachReport)> {
        let existing = links::list(pins)?;
        for name in request.interfaces {
            links::check_free(name, &existing)?;
        }
        let fresh = existing.is_empty();
        let result = Self::attach_checked(pins, request, &existing);
        if result.is_err() {
            // An error here would hide the one that matters.
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
        let maps = maps::Maps::open(&pinned)?.context("the maps just pinned are not there")?;
        let mut datapath = Self { maps, pins: pinned };
        let before = if existing.is_empty() { None } else { Some(datapath.maps.settings()?) };
        datapath.set_settings(request.settings, request.disarm_at_ns)?;
        datapath.set_lists(request.list_capacity, request.allow, request.block)?;
        let program = loaded.program()?;
        let mut report = AttachReport::default();
        for link in existing.iter().filter(|link| link.ifindex == 0) {
            // Its interface is gone; if another of that name has come, it is attached below.
            links::detach(pins, &link.name)?;
        }
        let is_there = |name: &str| existing.iter().any(|link| link.ifindex != 0 && link.name == name);
        for name in request.interfaces.iter().filter(|name| !is_there(name)) {
            match links::attach(program, pins, name, request.mode) {
                Ok((place, why)) => report.attached.push((name.clone(), place, why)),
                Err(error) => {
                    // Errors here would hide the one that matters.
                    for (name, ..) in &report.attached {
                        let _ = links::detach(pins, name);
                    }
                    if let Some((config, ports)) = before {
                        let _ = datapath.maps.set_settings(&config, &ports);
                    }
                    return Err(error);
                }
            }
        }
        // Last, so that a failure above leaves those that were attached as they were.
        loaded.take_over()?;
        datapath.pins = pins.to_owned();
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
        // Whoever is allowed must not meet the blocklist alone.
        lists.replace(List::Allow, allow)?;
        lists.replace(List::Block, block)
    }

    /// The settings in force and when they disarm (0 is never).
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn settings(&self) -> Result<(Settings, u64)> {
        let (config, ports) = self.maps.settings()?;
        Ok((Settings::from_abi(&config, &ports)?, config.disarm_at_ns))
    }

    /// Puts settings into force.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn set_settings(&mut self, settings: &Settings, disarm_at_ns: u64) -> Result<()> {
        let (config, ports): (Config, PortSet) = settings.to_abi();
        let (before, _) = self.maps.settings()?;
        // Another seed would make the sketch and the distinct count begin anew.
        let hash_seed = if before.hash_seed == [0; 2] { random_seed()? } else { before.hash_seed };
        self.maps.set_settings(&Config { disarm_at_ns, hash_seed, ..config }, &ports)
    }

    /// The operator's lists. Whoever changes them holds the instance's lock for changes.
    ///
    /// # Errors
    ///
    /// If their maps cannot be opened.
    pub fn lists(&self) -> Result<ListMaps<'_>> {
        ListMaps::open(&self.pins, self.maps.settings()?.0.hash_seed)
    }

    /// The counters, summed over the CPUs.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn counters(&self) -> Result<Counters> {
        self.maps.counters()
    }

    /// What the CPUs keep besides the counters, summed.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn cpu_state(&self) -> Result<CpuState> {
        self.maps.cpu_state()
    }

    /// The registers of the distinct count.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn registers(&self) -> Result<Box<HyperLogLog>> {
        self.maps.registers()
    }

    /// How many prefixes the table has room for.
    ///
    /// # Errors
    ///
    /// If the kernel cannot be asked.
    pub fn prefixes_capacity(&self) -> Result<u32> {
        self.maps.prefixes_capacity()
    }

    /// What is known of one source, if anything.
    ///
    /// # Errors
    ///
    /// If the table cannot be read.
    pub fn source(&self, key: &SourceKey) -> Result<Option<SourceState>> {
        self.maps.source(key)
    }

    /// How many sources the table has room for.
    ///
    /// # Errors
    ///
    /// If the kernel cannot be asked.
    pub fn sources_capacity(&self) -> Result<u32> {
        self.maps.sources_capacity()
    }

    /// Passes the sources in the table to `visit`, in no order, until all were passed on or the budget is used up.
    /// Sources that come and go meanwhile may be missed.
    ///
    /// # Errors
    ///
    /// If the table cannot be read.
    pub fn for_each_source(
        &self,
        budget: Budget,
        visit: impl FnMut(&SourceKey, &SourceState),
    ) -> Result<Coverage> {
        self.maps.for_each_source(budget, visit)
    }

    /// The same for the /24 and /48 that are limited as a whole.
    ///
    /// # Errors
    ///
    /// If the table cannot be read.
    pub fn for_each_prefix(
        &self,
        budget: Budget,
        visit: impl FnMut(&SourceKey, &SourceState),
    ) -> Result<Coverage> {
        self.maps.for_each_prefix(budget, visit)
    }
}

/// A secret from the kernel.
fn random_seed() -> Result<[u64; 2]> {
    let mut seed = [0u64; 2];
    // SAFETY: the pointer is to as many bytes of ours.
    let got = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), size_of_val(&seed), 0) };
    anyhow::ensure!(got == size_of_val(&seed) as isize, "the kernel gave no random numbers");
    Ok(seed)
}

/// The interfaces the filter is on, by name.
///
/// # Errors
///
/// If they cannot be listed.
pub fn attached(pins: &Path) -> Result<Vec<Attached>> {
    links::list(pins)
}

/// Attaches the pinned program again to an interface that has gone and come back.
///
/// # Errors
///
/// If it runs a foreign program by now or cannot be attached to.
pub fn reattach(pins: &Path, name: &str, mode: Mode) -> Result<()> {
    links::check_free(name, &[])?;
    let mut program = load::open_program(pins)?;
    links::attach(&mut program, pins, name, mode).map(drop)
}

/// Lets the pin of an interface that was renamed follow its name.
///
/// # Errors
///
/// If it cannot be renamed.
pub fn rename(pins: &Path, from: &str, to: &str) -> Result<()> {
    links::rename(pins, from, to)
}

/// Whether anything of an instance is pinned in `pins`.
pub fn is_pinned(pins: &Path) -> bool {
    pins.join(map_names::CONFIG).exists()
}

/// Detaches one interface; nothing happens if the filter is not on it.
///
/// # Errors
///
/// If it cannot be detached.
pub fn detach(pins: &Path, name: &str) -> Result<()> {
    links::detach(pins, name)
}

/// Detaches every interface and removes every pin of an instance.
///
/// # Errors
///
/// If something cannot be removed.
pub fn remove(pins: &Path) -> Result<()> {
    for link in links::list(pins)? {
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
    // The folder of all instances goes with the last one.
    if let Some(parent) = pins.parent() {
        let _ = fs::remove_dir(parent);
    }
    Ok(())
}

//! Typed access to the pinned maps.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow};
use aya::maps::{Array, Map, MapData, PerCpuArray};
use rustix::rand::{GetRandomFlags, getrandom};
use synguard_common::{
    abi::{ABI_VERSION, Config, Counter, CpuState, PortSet},
    addr::HashSeed,
    admission::Admission,
    hold_cache::{HoldCache, HoldSlot},
    hyperloglog::HyperLogLog,
    ip_list::IpLists,
    map_names,
    reason::Reason,
    source::{SourceKey, SourceState},
    syn_cookie::config::SynCookieConfig,
};
use synguard_model::{settings::Settings, snapshot::Counters};

use crate::{
    bpf_syscall, former_pins,
    ip_lists::ListMaps,
    pinned_map::{UnknownLayout, check_layout, open_map, open_required_map},
    table_scan::{self, Budget, Coverage},
};

/// The pinned filter of an instance.
pub struct Datapath {
    config: Array<MapData, Config>,
    ports: Array<MapData, PortSet>,
    counters: PerCpuArray<MapData, Counter>,
    cpu_state: PerCpuArray<MapData, CpuState>,
    hold_cache: PerCpuArray<MapData, HoldCache>,
    sources: MapData,
    prefixes: MapData,
    cardinality: Array<MapData, HyperLogLog>,
    lists: Array<MapData, IpLists>,
    pub(super) syn_cookies: Array<MapData, SynCookieConfig>,
    /// Folder of the pins.
    pub(super) pins: PathBuf,
}

impl Datapath {
    /// Opens the filter pinned in `pins`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If a map is missing or cannot be opened, or if the maps have the layout of another version.
    pub fn open(pins: &Path) -> Result<Option<Self>> {
        let Some(config) = open_map(pins, map_names::CONFIG)? else { return Ok(None) };
        // The layout is checked before any other map is read, because their types may differ.
        let config = check_layout(config).map_err(|UnknownLayout(found)| {
            let what = format!("the filter in {} is another version's", pins.display());
            anyhow!("{what} (layout {found}, not {ABI_VERSION}): attach again to take it over, or detach")
        })?;
        let rest = |name| open_required_map(pins, name);
        Ok(Some(Self {
            config,
            ports: Array::try_from(Map::Array(rest(map_names::PORTS)?)).context("open PORTS")?,
            counters: PerCpuArray::try_from(Map::PerCpuArray(rest(map_names::COUNTERS)?))
                .context("open COUNTERS")?,
            cpu_state: PerCpuArray::try_from(Map::PerCpuArray(rest(map_names::CPU_STATE)?))
                .context("open CPU_STATE")?,
            hold_cache: PerCpuArray::try_from(Map::PerCpuArray(rest(map_names::HOLD_CACHE)?))
                .context("open HOLD_CACHE")?,
            sources: rest(map_names::SOURCES)?,
            prefixes: rest(map_names::PREFIXES)?,
            cardinality: Array::try_from(Map::Array(rest(map_names::CARDINALITY)?))
                .context("open CARDINALITY")?,
            lists: Array::try_from(Map::Array(rest(map_names::LISTS)?)).context("open LISTS")?,
            syn_cookies: Array::try_from(Map::Array(rest(map_names::SYN_COOKIES)?))
                .context("open SYN_COOKIES")?,
            pins: pins.to_owned(),
        }))
    }

    /// Returns the settings in force and the time at which they disarm, in nanoseconds of `CLOCK_MONOTONIC` (0 means
    /// never).
    pub fn settings(&self) -> Result<(Settings, u64)> {
        let (config, ports) = self.config()?;
        Ok((Settings::from_abi(&former_pins::as_current(config), &ports)?, config.disarm_at_ns))
    }

    /// Puts settings into force.
    pub fn set_settings(&mut self, settings: &Settings, disarm_at_ns: u64) -> Result<()> {
        let (config, ports): (Config, PortSet) = settings.to_abi();
        let (before, _) = self.config()?;
        // A new seed would invalidate the sketches and the count of distinct sources, so an existing one stays.
        let hash_seed =
            if before.hash_seed == HashSeed::default() { random_seed()? } else { before.hash_seed };
        // The maps of the former build stay marked as such until `former_pins::adopt` has renamed them.
        let abi = if before.abi == former_pins::ABI { before.abi } else { config.abi };
        self.set_config(&Config { abi, disarm_at_ns, hash_seed, ..config }, &ports)
    }

    /// Returns CONFIG and PORTS.
    pub(super) fn config(&self) -> Result<(Config, Box<PortSet>)> {
        let config = self.config.get(&0, 0).context("read CONFIG")?;
        let ports = self.ports.get(&0, 0).context("read PORTS")?;
        Ok((config, Box::new(ports)))
    }

    /// Writes PORTS, then CONFIG. In this order, no packet meets the new rules with the old ports when the set of
    /// ports is narrowed.
    pub(super) fn set_config(&mut self, config: &Config, ports: &PortSet) -> Result<()> {
        self.ports.set(0, ports, 0).context("write PORTS")?;
        self.config.set(0, config, 0).context("write CONFIG")
    }

    /// Opens the operator's lists. A caller that changes them must hold the instance's lock for changes.
    pub fn lists(&self) -> Result<ListMaps<'_>> {
        ListMaps::open(&self.pins, self.config()?.0.hash_seed)
    }

    /// Reports for each list, by [`List::index`], whether its files lack changes that are in force.
    ///
    /// [`List::index`]: synguard_common::ip_list::List::index
    pub fn unsaved_lists(&self) -> Result<[bool; 2]> {
        Ok(self.lists.get(&0, 0).context("read LISTS")?.info.map(|info| info.unsaved != 0))
    }

    /// Returns the counters of each CPU.
    pub(super) fn counters_by_cpu(&self) -> Result<Vec<Counters>> {
        let mut cpus = Vec::new();
        for &reason in Reason::ALL {
            let per_cpu = self.counters.get(&reason.index(), 0).context("read COUNTERS")?;
            cpus.resize_with(per_cpu.len(), Counters::default);
            for (counters, counter) in cpus.iter_mut().zip(per_cpu.iter()) {
                counters.add(reason, counter);
            }
        }
        Ok(cpus)
    }

    /// Returns the counters, summed over the CPUs.
    pub fn counters(&self) -> Result<Counters> {
        let mut counters = Counters::default();
        for &reason in Reason::ALL {
            let per_cpu = self.counters.get(&reason.index(), 0).context("read COUNTERS")?;
            for counter in per_cpu.iter() {
                counters.add(reason, counter);
            }
        }
        Ok(counters)
    }

    /// Returns the state of each CPU.
    pub(super) fn cpu_states(&self) -> Result<Vec<CpuState>> {
        Ok(self.cpu_state.get(&0, 0).context("read CPU_STATE")?.to_vec())
    }

    /// Returns the states of the CPUs, combined: counts are summed, of times the latest is taken, and the GCRA
    /// times, which have no meaning across CPUs, are 0.
    pub fn cpu_state(&self) -> Result<CpuState> {
        Ok(self.cpu_states()?.iter().fold(CpuState::default(), |sum, cpu| CpuState {
            events_sent: sum.events_sent + cpu.events_sent,
            events_suppressed: sum.events_suppressed + cpu.events_suppressed,
            sources: combine(sum.sources, &cpu.sources),
            prefixes: combine(sum.prefixes, &cpu.prefixes),
            ..sum
        }))
    }

    /// Returns the registers of the count of distinct sources.
    pub fn registers(&self) -> Result<Box<HyperLogLog>> {
        Ok(Box::new(self.cardinality.get(&0, 0).context("read CARDINALITY")?))
    }

    /// Returns the capacity of the table of prefixes.
    pub fn prefixes_capacity(&self) -> Result<u32> {
        Ok(self.prefixes.info().context("ask about PREFIXES")?.max_entries())
    }

    /// Returns the capacity of the table of sources.
    pub fn sources_capacity(&self) -> Result<u32> {
        Ok(self.sources.info().context("ask about SOURCES")?.max_entries())
    }

    /// Returns the entry of a source, if it has one.
    pub fn source(&self, key: &SourceKey) -> Result<Option<SourceState>> {
        let pending = self.pending_drops()?;
        let state: Option<SourceState> =
            bpf_syscall::lookup(self.sources.fd(), key).context("read SOURCES")?;
        Ok(state.map(|state| SourceState {
            dropped: state.dropped + pending.get(key).copied().unwrap_or(0),
            ..state
        }))
    }

    /// Returns the entries of those of the sources that have one.
    pub fn entries_of(
        &self,
        keys: impl IntoIterator<Item = SourceKey>,
    ) -> Result<HashMap<SourceKey, SourceState>> {
        let pending = self.pending_drops()?;
        let mut entries = HashMap::new();
        for key in keys {
            let state: Option<SourceState> =
                bpf_syscall::lookup(self.sources.fd(), &key).context("read SOURCES")?;
            let Some(mut state) = state else { continue };
            state.dropped += pending.get(&key).copied().unwrap_or(0);
            entries.insert(key, state);
        }
        Ok(entries)
    }

    /// Returns the entry of a prefix, if it has one.
    pub(super) fn prefix(&self, key: &SourceKey) -> Result<Option<SourceState>> {
        bpf_syscall::lookup(self.prefixes.fd(), key).context("read PREFIXES")
    }

    /// Returns the SYNs dropped in about the last tick that the entries of their sources do not include yet.
    fn pending_drops(&self) -> Result<HashMap<SourceKey, u64>> {
        let mut pending = HashMap::new();
        let caches = self.hold_caches()?;
        for slot in caches.iter().flat_map(|cache| &cache.slots).filter(|slot| slot.pending != 0) {
            *pending.entry(slot.source).or_default() += slot.pending;
        }
        Ok(pending)
    }

    /// Returns the sources whose SYNs were dropped in the last `within_ns` before `now_ns` because they are in hold; of very many some.
    pub fn held_sources(&self, now_ns: u64, within_ns: u64) -> Result<Vec<SourceKey>> {
        let caches = self.hold_caches()?;
        let is_recent = |slot: &&HoldSlot| slot.at_ns != 0 && now_ns.saturating_sub(slot.at_ns) < within_ns;
        let slots = caches.iter().flat_map(|cache| &cache.slots);
        Ok(slots.filter(is_recent).map(|slot| slot.source).collect())
    }

    /// Returns the hold cache of each CPU.
    pub(super) fn hold_caches(&self) -> Result<Vec<HoldCache>> {
        Ok(self.hold_cache.get(&0, 0).context("read HOLD_CACHE")?.to_vec())
    }

    /// Passes the sources in the table to `visit`, in no order, until all were visited or the budget is used up.
    /// Sources that appear or disappear during the scan may be missed.
    pub fn for_each_source(
        &self,
        budget: Budget,
        mut visit: impl FnMut(&SourceKey, &SourceState),
    ) -> Result<Coverage> {
        let pending = self.pending_drops()?;
        table_scan::for_each(&self.sources, budget, |key, state: &SourceState| {
            let mut state = *state;
            state.dropped += pending.get(key).copied().unwrap_or(0);
            visit(key, &state);
        })
        .context("read SOURCES")
    }

    /// Passes the /24 and /48 prefixes in the table to `visit`, under the same conditions as
    /// [`Self::for_each_source`].
    pub fn for_each_prefix(
        &self,
        budget: Budget,
        visit: impl FnMut(&SourceKey, &SourceState),
    ) -> Result<Coverage> {
        table_scan::for_each(&self.prefixes, budget, visit).context("read PREFIXES")
    }
}

fn combine(sum: Admission, cpu: &Admission) -> Admission {
    Admission {
        insert_tat_ns: 0,
        promotion_tat_ns: 0,
        pressure_until_ns: sum.pressure_until_ns.max(cpu.pressure_until_ns),
        threshold_raised_until_ns: sum.threshold_raised_until_ns.max(cpu.threshold_raised_until_ns),
        inserts: sum.inserts + cpu.inserts,
        promotions: sum.promotions + cpu.promotions,
        not_admitted: sum.not_admitted + cpu.not_admitted,
    }
}

/// Returns a random secret from the kernel.
fn random_seed() -> Result<HashSeed> {
    let mut bytes = [0; 16];
    let length = getrandom(&mut bytes, GetRandomFlags::empty()).context("get random numbers")?;
    anyhow::ensure!(length == bytes.len(), "the kernel returned too few random numbers");
    Ok(HashSeed([0, 8].map(|start| u64::from_ne_bytes(std::array::from_fn(|i| bytes[start + i])))))
}

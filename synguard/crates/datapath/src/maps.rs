//! Typed access to the pinned maps.

use std::{collections::HashMap, io, path::Path};

use anyhow::{Context as _, Result, anyhow};
use aya::maps::{Array, Map, MapData, PerCpuArray, RingBuf};
use synguard_common::{
    abi::{ABI_VERSION, Config, Counter, CpuState, DatapathEvent, PortSet},
    admission::Admission,
    hold_cache::HoldCache,
    hyperloglog::HyperLogLog,
    map_names,
    reason::Reason,
    source::{SourceKey, SourceState},
    syn_cookie::config::SynCookieConfig,
};
use synguard_model::{
    error::{ExitKind, failure},
    snapshot::Counters,
};

use crate::{
    bpf_syscall,
    pins::pin_path,
    table_scan::{self, Budget, Coverage},
};

/// The pinned maps of an instance.
pub(super) struct Maps {
    config: Array<MapData, Config>,
    ports: Array<MapData, PortSet>,
    counters: PerCpuArray<MapData, Counter>,
    cpu_state: PerCpuArray<MapData, CpuState>,
    held: PerCpuArray<MapData, HoldCache>,
    sources: MapData,
    prefixes: MapData,
    distinct: Array<MapData, HyperLogLog>,
    answering: Array<MapData, SynCookieConfig>,
}

impl Maps {
    /// Opens the maps pinned in `pins`, or returns `None` if there are none.
    ///
    /// # Errors
    ///
    /// If they cannot be opened, or are not synguard's.
    pub(super) fn open(pins: &Path) -> Result<Option<Self>> {
        let Some(config) = open_map(pins, map_names::CONFIG)? else { return Ok(None) };
        // Before any other map is read as what it may not be.
        let config = check_layout(config).map_err(|UnknownLayout(found)| {
            let what = format!("the filter in {} is another version's", pins.display());
            anyhow!("{what} (layout {found}, not {ABI_VERSION}): attach again to take it over, or detach")
        })?;
        let rest = |name| {
            open_map(pins, name)?.with_context(|| {
                let pins = pins.display();
                format!("{pins} has no {name}: run `synguard detach` to clear it, then attach again")
            })
        };
        Ok(Some(Self {
            config,
            ports: Array::try_from(Map::Array(rest(map_names::PORTS)?)).context("open PORTS")?,
            counters: PerCpuArray::try_from(Map::PerCpuArray(rest(map_names::COUNTERS)?))
                .context("open COUNTERS")?,
            cpu_state: PerCpuArray::try_from(Map::PerCpuArray(rest(map_names::CPU_STATE)?))
                .context("open CPU_STATE")?,
            held: PerCpuArray::try_from(Map::PerCpuArray(rest(map_names::HOLD_CACHE)?))
                .context("open HOLD_CACHE")?,
            sources: rest(map_names::SOURCES)?,
            prefixes: rest(map_names::PREFIXES)?,
            distinct: Array::try_from(Map::Array(rest(map_names::CARDINALITY)?))
                .context("open CARDINALITY")?,
            answering: Array::try_from(Map::Array(rest(map_names::SYN_COOKIES)?))
                .context("open SYN_COOKIES")?,
        }))
    }

    /// The settings in force.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub(super) fn settings(&self) -> Result<(Config, Box<PortSet>)> {
        let config = self.config.get(&0, 0).context("read CONFIG")?;
        let ports = self.ports.get(&0, 0).context("read PORTS")?;
        Ok((config, Box::new(ports)))
    }

    /// Puts settings into force. The ports come first: when a set is narrowed, no packet meets the new rules
    /// with the old ports.
    ///
    /// # Errors
    ///
    /// If a map cannot be written.
    pub(super) fn set_settings(&mut self, config: &Config, ports: &PortSet) -> Result<()> {
        self.ports.set(0, ports, 0).context("write PORTS")?;
        self.config.set(0, config, 0).context("write CONFIG")
    }

    /// How SYNs are answered.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub(super) fn syn_cookie_config(&self) -> Result<SynCookieConfig> {
        self.answering.get(&0, 0).context("read SYN_COOKIES")
    }

    /// Changes how SYNs are answered.
    ///
    /// # Errors
    ///
    /// If the map cannot be written.
    pub(super) fn set_syn_cookie_config(&mut self, answering: &SynCookieConfig) -> Result<()> {
        self.answering.set(0, answering, 0).context("write SYN_COOKIES")
    }

    /// The counters of each CPU.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
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

    /// The counters, summed over the CPUs.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub(super) fn counters(&self) -> Result<Counters> {
        let mut counters = Counters::default();
        for &reason in Reason::ALL {
            let per_cpu = self.counters.get(&reason.index(), 0).context("read COUNTERS")?;
            for counter in per_cpu.iter() {
                counters.add(reason, counter);
            }
        }
        Ok(counters)
    }

    /// What each CPU keeps besides the counters.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub(super) fn cpu_states(&self) -> Result<Vec<CpuState>> {
        Ok(self.cpu_state.get(&0, 0).context("read CPU_STATE")?.to_vec())
    }

    /// What the CPUs keep besides the counters, summed: the counts are sums, the times the latest of any CPU,
    /// the buckets meaningless and 0.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub(super) fn cpu_state(&self) -> Result<CpuState> {
        Ok(self.cpu_states()?.iter().fold(CpuState::default(), |sum, cpu| CpuState {
            events_sent: sum.events_sent + cpu.events_sent,
            events_suppressed: sum.events_suppressed + cpu.events_suppressed,
            sources: add(sum.sources, &cpu.sources),
            prefixes: add(sum.prefixes, &cpu.prefixes),
            ..sum
        }))
    }

    /// The registers of the distinct count.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub(super) fn registers(&self) -> Result<Box<HyperLogLog>> {
        Ok(Box::new(self.distinct.get(&0, 0).context("read CARDINALITY")?))
    }

    /// How many prefixes the table has room for.
    ///
    /// # Errors
    ///
    /// If the kernel cannot be asked.
    pub(super) fn prefixes_capacity(&self) -> Result<u32> {
        Ok(self.prefixes.info().context("ask about PREFIXES")?.max_entries())
    }

    /// How many sources the table has room for.
    ///
    /// # Errors
    ///
    /// If the kernel cannot be asked.
    pub(super) fn sources_capacity(&self) -> Result<u32> {
        Ok(self.sources.info().context("ask about SOURCES")?.max_entries())
    }

    /// What is known of a source.
    ///
    /// # Errors
    ///
    /// If a map cannot be read.
    pub(super) fn source(&self, key: &SourceKey) -> Result<Option<SourceState>> {
        let uncounted = self.uncounted()?;
        let state: Option<SourceState> =
            bpf_syscall::lookup(self.sources.fd(), key).context("read SOURCES")?;
        Ok(state.map(|state| SourceState {
            dropped: state.dropped + uncounted.get(key).copied().unwrap_or(0),
            ..state
        }))
    }

    /// What is known of a prefix.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub(super) fn prefix(&self, key: &SourceKey) -> Result<Option<SourceState>> {
        bpf_syscall::lookup(self.prefixes.fd(), key).context("read PREFIXES")
    }

    /// SYNs dropped in the last tick or so that the entries of their sources do not count yet.
    fn uncounted(&self) -> Result<HashMap<SourceKey, u64>> {
        let mut uncounted = HashMap::new();
        for slot in self.held()?.iter().flat_map(|held| &held.slots).filter(|slot| slot.pending != 0) {
            *uncounted.entry(slot.source).or_default() += slot.pending;
        }
        Ok(uncounted)
    }

    /// What each CPU remembers of sources in hold.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub(super) fn held(&self) -> Result<Vec<HoldCache>> {
        Ok(self.held.get(&0, 0).context("read HOLD_CACHE")?.to_vec())
    }

    /// Passes the sources in the table to `visit`, as [`table_scan::for_each`] does.
    ///
    /// # Errors
    ///
    /// If a map cannot be read.
    pub(super) fn for_each_source(
        &self,
        budget: Budget,
        mut visit: impl FnMut(&SourceKey, &SourceState),
    ) -> Result<Coverage> {
        let uncounted = self.uncounted()?;
        table_scan::for_each(&self.sources, budget, |key, state: &SourceState| {
            let mut state = *state;
            state.dropped += uncounted.get(key).copied().unwrap_or(0);
            visit(key, &state);
        })
        .context("read SOURCES")
    }

    /// The same for prefixes.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub(super) fn for_each_prefix(
        &self,
        budget: Budget,
        visit: impl FnMut(&SourceKey, &SourceState),
    ) -> Result<Coverage> {
        table_scan::for_each(&self.prefixes, budget, visit).context("read PREFIXES")
    }
}

fn add(sum: Admission, cpu: &Admission) -> Admission {
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

/// The stream of events from the datapath. Only the controller reads it: each event is seen once.
pub struct EventStream(RingBuf<MapData>);

impl EventStream {
    /// Opens the ring buffer pinned in `pins`.
    ///
    /// # Errors
    ///
    /// If it is not there.
    pub fn open(pins: &Path) -> Result<Self> {
        let map = open_map(pins, map_names::EVENTS)?.context("EVENTS is not pinned")?;
        Ok(Self(RingBuf::try_from(Map::RingBuf(map)).context("open EVENTS")?))
    }

    /// The next event, if one is waiting.
    pub fn read(&mut self) -> Option<DatapathEvent> {
        loop {
            let item = self.0.next()?;
            // What is not an event of ours is skipped: the map is only as trustworthy as who else may write
            // to bpffs.
            if item.len() == size_of::<DatapathEvent>() {
                // SAFETY: as many bytes as an DatapathEvent has, every bit pattern is one, and the read does not
                // assume alignment.
                return Some(unsafe { item.as_ptr().cast::<DatapathEvent>().read_unaligned() });
            }
        }
    }
}

/// A layout that is not this program's: its version, as far as that can be told.
pub(super) struct UnknownLayout(pub(super) String);

/// CONFIG, if it and with it all maps are of the layout that this program knows.
pub(super) fn check_layout(config: MapData) -> Result<Array<MapData, Config>, UnknownLayout> {
    let unknown = || UnknownLayout("unknown".to_owned());
    let config: Array<MapData, Config> = Array::try_from(Map::Array(config)).map_err(|_| unknown())?;
    match config.get(&0, 0).map_err(|_| unknown())?.abi {
        // 0 is a map that was made and never written: the loader died in between.
        0 | ABI_VERSION => Ok(config),
        other => Err(UnknownLayout(other.to_string())),
    }
}

/// Opens a pinned map; `None` if nothing is pinned under that name.
pub(super) fn open_map(pins: &Path, name: &str) -> Result<Option<MapData>> {
    let path = pin_path(pins, name);
    match MapData::from_pin(&path) {
        Ok(map) => Ok(Some(map)),
        Err(error) => match errno(&error) {
            Some(libc::ENOENT) => Ok(None),
            Some(libc::EPERM | libc::EACCES) => {
                let path = path.display();
                Err(failure(ExitKind::Privilege, format!("cannot open {path}: run as root (sudo)")))
            }
            _ => Err(error).with_context(|| format!("open {}", path.display())),
        },
    }
}

/// The bytes of the first value of a map.
pub(super) fn only_value(map: &MapData) -> Result<Vec<u8>> {
    let mut value = vec![0; map.info()?.value_size() as usize];
    bpf_syscall::lookup_into(map.fd(), &0u32, value.as_mut_slice())?;
    Ok(value)
}

/// The error number at the root of an aya error.
pub(super) fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(code) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(code);
        }
        next = error.source();
    }
    None
}

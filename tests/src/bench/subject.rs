//! The programs to measure, and how each is loaded and attached.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, bail};
use aya::programs::ProgramFd;
use synguard_common::{abi::Config, syn_cookie::config::SynCookieConfig};

use crate::{
    bench::{
        blocklist::Blocklist, counters::Counters, single::program_by_id, workload, xdp_filter::XdpFilter,
    },
    bpffs::Dirs,
    lab::{DEVICE, Lab},
    testrun::{Filter, cookie_config_for},
    xdp::{Loaded, Program},
};

/// The program to measure.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    /// One of the lab's programs.
    Lab(Program),
    /// synguard with these settings and list, and room for as many sources as by default.
    Synguard(Config, Blocklist),
    /// synguard, sending a cookie for every SYN to the server.
    SynCookieConfig,
    /// xdp-filter with these features, and a source that it drops.
    XdpFilter { features: &'static str, deny: Option<Ipv4Addr> },
}

/// Time for which a source that returned a cookie stays validated, in nanoseconds, as in the controller: longer than
/// `TIME_WAIT`.
const VALIDATED_NS: u64 = 90_000_000_000;

pub(super) enum Running {
    Lab(Loaded),
    Synguard(Box<Filter>),
    XdpFilter(XdpFilter),
}

impl Running {
    /// Attaches a subject to the server's device, until the guard is dropped.
    ///
    /// # Errors
    /// When the kernel or a tool refuses.
    pub(super) fn start(lab: &Lab, subject: Subject) -> Result<Self> {
        match subject {
            Subject::Lab(program) => lab.attach(program).map(|attached| Self::Lab(attached.into_loaded())),
            Subject::XdpFilter { features, deny } => {
                let filter = XdpFilter::load(lab, features)?;
                deny.map_or(Ok(()), |source| filter.deny(source))?;
                Ok(Self::XdpFilter(filter))
            }
            Subject::SynCookieConfig => {
                let mut filter = Filter::load_with_sources(synguard_common::map_names::SOURCES_DEFAULT);
                filter.set_config(workload::settings(workload::DEFAULT_LIMIT));
                filter.send_cookies_for_lab(SynCookieConfig {
                    validated_ns: VALIDATED_NS,
                    ..cookie_config_for(lab)
                });
                filter.attach(&lab.server, DEVICE);
                Ok(Self::Synguard(Box::new(filter)))
            }
            Subject::Synguard(config, list) => {
                let mut filter = filter(config, list)?;
                filter.attach(&lab.server, DEVICE);
                Ok(Self::Synguard(filter))
            }
        }
    }

    /// Makes a subject ready that does not need a device of its own for that.
    ///
    /// # Errors
    /// When it does, or the kernel refuses it.
    pub(super) fn load(subject: Subject) -> Result<Self> {
        match subject {
            Subject::Lab(program) => Loaded::new(program).map(Self::Lab),
            Subject::Synguard(config, list) => filter(config, list).map(Self::Synguard),
            Subject::SynCookieConfig | Subject::XdpFilter { .. } => bail!("{subject:?} is made on a device"),
        }
    }

    /// The program.
    ///
    /// # Errors
    /// When the kernel does not give it out.
    pub(super) fn fd(&self) -> Result<ProgramFd> {
        match self {
            Self::Lab(loaded) => Ok(loaded.xdp()?.fd()?.try_clone()?),
            Self::Synguard(filter) => Ok(filter.xdp().fd()?.try_clone()?),
            Self::XdpFilter(filter) => Ok(program_by_id(filter.program_id)?.fd()?),
        }
    }

    /// Runs, and nanoseconds in all of them.
    ///
    /// # Errors
    /// When the kernel does not give the number.
    pub(super) fn runs(&self) -> Result<(u64, f64)> {
        let info = match self {
            Self::Lab(loaded) => loaded.xdp()?.info(),
            Self::Synguard(filter) => filter.xdp().info(),
            Self::XdpFilter(filter) => Ok(program_by_id(filter.program_id)?),
        };
        let info = info.context("ask about the program")?;
        Ok((info.run_count(), info.run_time().as_nanos() as f64))
    }

    /// Returns the packets and inserts counted so far.
    pub(super) fn counters(&self) -> Counters {
        match self {
            Self::Lab(_) | Self::XdpFilter(_) => Counters::NONE,
            Self::Synguard(filter) => Counters {
                reasons: filter.counters().map(|counter| counter.packets),
                inserts: filter.cpu_states().iter().map(|cpu| cpu.sources.inserts).sum(),
            },
        }
    }
}

/// synguard with room for as many sources as by default, on no device yet.
fn filter(config: Config, list: Blocklist) -> Result<Box<Filter>> {
    let mut filter = Filter::load_with_sources(synguard_common::map_names::SOURCES_DEFAULT);
    filter.set_config(config);
    if list != Blocklist::Empty {
        // The program keeps the maps when they are unpinned again.
        let dirs = Dirs::new()?;
        filter.pin_lists(&dirs.bpffs());
        list.write(&dirs.bpffs())?;
    }
    Ok(Box::new(filter))
}

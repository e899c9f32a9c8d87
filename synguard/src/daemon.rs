//! The controller: keeps the filter while it runs, says in the log what happens, and takes the filter off when
//! it is told to end. It is only a client of the pinned maps: the filter works the same without it.

use std::{collections::HashMap, net::Ipv6Addr, time::Duration};

use anyhow::{Context as _, Result, bail};
use synguard_common::{abi::Event, prefix::to_bytes};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::MissedTickBehavior,
};

use crate::{
    clock,
    config::Settings,
    datapath::{self, Attached, Datapath, EventStream},
    error::one_line,
    instance::Instance,
    lock::Lock,
    watch::{Notice, Watch},
};

const TICK: Duration = Duration::from_millis(250);
/// Ticks between looks at the interfaces.
const INTERFACE_TICKS: u32 = 8;
/// Sources named in the log a tick; more are counted.
const SOURCES_NAMED: usize = 3;

/// The signals that matter, caught from before the filter is attached so that none is lost.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to catch them. Needs the runtime.
    ///
    /// # Errors
    ///
    /// If the process cannot install handlers.
    pub fn catch() -> Result<Self> {
        let catch = |kind| signal(kind).context("install a signal handler");
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }
}

/// What the loop reacts to.
enum Input {
    Tick,
    Reload,
    Shutdown(&'static str),
}

/// How a controller behaves, beside the settings in force.
pub struct Options<'a> {
    /// The instance.
    pub instance: &'a Instance,
    /// Leave the filter in place when told to end.
    pub keep_on_exit: bool,
    /// Reads the settings anew from where they came from.
    pub reload: &'a dyn Fn() -> Result<Settings>,
    /// Attaches again to an interface that has gone and come back.
    pub reattach: &'a dyn Fn(&str) -> Result<()>,
    /// When the filter is taken off unless it is confirmed, in nanoseconds of CLOCK_MONOTONIC; 0 is never.
    pub confirm_by_ns: u64,
}

struct Controller<'a> {
    options: Options<'a>,
    datapath: Datapath,
    events: EventStream,
    watch: Watch,
    /// Interfaces that have gone.
    missing: Vec<String>,
    ticks: u32,
}

/// Runs until a signal, until somebody detaches the filter, or until a confirmation fails to come. The
/// controller's lock is let go of, and its file removed, at the end.
///
/// # Errors
///
/// If the filter cannot be read or taken off, or was not confirmed in time.
pub async fn run(options: Options<'_>, datapath: Datapath, lock: Lock, mut signals: Signals) -> Result<()> {
    let events = EventStream::open(&options.instance.pins)?;
    let mut controller =
        Controller { options, datapath, events, watch: Watch::default(), missing: Vec::new(), ticks: 0 };
    let mut ticker = tokio::time::interval(TICK);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let result = loop {
        let input = tokio::select! {
            biased;
            _ = signals.terminate.recv() => Input::Shutdown("SIGTERM"),
            _ = signals.interrupt.recv() => Input::Shutdown("SIGINT"),
            _ = signals.hangup.recv() => Input::Reload,
            _ = ticker.tick() => Input::Tick,
        };
        match input {
            Input::Tick => match controller.tick() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            },
            Input::Reload => controller.reload(),
            Input::Shutdown(why) => break controller.shut_down(why),
        }
    };
    lock.remove_file();
    result
}

impl Controller<'_> {
    /// Looks at the filter; `false` if it is not there any more.
    fn tick(&mut self) -> Result<bool> {
        if !datapath::is_pinned(&self.options.instance.pins) {
            log::info!("the filter was detached by another process: ending");
            return Ok(false);
        }
        let now_ns = clock::now_ns();
        self.check_confirmation(now_ns)?;
        if let Some(notice) = self.watch.step(&self.datapath.counters()?, now_ns) {
            say(&notice);
        }
        self.log_events()?;
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(INTERFACE_TICKS) {
            self.check_interfaces()?;
        }
        Ok(true)
    }

    fn check_confirmation(&mut self, now_ns: u64) -> Result<()> {
        if self.options.confirm_by_ns == 0 {
            return Ok(());
        }
        let (_, disarm_at_ns) = self.datapath.settings()?;
        if disarm_at_ns == 0 {
            log::info!("confirmed: the filter stays");
            self.options.confirm_by_ns = 0;
        } else if now_ns >= disarm_at_ns {
            self.take_off()?;
            bail!("not confirmed in time: detached again (run `synguard confirm` within the time given)");
        }
        Ok(())
    }

    fn log_events(&mut self) -> Result<()> {
        let mut by_source: HashMap<[u8; 16], (Event, u32)> = HashMap::new();
        while let Some(event) = self.events.read() {
            by_source.entry(to_bytes(event.source.address)).or_insert((event, 0)).1 += 1;
        }
        if by_source.is_empty() {
            return Ok(());
        }
        let (settings, _) = self.datapath.settings()?;
        for (event, _) in by_source.values().take(SOURCES_NAMED) {
            let hold = match settings.hold {
                Duration::ZERO => String::new(),
                hold => format!(", in hold for {}", crate::duration::format(hold)),
            };
            let (source, port) = (display_source(event, settings.source_prefix_v6), event.port);
            log::info!("{source} went over {} SYN/s (port {port}){hold}", settings.syn_rate);
        }
        if by_source.len() > SOURCES_NAMED {
            log::info!("… and {} more sources", by_source.len() - SOURCES_NAMED);
        }
        Ok(())
    }

    /// Attaches again to interfaces that have gone and come back, as a bond or a VLAN does when it is
    /// reconfigured.
    fn check_interfaces(&mut self) -> Result<()> {
        for Attached { name, ifindex, .. } in datapath::attached(&self.options.instance.pins)? {
            if ifindex != 0 {
                continue;
            }
            if !self.missing.contains(&name) {
                log::warn!("{name} is gone; it is attached again when it comes back");
                self.missing.push(name.clone());
            }
            match crate::netlink::by_name(&name) {
                Ok(Some(_)) => match (self.options.reattach)(&name) {
                    Ok(()) => {
                        log::info!("{name} is back: attached again");
                        self.missing.retain(|other| *other != name);
                    }
                    Err(error) => log::warn!("{name} is back, but cannot be attached to: {error:#}"),
                },
                Ok(None) => {}
                Err(error) => log::warn!("{error:#}"),
            }
        }
        Ok(())
    }

    fn reload(&mut self) {
        let apply = |datapath: &mut Datapath| -> Result<()> {
            let settings = (self.options.reload)()?;
            let _lock = Lock::change(self.options.instance)?;
            let (_, disarm_at_ns) = datapath.settings()?;
            datapath.set_settings(&settings, disarm_at_ns)
        };
        match apply(&mut self.datapath) {
            Ok(()) => log::info!("settings reloaded"),
            Err(error) => {
                let error = one_line(&format!("{error:#}"));
                log::error!("settings not reloaded, the old ones stay in force: {error}");
            }
        }
    }

    fn shut_down(&mut self, why: &str) -> Result<()> {
        if self.options.keep_on_exit {
            log::info!("{why}: ending; the filter stays in place (`synguard detach` takes it off)");
            return Ok(());
        }
        log::info!("{why}: detaching");
        self.take_off()
    }

    fn take_off(&self) -> Result<()> {
        let lock = Lock::change(self.options.instance)?;
        datapath::remove(&self.options.instance.pins)?;
        lock.remove_file();
        Ok(())
    }
}

fn say(notice: &Notice) {
    match *notice {
        Notice::Began { unwanted, offered } => {
            log::warn!("attack: {unwanted} of {offered} SYNs were over their source's limit in {TICK:?}");
        }
        Notice::GoesOn { unwanted, rate } => {
            log::warn!("attack goes on: {rate:.0} SYN/s over the limit, {unwanted} so far");
        }
        Notice::Ended { unwanted, seconds } => {
            log::info!("attack over: {unwanted} SYNs over the limit in {seconds:.0} s");
        }
    }
}

/// A source as people write it: an IPv4 address, or an IPv6 prefix of `prefix` bits.
fn display_source(event: &Event, prefix: u8) -> String {
    let address = Ipv6Addr::from(to_bytes(event.source.address));
    match address.to_ipv4_mapped() {
        Some(v4) => v4.to_string(),
        _ if prefix == 128 => address.to_string(),
        _ => format!("{address}/{prefix}"),
    }
}

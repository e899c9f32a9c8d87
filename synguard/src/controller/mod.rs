//! The controller: keeps the filter while it runs, has [`synguard_policy`] decide what to do about what it sees, does
//! it, writes it down, and takes the filter off when it is told to end. It is only a client of the pinned maps: the
//! filter works the same without it.

mod block;
mod interfaces;
mod jobs;
pub(crate) mod status_file;
mod syn_cookies;
mod sysctls;
mod systemd;
mod tick;
mod violations;

use std::time::Duration;

use anyhow::{Context as _, Result};
use synguard_datapath::Datapath;
use synguard_kernel::{capabilities, clock, instance::Instance, lock::Lock, netlink::LinkWatch};
use synguard_model::{event::Event, settings::Settings};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::MissedTickBehavior,
};

use self::tick::Controller;
use crate::event_log;

const TICK: Duration = Duration::from_millis(250);

/// The signals that matter, caught from before the filter is attached so that none is lost.
pub(crate) struct Signals {
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
    pub(crate) fn catch() -> Result<Self> {
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
    /// Time to look.
    Tick,
    /// Something happened to an interface.
    Links,
    /// SIGHUP.
    Reload,
    /// The signal of that name.
    Shutdown(&'static str),
}

/// How a controller behaves, beside the settings in force.
pub(crate) struct Options<'a> {
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
    /// Whether the filter of a former controller was taken over.
    pub adopted: bool,
}

/// Writes down, and says in the log, what happened.
struct Teller {
    history: event_log::Writer,
}

impl Teller {
    fn new(instance: &Instance) -> Self {
        Self { history: event_log::Writer::new(&instance.state) }
    }

    fn tell(&mut self, event: &Event) {
        log::log!(event.level(), "{event}");
        self.history.write(event, clock::unix_ms());
    }
}

/// Ends what a controller that was killed has left undone: the filter's answers first, then what was raised for them.
/// To be called by whoever holds the controller's lock.
pub(crate) fn settle(instance: &Instance) {
    syn_cookies::settle(&instance.pins);
    let mut teller = Teller::new(instance);
    for event in sysctls::settle(instance) {
        teller.tell(&event);
    }
}

/// Runs until a signal, until somebody detaches the filter, or until a confirmation fails to come. The
/// controller's lock is let go of, and its file removed, at the end.
///
/// # Errors
///
/// If the filter cannot be read or taken off, or was not confirmed in time.
pub(crate) async fn run(
    options: Options<'_>,
    datapath: Datapath,
    lock: Lock,
    mut signals: Signals,
) -> Result<()> {
    let links = LinkWatch::open()
        .inspect_err(|error| log::warn!("interfaces are looked at now and then only: {error:#}"))
        .ok();
    let mut controller = Controller::new(options, datapath)?;
    capabilities::drop_unneeded();
    controller.begin()?;
    let mut ticker = tokio::time::interval(TICK);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let result = loop {
        let input = tokio::select! {
            biased;
            _ = signals.terminate.recv() => Input::Shutdown("SIGTERM"),
            _ = signals.interrupt.recv() => Input::Shutdown("SIGINT"),
            _ = signals.hangup.recv() => Input::Reload,
            _ = ticker.tick() => Input::Tick,
            () = changed(links.as_ref()) => Input::Links,
        };
        match input {
            Input::Tick => match controller.tick() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            },
            Input::Links => controller.links_changed(),
            Input::Reload => controller.reload(),
            Input::Shutdown(why) => break controller.shut_down(why),
        }
    };
    if let Err(error) = &result {
        controller.fail(error);
    }
    controller.end();
    lock.remove_file();
    result
}

/// Waits for a change of an interface; for ever if that cannot be noticed.
async fn changed(links: Option<&LinkWatch>) {
    match links {
        Some(links) => links.changed().await,
        None => std::future::pending().await,
    }
}

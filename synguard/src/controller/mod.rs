//! The controller: keeps the filter while it runs, lets [`synguard_policy`] decide on each observation, performs and reports
//! the decisions, and detaches the filter when it is told to end. It is only a client of the pinned maps: the filter works
//! the same without it.

mod block;
mod countermeasures;
pub(crate) mod heartbeat;
mod interfaces;
mod jobs;
mod last_error;
pub(crate) mod status_file;
mod syn_cookies;
mod systemd;
mod tick;
mod violations;

use std::time::Duration;

use anyhow::{Context as _, Result};
use synguard_datapath::Datapath;
use synguard_kernel::{capabilities, instance::Instance, lock::Lock, netlink::LinkWatch};
use synguard_model::settings::Settings;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::MissedTickBehavior,
};

use self::tick::Controller;
use crate::event_log::EventLog;

const TICK: Duration = Duration::from_millis(250);

/// The signals that the controller handles. They are caught before the filter is attached, so that none is lost.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to catch the signals. Needs the runtime.
    pub(crate) fn catch() -> Result<Self> {
        let catch = |kind| signal(kind).context("install a signal handler");
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }
}

/// An input of the controller's loop.
enum ControllerInput {
    Tick,
    /// An interface changed.
    Links,
    /// SIGHUP.
    Reload,
    /// The signal of that name.
    Shutdown(&'static str),
}

/// The options of a controller, beside the settings in force.
pub(crate) struct ControllerOptions<'a> {
    pub instance: &'a Instance,
    /// Leave the filter attached when the controller ends.
    pub keep_on_exit: bool,
    /// Reads the settings again from their sources.
    pub reload: &'a dyn Fn() -> Result<Settings>,
    /// Attaches the filter again to an interface that returned.
    pub reattach: &'a dyn Fn(&str) -> Result<()>,
    /// Time at which the filter is detached unless it is confirmed, in nanoseconds of `CLOCK_MONOTONIC`; 0 is never.
    pub confirm_by_ns: u64,
    /// Set if the filter of an earlier controller was taken over.
    pub adopted: bool,
}

/// Ends the countermeasures that a killed controller left in force. The caller holds the controller's lock.
pub(crate) fn restore_after_crash(instance: &Instance) {
    EventLog::new(&instance.state).report(&countermeasures::end_after_crash(instance));
}

/// Runs until a signal arrives, the filter is detached, or a confirmation does not arrive in time. Releases the controller's
/// lock at the end and removes its file.
///
/// # Errors
///
/// If the filter cannot be read or detached, or was not confirmed in time.
pub(crate) async fn run(
    options: ControllerOptions<'_>,
    datapath: Datapath,
    lock: Lock,
    mut signals: Signals,
) -> Result<()> {
    let links = LinkWatch::open()
        .inspect_err(|error| log::warn!("changes of interfaces are noticed late: {error:#}"))
        .ok();
    let mut controller = Controller::new(options, datapath, lock)?;
    capabilities::drop_unneeded();
    controller.begin()?;
    let mut ticker = tokio::time::interval(TICK);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let result = loop {
        let input = tokio::select! {
            biased;
            _ = signals.terminate.recv() => ControllerInput::Shutdown("SIGTERM"),
            _ = signals.interrupt.recv() => ControllerInput::Shutdown("SIGINT"),
            _ = signals.hangup.recv() => ControllerInput::Reload,
            _ = ticker.tick() => ControllerInput::Tick,
            () = link_change(links.as_ref()) => ControllerInput::Links,
        };
        match input {
            ControllerInput::Tick => match controller.tick() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            },
            ControllerInput::Links => controller.links_changed(),
            ControllerInput::Reload => controller.reload(),
            ControllerInput::Shutdown(signal) => break controller.shut_down(signal),
        }
    };
    if let Err(error) = &result {
        controller.report_failure(error);
    }
    controller.end();
    result
}

/// Waits for a change of an interface; for ever if changes cannot be watched.
async fn link_change(links: Option<&LinkWatch>) {
    match links {
        Some(links) => links.changed().await,
        None => std::future::pending().await,
    }
}

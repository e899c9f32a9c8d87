//! The controller: keeps the filter while it runs, lets [`synguard_policy`] decide on each observation, performs and reports
//! the decisions, and detaches the filter when it is told to end. It is only a client of the pinned maps: the filter works
//! the same without it.

mod block;
mod block_check;
mod blocked_traffic;
mod countermeasures;
pub(crate) mod heartbeat;
mod interfaces;
mod jobs;
mod last_error;
mod reload;
mod saving;
mod signals;
pub(crate) mod status_file;
mod syn_cookies;
mod systemd;
mod tick;
mod violations;

use std::time::Duration;

use anyhow::Result;
use synguard_datapath::Datapath;
use synguard_kernel::{capabilities, instance::Instance, lock::Lock, netlink::LinkWatch};
use synguard_model::settings::AttachOptions;
use tokio::time::MissedTickBehavior;

pub(crate) use self::{saving::next_save_text, signals::Signals};
use self::{signals::SignalRequest, tick::Controller};
use crate::{
    config::{AttachConfig, record::AttachRecord},
    event_log::EventLog,
};

const TICK: Duration = Duration::from_millis(250);

/// An input of the controller's loop.
enum ControllerInput {
    Tick,
    /// An interface changed.
    Links,
    Signal(SignalRequest),
}

/// The options of a controller, beside the settings in force.
pub(crate) struct ControllerOptions<'a> {
    pub instance: &'a Instance,
    /// The options of the attach.
    pub options: &'a AttachOptions,
    /// Reads settings and options again from their sources.
    pub reload: &'a dyn Fn() -> Result<AttachConfig>,
    /// The sources of the settings as they were read last.
    pub record: AttachRecord,
    /// Attaches the filter again to an interface that returned. The caller holds the lock for changes.
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
    signals: Signals,
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
            request = signals.next() => ControllerInput::Signal(request),
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
            ControllerInput::Signal(SignalRequest::Reload(actor)) => controller.reload(actor),
            ControllerInput::Signal(SignalRequest::TerminalClosed) => controller.terminal_closed(),
            ControllerInput::Signal(SignalRequest::ShutDown(signal, actor)) => {
                break controller.shut_down(signal, actor);
            }
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

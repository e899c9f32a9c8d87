//! The record of who changed what: each change by a command is an event, in the log that the controller also writes.

use synguard_kernel::{instance::Instance, process};
use synguard_model::event::{Actor, Event};

use crate::event_log::EventLog;

/// Appends a change that this process made to the event log. A failure is a warning: the change has been made.
pub(crate) fn record(instance: &Instance, event: impl FnOnce(Actor) -> Event) {
    EventLog::new(&instance.state).record(&event(process::current_actor()));
}

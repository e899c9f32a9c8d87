//! `synguard reload`: has the controller read its configuration file again, and prints the result.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use synguard_kernel::{instance::Instance, lock};
use synguard_model::error::{ExitKind, failure};

use super::{filter::open, stdout::emit};
use crate::event_log::EventLogReader;

/// Poll interval while waiting for the controller's reply.
const POLL: Duration = Duration::from_millis(50);
/// Polls before giving up: ten seconds, because a flood may keep the controller busy.
const POLLS_MAX: u32 = 200;

/// Signals the controller and waits for its event.
///
/// # Errors
///
/// Not attached; no controller, which alone knows the path of its file; or an invalid file, which changes nothing.
pub(super) fn run(instance: &Instance) -> Result<()> {
    open(instance)?;
    let pid = lock::controller_pid(instance).and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
    let Some(pid) = pid else {
        bail!("no controller is running to read its file again: change settings with `synguard set`");
    };
    let mut events = EventLogReader::new(&instance.state);
    // Skip the events logged before the signal.
    events.read_new()?;
    // The holder of the controller's lock handles this signal.
    kill_process(pid, Signal::HUP).with_context(|| format!("signal the controller (pid {pid})"))?;
    for _ in 0..POLLS_MAX {
        for event in events.read_new()?.events {
            match event["event"].as_str() {
                Some("reloaded") => return emit("settings reloaded\n"),
                Some("not_reloaded") => {
                    let why = event["why"].as_str().unwrap_or("see `synguard events`");
                    return Err(failure(ExitKind::Invalid, format!("nothing has changed: {why}")));
                }
                _ => {}
            }
        }
        thread::sleep(POLL);
    }
    bail!("the controller (pid {pid}) has not replied in 10 s: see `synguard events`")
}

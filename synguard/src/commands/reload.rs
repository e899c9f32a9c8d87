//! `synguard reload`: has the controller read its configuration file again, and says what came of it.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use synguard_kernel::{instance::Instance, lock};
use synguard_model::error::{ExitKind, failure};

use super::{filter::open, stdout::emit};
use crate::event_log::EventLogReader;

/// How often it is looked for the answer.
const POLL: Duration = Duration::from_millis(50);
/// Looks until it is given up: ten seconds, for a flood may keep the controller busy.
const LOOKS: u32 = 200;

/// Signals the controller and waits for what it tells.
///
/// # Errors
///
/// Not attached; no controller, which alone knows where its file is; or the file is not valid, and nothing has changed.
pub(super) fn run(instance: &Instance) -> Result<()> {
    open(instance)?;
    let pid = lock::controller_pid(instance).and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
    let Some(pid) = pid else {
        bail!("no controller is running to read its file again: change settings with `synguard set`");
    };
    let mut events = EventLogReader::new(&instance.state);
    // What was told before is not the answer.
    events.read_new()?;
    // The holder of the controller's lock handles this signal.
    kill_process(pid, Signal::HUP).with_context(|| format!("signal the controller (pid {pid})"))?;
    for _ in 0..LOOKS {
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
    bail!("the controller (pid {pid}) has not answered in 10 s: see `synguard events`")
}

//! `synguard events`: the log of the controller's observations and actions.

use std::{fs, io::ErrorKind, thread, time::Duration};

use anyhow::Result;
use serde_json::Value;
use synguard_kernel::{instance::Instance, preflight};
use synguard_model::error::{self, ExitKind, failure};

use super::stdout::{emit, emit_if_open};
use crate::{
    event_log::{EventBatch, EventLogReader},
    output::{EventsJson, SchemaVersion, to_line},
};

/// Pause between reads with `--follow`.
const POLL: Duration = Duration::from_millis(200);

/// Prints the events in the log and, with `follow`, new ones as they are written. Before the first attach there are none.
pub(super) fn run(instance: &Instance, follow: bool, as_json: bool) -> Result<()> {
    check_access(instance)?;
    let mut reader = EventLogReader::new(&instance.state);
    let EventBatch { events, damaged } = reader.read_new()?;
    if events.is_empty() && damaged == 0 {
        // Without privileges, an existing log may not be visible.
        preflight::check_privileges()?;
    }
    if damaged > 0 {
        log::warn!("{damaged} damaged lines were skipped in {}", instance.state.display());
    }
    if as_json && !follow {
        return emit(to_line(&EventsJson { schema: SchemaVersion, events: &events, damaged })?);
    }
    let format: fn(&Value) -> String = if as_json { |event| format!("{event}\n") } else { text };
    let mut events = events;
    loop {
        if !events.is_empty() {
            let lines: String = events.iter().map(format).collect();
            if !emit_if_open(lines)? {
                return Ok(());
            }
        }
        if !follow {
            return Ok(());
        }
        thread::sleep(POLL);
        events = reader.read_new()?.events;
    }
}

/// Checks that this process may look into the state directory.
fn check_access(instance: &Instance) -> Result<()> {
    match fs::read_dir(&instance.state) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let message = format!("cannot read {}: {error}: run as root (sudo)", instance.state.display());
            Err(failure(ExitKind::Privilege, message))
        }
        _ => Ok(()),
    }
}

/// Returns an event as a line for people.
fn text(event: &Value) -> String {
    let part = |key: &str| error::one_line(event[key].as_str().unwrap_or_default());
    format!("{}  {}\n", part("time"), part("message"))
}

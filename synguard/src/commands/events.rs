//! `synguard events`: what the controller has seen and done.

use std::{thread, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};
use synguard_kernel::instance::Instance;
use synguard_model::error;

use super::output::{emit, is_read};
use crate::event_log::{EventBatch, EventLogReader};

/// How often it is looked for more.
const POLL: Duration = Duration::from_millis(200);

/// Prints the events, and with `follow` goes on with those to come.
///
/// # Errors
///
/// Not attached, and never was; or the events cannot be read.
pub(super) fn run(instance: &Instance, follow: bool, as_json: bool) -> Result<()> {
    let mut reader = EventLogReader::new(&instance.state);
    if !reader.exists() && !synguard_datapath::is_pinned(&instance.pins) {
        return Err(instance.not_attached());
    }
    let EventBatch { events, damaged } = reader.read_new()?;
    if damaged > 0 {
        log::warn!("{damaged} damaged lines were skipped in {}", instance.state.display());
    }
    if as_json && !follow {
        return emit(format!("{}\n", json!({ "schema": 1, "events": events, "damaged": damaged })));
    }
    let form: fn(&Value) -> String = if as_json { |event| format!("{event}\n") } else { text };
    let mut events = events;
    loop {
        if !events.is_empty() {
            let lines: String = events.iter().map(form).collect();
            if !is_read(lines)? {
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

/// An event as people read it.
fn text(event: &Value) -> String {
    let part = |key: &str| error::one_line(event[key].as_str().unwrap_or_default());
    format!("{}  {}\n", part("time"), part("message"))
}

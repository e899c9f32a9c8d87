//! `synguard reload`: has the controller read its configuration file again, and prints the result.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize as _;
use serde_json::Value;
use synguard_kernel::{instance::Instance, lock};
use synguard_model::{
    error::{ExitKind, failure},
    settings::{Key, SettingChange},
};

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
        let set = instance.command("set");
        bail!("no controller is running to read its file again: change settings with `{set}`");
    };
    let mut events = EventLogReader::new(&instance.state);
    // Skip the events logged before the signal.
    events.read_new()?;
    // The holder of the controller's lock handles this signal.
    kill_process(pid, Signal::HUP).with_context(|| format!("signal the controller (pid {pid})"))?;
    let log = instance.command("events");
    for _ in 0..POLLS_MAX {
        for event in events.read_new()?.events {
            match event["event"].as_str() {
                Some("reloaded") => return emit(report(&event, &instance.command("detach"))),
                Some("not_reloaded") => {
                    let why = event["why"].as_str().map_or_else(|| format!("see `{log}`"), str::to_owned);
                    return Err(failure(ExitKind::Invalid, format!("nothing has changed: {why}")));
                }
                _ => {}
            }
        }
        thread::sleep(POLL);
    }
    bail!("the controller (pid {pid}) has not replied in 10 s: see `{log}`")
}

/// Returns what a reload changed, a line each, and what waits for the next attach.
fn report(event: &Value, detach: &str) -> String {
    let changes = |key: &str| Vec::<SettingChange>::deserialize(&event[key]).unwrap_or_default();
    let (now, waiting) = (changes("changes"), changes("at_next_attach"));
    let mut text = match now.as_slice() {
        [] => "settings reloaded: no live setting has changed\n".to_owned(),
        _ => "settings reloaded\n".to_owned(),
    };
    text.extend(now.iter().map(|change| change.text() + "\n"));
    text.extend(waiting.iter().map(|change| {
        // The table of sources outlives a restart that takes the filter over.
        let when = if change.key == Key::MaxSources.name() {
            format!("after `{detach}` and the next attach")
        } else {
            "after a restart of the controller".to_owned()
        };
        format!("not yet: {}: takes effect {when}\n", change.text())
    }));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn report_names_what_was_undone_and_what_waits() {
        let change = |key, from, to, undoes_set| json!({ "key": key, "from": from, "to": to, "undoes_set": undoes_set });
        let event = json!({
            "changes": [change("syn-rate", "500", "100", true), change("hold", "10s", "20s", false)],
            "at_next_attach": [change("interfaces", "eth0", "eth0 wan1", false), change("max-sources", "1024", "4096", false)],
        });
        assert_eq!(
            report(&event, "synguard detach"),
            "settings reloaded\nsyn-rate 500 → 100 (was set by `set`)\nhold 10s → 20s\n\
             not yet: interfaces eth0 → eth0 wan1: takes effect after a restart of the controller\n\
             not yet: max-sources 1024 → 4096: takes effect after `synguard detach` and the next attach\n"
        );
        let nothing = "settings reloaded: no live setting has changed\n";
        assert_eq!(report(&json!({ "changes": [], "at_next_attach": [] }), ""), nothing);
        // Of a controller that is older than this command.
        assert_eq!(report(&json!({}), ""), nothing);
    }
}

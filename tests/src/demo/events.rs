//! The events of synguard's controller, as it reports them.

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;

use crate::program::Synguard;

/// Limit on the characters of a message in a row; `synguard events` has the rest.
const MESSAGE_MAX: usize = 86;
/// Begins the names of events about other programs of this machine.
const ELSEWHERE: &str = "listeners_";
/// The name of the event that the kernel's SYN cookies were switched on.
const COOKIES_ON: &str = "cookies_raised";

pub(super) struct Event {
    at: Timestamp,
    name: String,
    message: String,
}

/// Returns the events since a time.
pub(super) fn since(synguard: &Synguard, time: Timestamp) -> Result<Vec<Event>> {
    let output = synguard.run(&["events", "--json"])?;
    ensure!(output.code == Some(0), "synguard events failed: {}", output.stderr.trim());
    let all: Value = serde_json::from_str(&output.stdout).context("parse the events")?;
    let all = all["events"].as_array().context("there is no list of events")?;
    let mut events = all.iter().map(event).collect::<Result<Vec<_>>>()?;
    events.retain(|event| event.at >= time);
    Ok(events)
}

fn event(event: &Value) -> Result<Event> {
    let text = |key: &str| event[key].as_str().with_context(|| format!("an event has no {key}: {event}"));
    let at = text("time")?.parse().context("parse an event's time")?;
    Ok(Event { at, name: text("event")?.to_owned(), message: text("message")?.to_owned() })
}

/// The seconds from a time to the switching on of SYN cookies, if they were.
pub(super) fn seconds_to_cookies(events: &[Event], from: Timestamp) -> Option<f64> {
    let event = events.iter().find(|event| event.name == COOKIES_ON)?;
    Some(seconds(from, event.at))
}

/// Prints the events, each with the seconds since `from`.
pub(super) fn print(events: &[Event], from: Timestamp) {
    println!("  Events that synguard reported, in seconds after the first SYN:");
    for event in events.iter().filter(|event| !event.name.starts_with(ELSEWHERE)) {
        println!("{:>9.2}  {}", seconds(from, event.at), shortened(&event.message));
    }
}

fn shortened(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_millisecond() - from.as_millisecond()) as f64 / 1e3
}

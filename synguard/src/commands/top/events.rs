//! Reads the event log for `top`.

use std::collections::VecDeque;

use anyhow::Result;
use serde_json::Value;
use synguard_kernel::instance::Instance;
use synguard_top::view_model::EventRow;

use crate::event_log::EventLogReader;

/// Maximum number of events shown.
const SHOWN_MAX: usize = 1000;

/// The latest events, newest first.
pub(super) struct EventReader {
    reader: EventLogReader,
    latest: VecDeque<EventRow>,
}

impl EventReader {
    pub(super) fn new(instance: &Instance) -> Self {
        Self { reader: EventLogReader::new(&instance.state), latest: VecDeque::new() }
    }

    /// Reads new events.
    pub(super) fn read(&mut self) -> Result<()> {
        let fresh = self.reader.read_new()?.events;
        let skipped = fresh.len().saturating_sub(SHOWN_MAX);
        for event in fresh.iter().skip(skipped) {
            self.latest.push_front(happening(event));
        }
        self.latest.truncate(SHOWN_MAX);
        Ok(())
    }

    pub(super) fn latest(&self) -> Vec<EventRow> {
        self.latest.iter().cloned().collect()
    }
}

fn happening(event: &Value) -> EventRow {
    let part = |key: &str| event[key].as_str().unwrap_or_default();
    EventRow {
        at: time(part("time")),
        kind: part("event").replace('_', " "),
        text: part("message").to_owned(),
    }
}

/// Formats day and time of a timestamp without year and fraction: `11-25 09:45:35`.
fn time(stamp: &str) -> String {
    stamp.get(5..19).map_or_else(|| stamp.to_owned(), |part| part.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_without_its_year() {
        let line = serde_json::json!({
            "time": "2026-11-25T09:45:35.123Z", "event": "attack_began", "message": "attack: …"
        });
        let shown = happening(&line);
        assert_eq!((shown.at.as_str(), shown.kind.as_str()), ("11-25 09:45:35", "attack began"));
        assert_eq!(time("soon"), "soon");
        assert_eq!(time("2026é11-25T09:45:35"), "2026é11-25T09:45:35");
    }
}

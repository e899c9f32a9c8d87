//! The events that the controller wrote down, as `top` shows them.

use std::collections::VecDeque;

use anyhow::Result;
use serde_json::Value;
use synguard_kernel::instance::Instance;
use synguard_top::view_model::Happening;

use crate::event_log::EventLogReader;

/// The latest of them are shown.
const SHOWN_MAX: usize = 1000;

/// The latest events, latest first.
pub(super) struct RecentEvents {
    reader: EventLogReader,
    latest: VecDeque<Happening>,
}

impl RecentEvents {
    pub(super) fn new(instance: &Instance) -> Self {
        Self { reader: EventLogReader::new(&instance.state), latest: VecDeque::new() }
    }

    /// Reads those that are new.
    pub(super) fn read(&mut self) -> Result<()> {
        let fresh = self.reader.read_new()?.events;
        let skipped = fresh.len().saturating_sub(SHOWN_MAX);
        for event in fresh.iter().skip(skipped) {
            self.latest.push_front(happening(event));
        }
        self.latest.truncate(SHOWN_MAX);
        Ok(())
    }

    pub(super) fn latest(&self) -> Vec<Happening> {
        self.latest.iter().cloned().collect()
    }
}

fn happening(event: &Value) -> Happening {
    let part = |key: &str| event[key].as_str().unwrap_or_default();
    Happening {
        at: time(part("time")),
        kind: part("event").replace('_', " "),
        text: part("message").to_owned(),
    }
}

/// Day and time of a timestamp, without the year and the fraction of a second: `11-25 09:45:35`.
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

//! Reads the event log for `top`.

use std::collections::VecDeque;

use anyhow::Result;
use jiff::{Timestamp, tz::TimeZone};
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
    zone: TimeZone,
}

impl EventReader {
    /// Creates a reader that shows times in this zone.
    pub(super) fn new(instance: &Instance, zone: TimeZone) -> Self {
        Self { reader: EventLogReader::new(&instance.state), latest: VecDeque::new(), zone }
    }

    /// Reads new events.
    pub(super) fn read(&mut self) -> Result<()> {
        let (latest, zone) = (&mut self.latest, &self.zone);
        self.reader.for_each_new(|event| {
            latest.truncate(SHOWN_MAX - 1);
            latest.push_front(event_row(&event, zone));
        })?;
        Ok(())
    }

    pub(super) fn latest(&self) -> Vec<EventRow> {
        self.latest.iter().cloned().collect()
    }
}

fn event_row(event: &Value, zone: &TimeZone) -> EventRow {
    let part = |key: &str| event[key].as_str().unwrap_or_default();
    EventRow {
        at: time(part("time"), zone),
        kind: part("event").replace('_', " "),
        text: part("message").to_owned(),
    }
}

/// Formats day and time of a timestamp without year and fraction: `11-25 09:45:35`.
fn time(stamp: &str, zone: &TimeZone) -> String {
    match stamp.parse::<Timestamp>() {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%m-%d %H:%M:%S").to_string(),
        Err(_) => stamp.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::Offset;

    use super::*;

    #[test]
    fn event_is_shown_in_local_time_without_its_year() {
        let line = serde_json::json!({
            "time": "2026-11-25T09:45:35.123Z", "event": "attack_began", "message": "attack: …"
        });
        let shown = event_row(&line, &TimeZone::UTC);
        assert_eq!((shown.at.as_str(), shown.kind.as_str()), ("11-25 09:45:35", "attack began"));
        let east = TimeZone::fixed(Offset::constant(9));
        assert_eq!(time("2026-11-25T19:45:35.123Z", &east), "11-26 04:45:35");
        assert_eq!(time("soon", &east), "soon");
        assert_eq!(time("2026é11-25T09:45:35", &east), "2026é11-25T09:45:35");
    }
}

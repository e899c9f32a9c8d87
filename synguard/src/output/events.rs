//! `events --json`.

use serde::Serialize;
use serde_json::Value;

use super::SchemaVersion;

/// Output of `synguard events --json`: the events in the log, oldest first.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct EventsJson<'a> {
    pub(crate) schema: SchemaVersion,
    /// Events as they were written, perhaps by another version.
    #[cfg_attr(test, schemars(with = "Vec<EventJson>"))]
    pub(crate) events: &'a [Value],
    /// Damaged lines, which were skipped.
    pub(crate) damaged: u64,
}

/// An event, as a line of `synguard events --follow --json` and in the log.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "describes the lines of the log, which are passed on as they are")]
pub(super) struct EventJson {
    /// Time in UTC with milliseconds, as in RFC 3339.
    time: String,
    /// Name of the event.
    event: String,
    /// The event in words.
    message: String,
    /// Numbers of the event; their keys depend on the event.
    #[serde(flatten)]
    figures: std::collections::BTreeMap<String, Value>,
}

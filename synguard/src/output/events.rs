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
    #[cfg_attr(test, schemars(with = "Vec<super::schema_tests::EventJson>"))]
    pub(crate) events: &'a [Value],
    /// Damaged lines, which were skipped.
    pub(crate) damaged: u64,
}

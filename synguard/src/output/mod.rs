//! The JSON output of the commands that read, or change a list, one type a command. `docs/schema` holds a JSON Schema of each, which the tests
//! generate from these types and compare.

mod events;
mod lists;
mod names;
mod settings;
mod status;
mod top;
mod why;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod schema_tests;

use serde::{Serialize, Serializer};

pub(crate) use self::{
    events::EventsJson,
    lists::{
        CheckJson, DecidingEntryJson, ListChangeJson, ListEntriesJson, ListEntryJson, ListJson, TargetChange,
    },
    names::{AttackKindJson, CookieModeJson, VerdictJson},
    settings::ShowJson,
    status::{
        ControllerJson, CookiesJson, CountersJson, EventCountsJson, HeadJson, ListStateJson, PrefixTableJson,
        ResponseJson, SourceTableJson, StatusJson, SynJson, SysctlJson, XdpCookiesJson,
    },
    top::{SourceRowJson, TopJson},
    why::{CpuDecisionJson, RuleSetJson, WhyJson},
};

/// Version of the JSON output: 1. Keys may be added under the same number; a key that disappears or changes its meaning
/// raises it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SchemaVersion;

impl SchemaVersion {
    const NUMBER: u32 = 1;
}

impl Serialize for SchemaVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(Self::NUMBER)
    }
}

/// Returns an object as JSON on one line.
pub(crate) fn to_line(object: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string(object)? + "\n")
}

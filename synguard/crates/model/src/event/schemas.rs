//! The JSON Schema of the events about kernel settings, whose names depend on two fields.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{AttackRates, Sysctl, SysctlChange, SysctlEvent};

/// Returns an example of each variant, in the order of their declaration.
fn changes() -> [SysctlChange; 6] {
    [
        SysctlChange::Raised { from: 0, to: 0, rates: AttackRates::default() },
        SysctlChange::AlreadyRaised { value: 0 },
        SysctlChange::NotRaised { why: String::new() },
        SysctlChange::Restored { from: 0, to: 0, after_crash: false },
        SysctlChange::LeftAlone { found: 0, written: 0, original: 0 },
        SysctlChange::NotRestored { why: String::new() },
    ]
}

impl JsonSchema for SysctlEvent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SysctlEvent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fields = SysctlChange::json_schema(generator).to_value();
        let fields = fields["anyOf"].as_array().cloned().unwrap_or_default();
        let named = |sysctl| {
            let names = changes().map(|change| Self { sysctl, change }.name());
            fields.iter().zip(names).map(|(fields, name)| with_name(fields.clone(), name)).collect::<Vec<_>>()
        };
        json_schema!({ "oneOf": Sysctl::ALL.map(named).concat() })
    }
}

/// Adds the key `event` to the schema of an event's fields.
fn with_name(mut fields: Value, name: &str) -> Value {
    fields["properties"]["event"] = json!({ "type": "string", "const": name });
    if let Some(required) = fields["required"].as_array_mut() {
        required.push("event".into());
    }
    fields
}

//! `docs/schema` is what the types generate.

use std::{fs, path::PathBuf};

use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::SchemaSettings,
    json_schema,
    transform::{RecursiveTransform, Transform as _},
};
use serde_json::{Map, Value};
use synguard_common::{ip_list::List, reason::Reason};
use synguard_model::{
    event::Event,
    list_entry::{Origin, Scope},
    settings::{Key, NumberRange, Syntax},
};

use super::{
    CheckJson, EventsJson, ListChangeJson, ListJson, SchemaVersion, ShowJson, StatusJson, TopJson, WhyJson,
};

pub(super) const LISTS: [&str; 2] = [List::Allow.verb(), List::Block.verb()];
pub(super) const SCOPES: [&str; 2] = [Scope::ALL[0].name(), Scope::ALL[1].name()];
pub(super) const ORIGINS: [&str; 3] = [Origin::ALL[0].name(), Origin::ALL[1].name(), Origin::ALL[2].name()];

/// Set to write the schemas instead of comparing them.
const UPDATE: &str = "UPDATE_SCHEMAS";

impl JsonSchema for SchemaVersion {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SchemaVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Version of the JSON output.", "const": Self::NUMBER })
    }
}

/// An event, as a line of `synguard events --follow --json` and in the log: an [`Event`] with its time and its text.
pub(super) struct EventJson;

impl JsonSchema for EventJson {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventJson".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut lines = Vec::new();
        add_lines(Event::json_schema(generator).to_value(), &mut lines);
        json_schema!({
            "description": "An event, as a line of `synguard events --follow --json` and in the log.",
            "oneOf": lines,
        })
    }
}

/// Adds the schema of a line for each event in the schema.
fn add_lines(mut event: Value, lines: &mut Vec<Value>) {
    if let Some(Value::Array(variants)) = event.get("oneOf").or(event.get("anyOf")) {
        for variant in variants {
            add_lines(variant.clone(), lines);
        }
        return;
    }
    for (key, description) in
        [("time", "Time in UTC with milliseconds, as in RFC 3339."), ("message", "The event in words.")]
    {
        event["properties"][key] = serde_json::json!({ "description": description, "type": "string" });
        event["required"].as_array_mut().expect("the name is required").push(key.into());
    }
    lines.push(event);
}

/// Returns the labels of all reasons.
pub(super) fn reasons() -> Vec<&'static str> {
    Reason::ALL.iter().map(|reason| reason.label()).collect()
}

/// Returns the schema of an object with a number for each reason.
pub(super) fn packets_by_reason(generator: &mut SchemaGenerator) -> Schema {
    let properties = Reason::ALL.iter().map(|reason| {
        let mut packets = generator.subschema_for::<u64>();
        packets.insert("description".to_owned(), reason.meaning().trim().into());
        (reason.label().to_owned(), packets.to_value())
    });
    closed_object(properties.collect())
}

/// Returns the schema of the live settings.
pub(super) fn settings(_: &mut SchemaGenerator) -> Schema {
    let properties = Key::live().map(|key| {
        let mut schema = match key.syntax() {
            Syntax::Number(NumberRange { min, max, .. }) => {
                json_schema!({ "type": "integer", "minimum": min, "maximum": max })
            }
            Syntax::Boolean => json_schema!({ "type": "boolean" }),
            Syntax::Choice(names) => {
                let names: Vec<&str> = names.iter().map(|choice| choice.name).collect();
                json_schema!({ "type": "string", "enum": names })
            }
            Syntax::Duration(_) | Syntax::Ports | Syntax::Interfaces => json_schema!({ "type": "string" }),
        };
        schema.insert("description".to_owned(), (key.summary() + ".").into());
        (key.name().to_owned(), schema.to_value())
    });
    closed_object(properties.collect())
}

fn closed_object(properties: Map<String, Value>) -> Schema {
    let required: Vec<&String> = properties.keys().collect();
    json_schema!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

/// Returns the schema of a type, in which every object is closed unless its type is a map.
fn schema<T: JsonSchema>() -> Schema {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    RecursiveTransform(|schema: &mut Schema| {
        if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
    })
    .transform(&mut schema);
    schema
}

#[test]
fn schemas_are_up_to_date() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema"));
    let mut stale = Vec::new();
    for (name, schema) in [
        ("status", schema::<StatusJson>()),
        ("show", schema::<ShowJson>()),
        ("top", schema::<TopJson>()),
        ("events", schema::<EventsJson<'_>>()),
        ("event", schema::<EventJson>()),
        ("why", schema::<WhyJson>()),
        ("list", schema::<ListJson<'_>>()),
        ("check", schema::<CheckJson>()),
        ("change", schema::<ListChangeJson>()),
    ] {
        let path = folder.join(name).with_extension("json");
        let text = serde_json::to_string_pretty(&schema).expect("serialises") + "\n";
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&path, text).expect("writes the schema");
        } else if fs::read_to_string(&path).ok() != Some(text) {
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty(),
        "docs/schema is stale: {stale:?}; run `{UPDATE}=1 cargo test -p synguard schemas`"
    );
}

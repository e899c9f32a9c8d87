//! Validation against the JSON Schemas in `docs/schema`, for the keywords that they use. An unknown keyword is an error, so
//! no part of a schema is silently ignored.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value};

/// The schemas by name. They are part of the test programs, which also run in machines without the source.
const SCHEMAS: [(&str, &str); 9] = [
    ("change", include_str!("../../docs/schema/change.json")),
    ("check", include_str!("../../docs/schema/check.json")),
    ("event", include_str!("../../docs/schema/event.json")),
    ("events", include_str!("../../docs/schema/events.json")),
    ("list", include_str!("../../docs/schema/list.json")),
    ("show", include_str!("../../docs/schema/show.json")),
    ("status", include_str!("../../docs/schema/status.json")),
    ("top", include_str!("../../docs/schema/top.json")),
    ("why", include_str!("../../docs/schema/why.json")),
];

/// Keywords that only inform the reader.
const ANNOTATIONS: [&str; 5] = ["$schema", "$defs", "title", "description", "format"];

/// Validates a value against `docs/schema/NAME.json`; the error names the path in the value.
pub fn validate(name: &str, value: &Value) -> Result<()> {
    let found = SCHEMAS.iter().find(|(known, _)| *known == name);
    let (_, text) = found.with_context(|| format!("there is no docs/schema/{name}.json"))?;
    let root: Value = serde_json::from_str(text).with_context(|| format!("parse docs/schema/{name}.json"))?;
    check(&root, &root, value, "").with_context(|| format!("does not match docs/schema/{name}.json: {value}"))
}

/// Checks the value at the path `at` against a schema in the document `root`.
fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<()> {
    let schema = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Object(schema) => schema,
        _ => bail!("{at}: nothing is allowed here"),
    };
    for (keyword, argument) in schema {
        check_keyword(root, schema, (keyword, argument), value, at)?;
    }
    Ok(())
}

fn check_keyword(
    root: &Value,
    schema: &Map<String, Value>,
    (keyword, argument): (&str, &Value),
    value: &Value,
    at: &str,
) -> Result<()> {
    match (keyword, argument) {
        (keyword, _) if ANNOTATIONS.contains(&keyword) => {}
        ("$ref", Value::String(target)) => {
            let pointer = target.strip_prefix('#').context("a reference to another document")?;
            let target = root.pointer(pointer).with_context(|| format!("{target} is missing"))?;
            check(root, target, value, at)?;
        }
        ("type", Value::String(name)) => ensure!(is_type(value, name)?, "{at}: not of type {name}"),
        ("type", Value::Array(names)) => {
            let types: Result<Vec<bool>> =
                names.iter().map(|name| is_type(value, name.as_str().unwrap_or_default())).collect();
            ensure!(types?.contains(&true), "{at}: not of type {argument}");
        }
        ("const", _) => ensure!(value == argument, "{at}: not {argument}"),
        ("enum", Value::Array(values)) => ensure!(values.contains(value), "{at}: not one of {argument}"),
        ("minimum", Value::Number(min)) => {
            ensure!(value.as_f64().is_none_or(|number| Some(number) >= min.as_f64()), "{at}: below {min}");
        }
        ("maximum", Value::Number(max)) => {
            ensure!(value.as_f64().is_none_or(|number| Some(number) <= max.as_f64()), "{at}: above {max}");
        }
        ("anyOf" | "oneOf", Value::Array(schemas)) => {
            let fits = schemas.iter().filter(|schema| check(root, schema, value, at).is_ok()).count();
            ensure!(fits == 1 || fits > 1 && keyword == "anyOf", "{at}: {fits} variants of {keyword} match");
        }
        ("items", _) => {
            for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                check(root, argument, item, &format!("{at}/{i}"))?;
            }
        }
        ("required", Value::Array(keys)) => {
            for key in keys.iter().filter_map(Value::as_str) {
                ensure!(
                    value.as_object().is_none_or(|object| object.contains_key(key)),
                    "{at}/{key} is missing"
                );
            }
        }
        ("properties", Value::Object(properties)) => {
            for (key, schema) in properties {
                if let Some(value) = value.get(key) {
                    check(root, schema, value, &format!("{at}/{key}"))?;
                }
            }
        }
        ("additionalProperties", _) => {
            let known = schema.get("properties").and_then(Value::as_object);
            for (key, value) in value.as_object().into_iter().flatten() {
                if known.is_none_or(|known| !known.contains_key(key)) {
                    check(root, argument, value, &format!("{at}/{key}"))?;
                }
            }
        }
        _ => bail!("{at}: unknown keyword {keyword}: {argument}"),
    }
    Ok(())
}

fn is_type(value: &Value, name: &str) -> Result<bool> {
    Ok(match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => bail!("unknown type {name}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(schema: &Value, value: &Value) -> bool {
        check(schema, schema, value, "").is_ok()
    }

    #[test]
    fn each_keyword_accepts_and_rejects() {
        let closed = json!({ "properties": { "a": { "type": "null" } }, "additionalProperties": false });
        for (schema, right, wrong) in [
            (json!({ "type": "integer" }), json!(1), json!(1.5)),
            (json!({ "type": "number" }), json!(1.5), json!("1")),
            (json!({ "type": ["string", "null"] }), json!(null), json!(false)),
            (json!({ "const": 1 }), json!(1), json!(2)),
            (json!({ "enum": ["a", "b"] }), json!("b"), json!("c")),
            (json!({ "minimum": 0 }), json!(0), json!(-1)),
            (json!({ "maximum": 9 }), json!(9), json!(10)),
            (json!({ "items": { "type": "boolean" } }), json!([true]), json!([true, 1])),
            (json!({ "required": ["a"] }), json!({ "a": 1 }), json!({ "b": 1 })),
            (closed.clone(), json!({ "a": null }), json!({ "a": 1 })),
            (closed, json!({}), json!({ "b": null })),
            (json!({ "additionalProperties": { "type": "string" } }), json!({ "b": "" }), json!({ "b": 1 })),
            (json!({ "anyOf": [{ "type": "null" }, { "minimum": 3 }] }), json!(3), json!(2)),
            (json!({ "oneOf": [{ "type": "number" }, { "minimum": 3 }] }), json!(2), json!(3)),
            (json!({ "$ref": "#/$defs/A", "$defs": { "A": { "const": "a" } } }), json!("a"), json!("b")),
        ] {
            assert!(fits(&schema, &right) && !fits(&schema, &wrong), "{schema}");
        }
    }

    #[test]
    fn unknown_keywords_and_types_are_errors() {
        for schema in
            [json!({ "pattern": "a" }), json!({ "type": "float" }), json!({ "$ref": "a.json" }), json!(false)]
        {
            assert!(!fits(&schema, &json!("a")), "{schema}");
        }
    }

    #[test]
    fn each_event_has_its_own_keys_and_no_others() {
        let line = |event: Value| {
            let mut line = json!({ "time": "2026-01-02T03:04:05.678Z", "message": "text" });
            line.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
            line
        };
        let by_root = |event: Value| {
            let mut event = event;
            let actor = json!({
                "uid": 0, "user": "root", "sudo_user": null, "tty": null, "pid": 7, "process": "sh", "parent": null,
            });
            event.as_object_mut().unwrap().extend(actor.as_object().unwrap().clone());
            event
        };
        for event in [
            by_root(json!({ "event": "started", "interfaces": ["eth0"], "adopted": false })),
            json!({ "event": "answering_ended", "why": "", "seconds": 1, "answered": 2, "returned": null }),
            by_root(json!({ "event": "confirmed" })),
            json!({ "event": "unprotected" }),
            json!({ "event": "cookies_restored", "from": 2, "to": 1, "after_crash": false }),
            json!({ "event": "timestamps_not_raised", "why": "EPERM" }),
        ] {
            let line = line(event);
            validate("event", &line).unwrap();
            for key in line.as_object().unwrap().keys() {
                let mut short = line.clone();
                short.as_object_mut().unwrap().remove(key);
                assert!(validate("event", &short).is_err(), "{key} is missing in {short}");
            }
            let mut long = line.clone();
            long["other"] = json!(1);
            assert!(validate("event", &long).is_err(), "{long}");
        }
        assert!(validate("event", &line(json!({ "event": "other" }))).is_err());
    }

    #[test]
    fn error_names_the_path() {
        let schema = json!({ "properties": { "a": { "items": { "type": "string" } } } });
        let error = check(&schema, &schema, &json!({ "a": ["", 1] }), "").unwrap_err();
        assert_eq!(error.to_string(), "/a/1: not of type string");
    }
}

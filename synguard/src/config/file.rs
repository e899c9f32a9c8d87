//! Parser of the configuration file: its text → the values that it gives, and the lines that they stand on.

use std::{collections::BTreeMap, path::Path};

use synguard_model::settings::{
    GivenKeys, INTERFACE_SEPARATOR, Key, Patch, RenamedKey, SettingError, Syntax, ValueError,
    parse_interface, shown,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::ConfigError;

/// A file's values, and for each key the line it stands on, from 1.
#[derive(Default)]
pub(super) struct FileSettings {
    pub(super) patch: Patch,
    pub(super) lines: BTreeMap<Key, usize>,
    /// The old names in the file.
    pub(super) renamed: Vec<RenamedKey>,
}

/// Reads the text of the file at `path`, which only messages use.
///
/// The table is walked by hand rather than deserialised, because serde's errors do not name the key of a bad value, nor
/// take a range.
pub(super) fn parse(path: &Path, text: &str) -> Result<FileSettings, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().split_whitespace().collect::<Vec<_>>().join(" "),
    })?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut file = FileSettings::default();
    let mut given = GivenKeys::default();
    for (name, value) in entries {
        let line = line_of(text, name.span().start);
        let in_file =
            |error: SettingError| ConfigError::InFile { path: path.to_owned(), line, error: error.into() };
        let key = given.add(name.get_ref().as_ref(), Key::ALL.iter().copied()).map_err(in_file)?;
        file.lines.insert(key, line);
        to_text(key, value.get_ref()).and_then(|text| file.patch.put(key, &text)).map_err(|problem| {
            let given = shown(&text[value.span()]);
            in_file(SettingError::Value { key, given, problem })
        })?;
    }
    file.renamed = given.renamed;
    Ok(file)
}

/// Returns the line, from 1, of the byte at `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

/// Returns a TOML value as `set` would take it, if its type is the key's.
fn to_text(key: Key, value: &DeValue<'_>) -> Result<String, ValueError> {
    match key.syntax() {
        Syntax::Number(_) => integer(value),
        Syntax::Boolean => match value.as_bool() {
            Some(is_on) => Ok(is_on.to_string()),
            None => Err(ValueError::Type("true or false, without quotes")),
        },
        Syntax::Duration(_) => string(value).ok_or(ValueError::Type("text with a unit, such as \"10s\"")),
        Syntax::Ports => ports(value),
        Syntax::Interfaces => interfaces(value),
        Syntax::Choice(names) => string(value).ok_or(ValueError::Choice(names)),
    }
}

fn string(value: &DeValue<'_>) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Returns a whole number in decimal digits.
fn integer(value: &DeValue<'_>) -> Result<String, ValueError> {
    let integer = value.as_integer().ok_or(ValueError::Type("a whole number without quotes"))?;
    // A number that does not fit is far out of every range; its digits are refused as such.
    let digits = integer.as_str();
    Ok(i64::from_str_radix(digits, integer.radix()).map_or_else(|_| digits.to_owned(), |n| n.to_string()))
}

/// Returns the list of ports, written as text or as an array of numbers.
fn ports(value: &DeValue<'_>) -> Result<String, ValueError> {
    const TYPE: ValueError = ValueError::Type("\"all\", \"80,443,8000-8010\" or [80, 443]");
    if let Some(text) = string(value) {
        return Ok(text);
    }
    let number = |port: &Spanned<DeValue<'_>>| integer(port.get_ref()).map_err(|_| TYPE);
    let ports: Vec<_> = value.as_array().ok_or(TYPE)?.iter().map(number).collect::<Result<_, _>>()?;
    Ok(ports.join(","))
}

fn interfaces(value: &DeValue<'_>) -> Result<String, ValueError> {
    const TYPE: ValueError = ValueError::Type("a list of interface names, such as [\"eth0\"]");
    let names = value.as_array().filter(|names| !names.is_empty()).ok_or(TYPE)?;
    // Each name is checked by itself: one that contains the separator must not pass as two.
    let name = |name: &Spanned<DeValue<'_>>| parse_interface(name.get_ref().as_str().ok_or(TYPE)?);
    let names: Vec<_> = names.iter().map(name).collect::<Result<_, _>>()?;
    Ok(names.join(INTERFACE_SEPARATOR))
}

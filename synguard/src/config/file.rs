//! The configuration file's text → the values it gives, and the lines they stand on.

use std::{collections::BTreeMap, path::Path};

use synguard_model::settings::{
    Key, MAX_LIST, MAX_SOURCES, SettingError, ValueError, parse_bool, parse_interface, parse_mode, shown,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{ConfigError, Layer};

/// A file's values, and for each key the line it stands on, from 1.
pub(super) struct Raw {
    pub(super) layer: Layer,
    pub(super) lines: BTreeMap<Key, usize>,
}

/// Reads the text of the file at `path`, a name for messages only.
///
/// The table is walked by hand rather than deserialised, because serde's errors do not name the key of a bad
/// value, nor take a range.
pub(super) fn parse(path: &Path, text: &str) -> Result<Raw, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().split_whitespace().collect::<Vec<_>>().join(" "),
    })?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut raw = Raw { layer: Layer::default(), lines: BTreeMap::new() };
    for (name, value) in entries {
        let line = line_of(text, name.span().start);
        let in_file =
            |error: SettingError| ConfigError::InFile { path: path.to_owned(), line, error: error.into() };
        let name = name.get_ref().as_ref();
        let key = Key::by_name(name).ok_or_else(|| {
            in_file(SettingError::Unknown {
                key: shown(name),
                hint: Key::hint(name, Key::ALL.iter().copied()),
            })
        })?;
        raw.lines.insert(key, line);
        raw.layer.put(key, value.get_ref()).map_err(|problem| {
            let given = shown(&text[value.span()]);
            in_file(SettingError::Value { key, given, problem })
        })?;
    }
    Ok(raw)
}

/// The line, from 1, of the byte at `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

impl Layer {
    /// Takes the value of a key from a file.
    fn put(&mut self, key: Key, value: &DeValue<'_>) -> Result<(), ValueError> {
        match key {
            Key::SynRate
            | Key::SynBurst
            | Key::SourcePrefixV6
            | Key::PrefixRate
            | Key::DistinctLimit
            | Key::AnswerRate
            | Key::AnswerNetworkRate => self.settings.put(key, &integer(value)?),
            Key::Monitor | Key::DropBadFlags | Key::KeepOptions | Key::CheckAcks => {
                self.settings.put(key, boolean(value)?)
            }
            Key::Hold => {
                let text = value.as_str().ok_or(ValueError::Type("text with a unit, such as \"10s\""))?;
                self.settings.put(key, text)
            }
            Key::Ports => self.settings.put(key, &ports(value)?),
            Key::Cookies => self.settings.put(key, value.as_str().ok_or(ValueError::Cookies)?),
            Key::FirstSyn => self.settings.put(key, value.as_str().ok_or(ValueError::FirstSyn)?),
            Key::Interfaces => {
                self.interfaces = Some(interfaces(value)?);
                Ok(())
            }
            Key::Mode => {
                self.mode = Some(parse_mode(value.as_str().ok_or(ValueError::Mode)?)?);
                Ok(())
            }
            Key::MaxList => {
                self.max_list = Some(MAX_LIST.parse(&integer(value)?)?);
                Ok(())
            }
            Key::MaxSources => {
                self.max_sources = Some(MAX_SOURCES.parse(&integer(value)?)?);
                Ok(())
            }
            Key::KeepOnExit => {
                self.keep_on_exit = Some(parse_bool(boolean(value)?)?);
                Ok(())
            }
        }
    }
}

/// A whole number in decimal digits.
fn integer(value: &DeValue<'_>) -> Result<String, ValueError> {
    let integer = value.as_integer().ok_or(ValueError::Type("a whole number without quotes"))?;
    // What does not fit is far out of every range; its digits are refused as that.
    let digits = integer.as_str();
    Ok(i64::from_str_radix(digits, integer.radix()).map_or_else(|_| digits.to_owned(), |n| n.to_string()))
}

fn boolean(value: &DeValue<'_>) -> Result<&'static str, ValueError> {
    match value.as_bool() {
        Some(true) => Ok("true"),
        Some(false) => Ok("false"),
        None => Err(ValueError::Type("true or false, without quotes")),
    }
}

/// Ports in the form of a list.
fn ports(value: &DeValue<'_>) -> Result<String, ValueError> {
    const TYPE: ValueError = ValueError::Type("\"all\", \"80,443,8000-8010\" or [80, 443]");
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    let number = |port: &Spanned<DeValue<'_>>| integer(port.get_ref()).map_err(|_| TYPE);
    let ports: Vec<_> = value.as_array().ok_or(TYPE)?.iter().map(number).collect::<Result<_, _>>()?;
    Ok(ports.join(","))
}

fn interfaces(value: &DeValue<'_>) -> Result<Vec<String>, ValueError> {
    const TYPE: ValueError = ValueError::Type("a list of interface names, such as [\"eth0\"]");
    let names = value.as_array().filter(|names| !names.is_empty()).ok_or(TYPE)?;
    names.iter().map(|name| parse_interface(name.get_ref().as_str().ok_or(TYPE)?)).collect()
}

//! Forms: the type, range and notation of a setting's value, and its conversion to and from text and a word in the maps.

use std::{fmt, time::Duration};

use serde::{Serialize, Serializer};

use super::{
    choice::{Choice, ChoiceName},
    range::{DurationRange, NumberRange},
    value::{INTERFACE_SEPARATOR, ValueError, parse_interface},
};
use crate::{duration, ports::Ports};

/// `true` or `false`.
pub(super) struct Boolean;

/// `all`, or a list of ports and ranges.
pub(super) struct PortList;

/// Interface names, in text separated by white space, which no name contains.
pub(super) struct InterfaceNames;

/// One of the names of the type.
pub(super) struct OneOf<T>(pub(super) std::marker::PhantomData<T>);

/// The notation of a setting's values, for the file, the flags and the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    Number(NumberRange),
    Duration(DurationRange),
    Boolean,
    Ports,
    Interfaces,
    Choice(&'static [ChoiceName]),
}

/// A setting's value, as `show` prints it and JSON has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    Number(u32),
    Boolean(bool),
    Text(String),
}

/// Conversions of a setting's value to and from text.
pub(super) trait Form<T> {
    fn parse(&self, text: &str) -> Result<T, ValueError>;
    /// Returns the value so that [`Self::parse`] reads its text back.
    fn show(&self, value: &T) -> SettingValue;
    fn syntax(&self) -> Syntax;
}

/// Conversions of a setting's value to and from a word in the maps.
pub(super) trait Word<T> {
    fn to_word(&self, value: T) -> u64;
    /// Returns the value that [`Self::to_word`] made this of.
    fn parse_word(&self, word: u64) -> Result<T, ValueError>;
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Boolean(is_on) => is_on.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl SettingValue {
    /// Returns the value of a live setting as the configuration file has it: text in quotes.
    pub fn to_toml(&self) -> String {
        match self {
            Self::Number(_) | Self::Boolean(_) => self.to_string(),
            Self::Text(text) => format!("\"{text}\""),
        }
    }
}

impl Serialize for SettingValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Boolean(is_on) => serializer.serialize_bool(*is_on),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl NumberRange {
    /// Returns the number, or [`ValueError::Number`] if it is out of range.
    pub fn check<T: TryFrom<i64>>(&self, number: i64) -> Result<T, ValueError> {
        let inside = (i64::from(self.min)..=i64::from(self.max)).contains(&number);
        T::try_from(number).ok().filter(|_| inside).ok_or(ValueError::Number(*self))
    }
}

impl<T: TryFrom<i64> + Into<u32> + Copy> Form<T> for NumberRange {
    fn parse(&self, text: &str) -> Result<T, ValueError> {
        self.check(text.parse().map_err(|_| ValueError::Number(*self))?)
    }

    fn show(&self, value: &T) -> SettingValue {
        SettingValue::Number((*value).into())
    }

    fn syntax(&self) -> Syntax {
        Syntax::Number(*self)
    }
}

impl<T: TryFrom<i64> + Into<u32>> Word<T> for NumberRange {
    fn to_word(&self, value: T) -> u64 {
        u64::from(value.into())
    }

    fn parse_word(&self, word: u64) -> Result<T, ValueError> {
        self.check(i64::try_from(word).map_err(|_| ValueError::Number(*self))?)
    }
}

impl DurationRange {
    /// Returns the duration, or [`ValueError::Length`] if it is out of range.
    pub fn check(&self, duration: Duration) -> Result<Duration, ValueError> {
        let inside = (self.min..=self.max).contains(&duration);
        if inside { Ok(duration) } else { Err(ValueError::Length(*self)) }
    }

    /// Reads a duration in the range.
    pub fn parse(&self, text: &str) -> Result<Duration, ValueError> {
        self.check(duration::parse(text).map_err(|error| ValueError::Duration(*self, error))?)
    }
}

impl Form<Duration> for DurationRange {
    fn parse(&self, text: &str) -> Result<Duration, ValueError> {
        Self::parse(self, text)
    }

    fn show(&self, value: &Duration) -> SettingValue {
        SettingValue::Text(duration::format(*value))
    }

    fn syntax(&self) -> Syntax {
        Syntax::Duration(*self)
    }
}

/// In nanoseconds.
impl Word<Duration> for DurationRange {
    fn to_word(&self, value: Duration) -> u64 {
        u64::try_from(value.as_nanos()).unwrap_or(u64::MAX)
    }

    fn parse_word(&self, word: u64) -> Result<Duration, ValueError> {
        self.check(Duration::from_nanos(word))
    }
}

impl Form<bool> for Boolean {
    fn parse(&self, text: &str) -> Result<bool, ValueError> {
        text.parse().map_err(|_| ValueError::Bool)
    }

    fn show(&self, value: &bool) -> SettingValue {
        SettingValue::Boolean(*value)
    }

    fn syntax(&self) -> Syntax {
        Syntax::Boolean
    }
}

impl Word<bool> for Boolean {
    fn to_word(&self, value: bool) -> u64 {
        value.into()
    }

    fn parse_word(&self, word: u64) -> Result<bool, ValueError> {
        Ok(word != 0)
    }
}

impl Form<Ports> for PortList {
    fn parse(&self, text: &str) -> Result<Ports, ValueError> {
        Ok(text.parse()?)
    }

    fn show(&self, value: &Ports) -> SettingValue {
        SettingValue::Text(value.to_string())
    }

    fn syntax(&self) -> Syntax {
        Syntax::Ports
    }
}

impl Form<Vec<String>> for InterfaceNames {
    fn parse(&self, text: &str) -> Result<Vec<String>, ValueError> {
        text.split(INTERFACE_SEPARATOR).map(parse_interface).collect()
    }

    fn show(&self, value: &Vec<String>) -> SettingValue {
        SettingValue::Text(value.join(INTERFACE_SEPARATOR))
    }

    fn syntax(&self) -> Syntax {
        Syntax::Interfaces
    }
}

impl<T: Choice> Form<T> for OneOf<T> {
    fn parse(&self, text: &str) -> Result<T, ValueError> {
        T::by_name(text).ok_or(ValueError::Choice(T::NAMES))
    }

    fn show(&self, value: &T) -> SettingValue {
        SettingValue::Text(value.name().to_owned())
    }

    fn syntax(&self) -> Syntax {
        Syntax::Choice(T::NAMES)
    }
}

impl<T: Choice> Word<T> for OneOf<T> {
    fn to_word(&self, value: T) -> u64 {
        value.word().into()
    }

    fn parse_word(&self, word: u64) -> Result<T, ValueError> {
        T::by_word(word).ok_or(ValueError::Choice(T::NAMES))
    }
}

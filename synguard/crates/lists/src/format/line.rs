//! A line of a list file: a target, then attributes, then a comment. Pure.
//!
//! `192.0.2.0/24 ttl=2h scope=syn reason="port scan" # seen on Monday`

use std::{borrow::Cow, fmt, time::Duration};

use synguard_model::{
    duration,
    ip_prefix::{ParsedTarget, TargetError},
    list_entry::{Entry, EntryReasonError, Origin, Scope, TTL},
    settings::ValueError,
    time::Now,
};

/// Attributes of a line; `None` stands for a missing one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// `ttl=`: time to live.
    pub ttl: Option<Duration>,
    /// `expires=`: expiry in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// `created=`: time of creation in milliseconds since 1970.
    pub created_ms: Option<u64>,
    pub scope: Option<Scope>,
    pub origin: Option<Origin>,
    /// `reason=`; its length and characters are not checked yet.
    pub reason: Option<Cow<'a, str>>,
}

/// A line with a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListLine<'a> {
    pub target: ParsedTarget,
    pub attributes: Attributes<'a>,
}

/// Reason why a line is not a valid line of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line does not begin with a target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A word after the target is not an attribute.
    #[error(
        "`{0}` is not an attribute: a target may be followed by ttl=, scope=, origin= and reason=\"…\", and by a comment after # or ;"
    )]
    Attribute(String),
    /// An attribute is repeated, or both `ttl` and `expires` are given.
    #[error("{0} is given twice: leave one of them out")]
    Twice(&'static str),
    #[error("{0} has no closing quote")]
    Quote(&'static str),
    #[error("{key}={value}: {error}")]
    Value { key: &'static str, value: String, error: String },
}

impl From<EntryReasonError> for LineError {
    fn from(error: EntryReasonError) -> Self {
        Self::Value { key: "reason", value: "…".to_owned(), error: error.to_string() }
    }
}

impl<'a> ListLine<'a> {
    /// Parses a line without its line end; `None` if the line is empty or has only a comment.
    pub fn parse(line: &'a str) -> Result<Option<Self>, LineError> {
        let line = line.trim();
        let (target, mut rest) = split_word(line, |c| c.is_whitespace() || is_comment(c));
        if target.is_empty() {
            return Ok(None);
        }
        let target = ParsedTarget::parse(target)?;
        let mut attributes = Attributes::default();
        loop {
            rest = rest.trim_start();
            if rest.is_empty() || rest.starts_with(is_comment) {
                return Ok(Some(Self { target, attributes }));
            }
            rest = attributes.parse_next(rest)?;
        }
    }
}

impl<'a> Attributes<'a> {
    /// Parses the attribute at the start of a text and returns the rest of the text.
    fn parse_next(&mut self, text: &'a str) -> Result<&'a str, LineError> {
        let (key, rest) = split_word(text, |c| c == '=' || c.is_whitespace() || is_comment(c));
        let unknown = || LineError::Attribute(shorten(split_word(text, char::is_whitespace).0));
        let rest = rest.strip_prefix('=').ok_or_else(unknown)?;
        let keys = ["ttl", "expires", "created", "scope", "origin", "reason"];
        let key = keys.into_iter().find(|known| *known == key).ok_or_else(unknown)?;
        let (value, rest) = read_value(key, rest)?;
        if self.has(key) {
            return Err(LineError::Twice(if key == "ttl" || key == "expires" { "ttl" } else { key }));
        }
        let bad = |error: String| LineError::Value { key, value: shorten(&value), error };
        match key {
            "ttl" => self.ttl = Some(TTL.parse(&value).map_err(|error: ValueError| bad(error.to_string()))?),
            "expires" => self.expires_ms = Some(parse_time(&value).map_err(bad)?),
            "created" => self.created_ms = Some(parse_time(&value).map_err(bad)?),
            "scope" => self.scope = Some(parse_scope(&value).map_err(bad)?),
            "origin" => self.origin = Some(parse_origin(&value).map_err(bad)?),
            _ => self.reason = Some(value),
        }
        Ok(rest)
    }

    fn has(&self, key: &str) -> bool {
        match key {
            "ttl" | "expires" => self.ttl.is_some() || self.expires_ms.is_some(),
            "created" => self.created_ms.is_some(),
            "scope" => self.scope.is_some(),
            "origin" => self.origin.is_some(),
            _ => self.reason.is_some(),
        }
    }
}

fn is_comment(c: char) -> bool {
    c == '#' || c == ';'
}

/// Splits a text before the first character that `stop` accepts.
fn split_word(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

/// Returns the first 60 characters of a text, for an error message.
fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Parses a value: a word, or a text in quotes in which a backslash escapes the next character. Returns the value and
/// the rest of the text.
fn read_value<'a>(key: &'static str, text: &'a str) -> Result<(Cow<'a, str>, &'a str), LineError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = split_word(text, |c| c.is_whitespace() || is_comment(c));
        return Ok((Cow::Borrowed(word), rest));
    };
    let mut value = Cow::Borrowed("");
    let mut rest = quoted;
    loop {
        let at = rest.find(['"', '\\']).ok_or(LineError::Quote(key))?;
        let (before, mark) = rest.split_at(at);
        value += before;
        if let Some(after) = mark.strip_prefix('"') {
            return Ok((value, after));
        }
        let mut escaped = mark[1..].chars();
        let c = escaped.next().ok_or(LineError::Quote(key))?;
        value.to_mut().push(c);
        rest = escaped.as_str();
    }
}

/// Parses seconds since 1970 with at most three decimals, and returns milliseconds.
fn parse_time(text: &str) -> Result<u64, String> {
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parse = || {
        if !digits(seconds) || !digits(decimals) || decimals.len() > 3 {
            return None;
        }
        let ms: u64 = format!("{decimals:0<3}").parse().ok()?;
        seconds.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(ms)
    };
    parse().ok_or_else(|| "must be seconds since 1970, such as 1767225600.250".to_owned())
}

fn parse_scope(text: &str) -> Result<Scope, String> {
    let scopes = [Scope::All, Scope::Syn];
    scopes.into_iter().find(|scope| scope.name() == text).ok_or_else(|| "must be all or syn".to_owned())
}

fn parse_origin(text: &str) -> Result<Origin, String> {
    let found = Origin::ALL.into_iter().find(|origin| origin.name() == text);
    found.ok_or_else(|| "must be operator, auto or feed".to_owned())
}

/// Form in which the times of an entry are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// Instants. `created` is left out if it equals `created_ms`, in milliseconds since 1970.
    Instants { created_ms: u64 },
    /// Time left at `now`, to the millisecond, as in exported files.
    Left { now: Now },
}

/// An entry formatted as a line, without the line end. The defaults `scope=all` and `origin=feed` are left out.
pub struct EntryLine<'a>(pub &'a Entry, pub TimeFormat);

impl fmt::Display for EntryLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(entry, times) = self;
        write!(f, "{}", entry.target)?;
        match *times {
            TimeFormat::Instants { created_ms } => {
                if entry.created_ms != created_ms {
                    write_time(f, "created", entry.created_ms)?;
                }
                if let Some(expires_ms) = entry.expires_ms {
                    write_time(f, "expires", expires_ms.get())?;
                }
            }
            TimeFormat::Left { now } => {
                if let Some(left) = entry.left_ms(now) {
                    // The parser accepts no time to live outside this range, such as the 0 of an expired entry.
                    let left = Duration::from_millis(left).clamp(TTL.min, TTL.max);
                    write!(f, " ttl={}", duration::format(left))?;
                }
            }
        }
        if entry.scope != Scope::All {
            write!(f, " scope={}", entry.scope.name())?;
        }
        if entry.origin != Origin::Feed {
            write!(f, " origin={}", entry.origin.name())?;
        }
        if let Some(reason) = &entry.reason {
            f.write_str(" reason=\"")?;
            for part in reason.as_str().split_inclusive(['"', '\\']) {
                match part.strip_suffix(['"', '\\']) {
                    Some(before) => write!(f, "{before}\\{}", &part[before.len()..])?,
                    None => f.write_str(part)?,
                }
            }
            f.write_str("\"")?;
        }
        Ok(())
    }
}

fn write_time(f: &mut fmt::Formatter<'_>, key: &str, ms: u64) -> fmt::Result {
    match (ms / 1_000, ms % 1_000) {
        (seconds, 0) => write!(f, " {key}={seconds}"),
        (seconds, ms) => write!(f, " {key}={seconds}.{ms:03}"),
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;

//! Errors that decide the exit code. Every other error is a plain `anyhow` error and exits with 1.

use std::fmt;

/// The kind of a failure, which is its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitKind {
    /// A value, file or flag is not valid.
    Invalid = 2,
    /// The instance has no filter.
    NotAttached = 3,
    /// The process lacks a privilege.
    Privilege = 4,
    /// Another controller, a foreign XDP program or a lock is in the way.
    Conflict = 5,
}

/// A failure of a known kind, with one line that states the problem and the remedy.
#[derive(Debug)]
pub struct Failure {
    kind: ExitKind,
    message: String,
}

/// Returns a failure of a known kind as an `anyhow` error.
pub fn failure(kind: ExitKind, message: impl Into<String>) -> anyhow::Error {
    Failure { kind, message: message.into() }.into()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Returns the exit code of an error: its kind's, or 1.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Failure>().map_or(1, |failure| failure.kind as u8)
}

/// Returns a message on one line and without control characters, even if it repeats somebody's input.
pub fn one_line(message: &str) -> String {
    let mut line = String::with_capacity(message.len());
    for c in message.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn context_keeps_the_exit_code() {
        let error =
            Err::<(), _>(failure(ExitKind::Conflict, "held")).context("attach").expect_err("an error");
        assert_eq!((exit_code(&error), format!("{error:#}").as_str()), (5, "attach: held"));
        assert_eq!(exit_code(&anyhow::anyhow!("other")), 1);
    }

    #[test]
    fn messages_stay_on_one_line() {
        assert_eq!(one_line("no unit `s\n`: \u{1b}[1m é"), "no unit `s\\n`: \\u{1b}[1m é");
    }
}

//! Errors that decide the exit code. Everything else is an `anyhow` error and exits with 1.

use std::fmt;

/// What kind of failure it was, and with it the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitKind {
    /// A value, file or flag is not valid.
    Invalid = 2,
    /// There is no filter to act on.
    NotAttached = 3,
    /// The process may not do this.
    Privilege = 4,
    /// Something else holds what is needed: another controller, a foreign XDP program, a lock.
    Conflict = 5,
}

/// A failure of a known kind, with one line that says what is wrong and what to do about it.
#[derive(Debug)]
pub struct Failure {
    kind: ExitKind,
    message: String,
}

/// A failure of a known kind as an `anyhow` error.
pub fn failure(kind: ExitKind, message: impl Into<String>) -> anyhow::Error {
    Failure { kind, message: message.into() }.into()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code of an error: its kind's, or 1.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Failure>().map_or(1, |failure| failure.kind as u8)
}

/// A message on one line and without control characters, whoever's input is repeated in it.
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
    fn a_message_stays_on_its_line() {
        assert_eq!(one_line("no unit `s\n`: \u{1b}[1m é"), "no unit `s\\n`: \\u{1b}[1m é");
    }
}

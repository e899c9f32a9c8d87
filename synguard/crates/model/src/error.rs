//! Errors that decide the exit code. Every other error is a plain `anyhow` error and exits with 1.

use std::{fmt, io};

/// Remedy for too many open files.
pub const OPEN_FILES_REMEDY: &str = "raise the limit (`ulimit -n 1024`, LimitNOFILE=1024 in a unit)";

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

/// Returns the message of an error with its causes, and the remedy if the process has too many open files.
pub fn message(error: &anyhow::Error) -> String {
    /// `EMFILE` of Linux.
    const TOO_MANY_FILES: i32 = 24;
    let is_limit = |cause: &io::Error| cause.raw_os_error() == Some(TOO_MANY_FILES);
    let message = format!("{error:#}");
    if error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_limit)) {
        format!("{message}: {OPEN_FILES_REMEDY}")
    } else {
        message
    }
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
    fn too_many_open_files_have_a_remedy() {
        let error = |number| {
            Err::<(), _>(io::Error::from_raw_os_error(number)).context("open a socket").expect_err("an error")
        };
        let expected = "open a socket: Too many open files (os error 24): raise the limit (`ulimit -n 1024`, \
                        LimitNOFILE=1024 in a unit)";
        assert_eq!(message(&error(24)), expected);
        assert_eq!(message(&error(1)), "open a socket: Operation not permitted (os error 1)");
    }

    #[test]
    fn messages_stay_on_one_line() {
        assert_eq!(one_line("no unit `s\n`: \u{1b}[1m é"), "no unit `s\\n`: \\u{1b}[1m é");
    }
}

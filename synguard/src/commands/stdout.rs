//! Standard output.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
};

use anyhow::{Context as _, Result};

/// Writes to standard output. A reader that closes it early, as `head` does, is no error.
pub(super) fn emit(text: impl AsRef<[u8]>) -> Result<()> {
    emit_if_open(text).map(drop)
}

/// Writes to standard output and reports whether anybody still reads it.
pub(super) fn emit_if_open(text: impl AsRef<[u8]>) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true).context("write to standard output"),
    }
}

/// Reports whether standard output is a terminal that may show colours.
pub(super) fn has_colour() -> bool {
    let is_off = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    io::stdout().is_terminal() && !is_off && !is_dumb
}

//! Standard output.

use std::io::{self, Write as _};

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

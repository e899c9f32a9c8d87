//! Standard output.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};

/// Writes to standard output. Whoever stops reading, as `head` does, has what it wanted.
pub(super) fn emit(text: impl AsRef<[u8]>) -> Result<()> {
    is_read(text).map(drop)
}

/// Writes to standard output; `false` if nobody reads it any more.
pub(super) fn is_read(text: impl AsRef<[u8]>) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true).context("write to standard output"),
    }
}

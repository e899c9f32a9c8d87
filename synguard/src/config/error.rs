//! Errors of the configuration file and the flags: one line each, naming the place and the remedy.

use std::{io, path::PathBuf};

use synguard_model::settings::SettingError;

/// The configuration is not valid. Each variant is a usage error (exit code 2). Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{}: cannot be read: {error}: correct the path given with --config or the file's permissions", path.display())]
    Read {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    /// The file is not a text of reasonable size.
    #[error("{}: not a configuration file: must be UTF-8 text of at most {limit} bytes", path.display())]
    NotText { path: PathBuf, limit: u64 },
    #[error("{}:{line}: not valid TOML: {message}: write one `key = value` a line", path.display())]
    Syntax {
        path: PathBuf,
        line: usize,
        /// The TOML parser's message.
        message: String,
    },
    /// A key or value in the file is wrong.
    #[error("{}:{line}: {error}", path.display())]
    InFile {
        path: PathBuf,
        line: usize,
        #[source]
        error: Box<SettingError>,
    },
    /// Values given as flags contradict each other.
    #[error("command line: {0}")]
    Flags(#[source] Box<SettingError>),
    /// `set --save` cannot edit the file.
    #[error("{}: cannot be edited: {error}", path.display())]
    Edit { path: PathBuf, error: String },
    /// Neither the command line nor the file names an interface.
    #[error("no interface is named: name one, as in `synguard attach eth0`, or set interfaces = [\"eth0\"] in {}", path.display())]
    NoInterface {
        /// The file that could name one.
        path: PathBuf,
    },
}

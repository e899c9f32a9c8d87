//! Errors of the configuration file and the flags: one line each, naming the place and the remedy.

use std::{io, path::PathBuf};

use synguard_model::settings::SettingError;

/// Why there is no valid configuration. Every one is a usage error (exit code 2).
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {error}: correct the path given with --config or the file's permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The file is not a text of reasonable size.
    #[error("{}: not a configuration file: must be UTF-8 text of at most {limit} bytes", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Most bytes that are read.
        limit: u64,
    },
    /// The file is not TOML.
    #[error("{}:{line}: not valid TOML: {message}: write one `key = value` a line", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the TOML parser says.
        message: String,
    },
    /// A key or value in the file is wrong.
    #[error("{}:{line}: {error}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        #[source]
        error: Box<SettingError>,
    },
    /// Values given as flags do not go together.
    #[error("command line: {0}")]
    Flags(#[source] Box<SettingError>),
    /// Neither the command line nor the file names an interface.
    #[error("no interface is named: name one, as in `synguard attach eth0`, or set interfaces = [\"eth0\"] in {}", path.display())]
    NoInterface {
        /// The file in which one could be named.
        path: PathBuf,
    },
}

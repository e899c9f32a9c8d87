//! Defaults, then the file, then the flags: the settings and options of one `attach`.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use synguard_model::settings::{AttachOptions, Key, Patch, SettingSources, Settings};

use super::{
    ConfigError,
    file::{self, FileSettings},
};

/// The configuration file that is read if it exists and no other is named.
pub(crate) const DEFAULT_PATH: &str = "/etc/synguard/synguard.toml";

/// Most bytes of a configuration file.
const FILE_MAX: u64 = 1024 * 1024;

/// The settings and options of one `attach`, and where they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttachConfig {
    pub(crate) settings: Settings,
    pub(crate) options: AttachOptions,
    pub(crate) sources: SettingSources,
    /// The configuration file, which exists if it was named.
    pub(crate) file: PathBuf,
}

/// Returns settings and options from the file's text, if there is a file, and the flags, which win. `warn` gets a line for
/// each old name in the file. The options name at least one interface, and each once, in the order given.
///
/// # Errors
/// The first mistake in the file, a burst too small for the rate, or no interface.
pub(crate) fn resolve(
    file: Option<(&Path, &str)>,
    flags: &Patch,
    mut warn: impl FnMut(String),
) -> Result<AttachConfig, ConfigError> {
    let path = file.map_or(Path::new(DEFAULT_PATH), |(path, _)| path);
    let below = file.map(|(path, text)| file::parse(path, text)).transpose()?.unwrap_or_default();
    let FileSettings { patch, lines, renamed } = below;
    for renamed in renamed {
        let line = lines.get(&renamed.key).copied().unwrap_or_default();
        warn(format!("{}:{line}: {renamed}", path.display()));
    }
    let burst_line = lines.get(&Key::DERIVED).filter(|_| !flags.gives(Key::DERIVED));
    let sources = SettingSources { file: patch, flags: flags.clone() };
    let settings = sources.settings().map_err(|error| match burst_line {
        Some(&line) => ConfigError::InFile { path: path.to_owned(), line, error: error.into() },
        None => ConfigError::Flags(error.into()),
    })?;
    let mut options = AttachOptions::default().patched(&sources.file).patched(flags);
    let mut interfaces = Vec::new();
    for name in options.interfaces {
        if !interfaces.contains(&name) {
            interfaces.push(name);
        }
    }
    if interfaces.is_empty() {
        return Err(ConfigError::NoInterface { path: path.to_owned() });
    }
    options.interfaces = interfaces;
    Ok(AttachConfig { settings, options, sources, file: path.to_owned() })
}

/// Reads the configuration file, `explicit` or else [`DEFAULT_PATH`], and resolves it with the flags. Only the default file
/// may be missing. Logs a warning for each old name in the file.
pub(crate) fn load(explicit: Option<&Path>, flags: &Patch) -> Result<AttachConfig, ConfigError> {
    load_or(explicit, Path::new(DEFAULT_PATH), flags)
}

fn load_or(explicit: Option<&Path>, default: &Path, flags: &Patch) -> Result<AttachConfig, ConfigError> {
    let warn = |line| log::warn!("{line}");
    let path = explicit.unwrap_or(default);
    match read_text(path)? {
        None if explicit.is_none() => resolve(None, flags, warn),
        None => {
            Err(ConfigError::Read { path: path.to_owned(), error: io::Error::from(rustix::io::Errno::NOENT) })
        }
        Some(text) => resolve(Some((path, &text)), flags, warn),
    }
}

/// Returns the text of a configuration file; `None` if there is no such file.
pub(super) fn read_text(path: &Path) -> Result<Option<String>, ConfigError> {
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ConfigError::Read { path: path.to_owned(), error }),
    };
    let not_text = || ConfigError::NotText { path: path.to_owned(), limit: FILE_MAX };
    if bytes.len() as u64 > FILE_MAX {
        return Err(not_text());
    }
    String::from_utf8(bytes).map(Some).map_err(|_| not_text())
}

/// Returns the file's bytes, up to one more than [`FILE_MAX`].
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;

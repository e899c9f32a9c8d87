//! Defaults, then the file, then the flags: the settings and options of one `attach`.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use synguard_model::settings::{AttachOptions, Key, Patch, Settings};

use super::{
    ConfigError,
    file::{self, FileSettings},
};

/// The configuration file that is read if it exists and no other is named.
pub(crate) const DEFAULT_PATH: &str = "/etc/synguard/synguard.toml";

/// Most bytes of a configuration file.
const FILE_MAX: u64 = 1024 * 1024;

/// Returns settings and options from the file's text, if there is a file, and the flags, which win. `warn` gets a line for
/// each old name in the file. The options name at least one interface, and each once, in the order given.
///
/// # Errors
/// The first mistake in the file, a burst too small for the rate, or no interface.
pub(crate) fn resolve(
    file: Option<(&Path, &str)>,
    flags: &Patch,
    mut warn: impl FnMut(String),
) -> Result<(Settings, AttachOptions), ConfigError> {
    let path = file.map_or(Path::new(DEFAULT_PATH), |(path, _)| path);
    let below = file.map(|(path, text)| file::parse(path, text)).transpose()?.unwrap_or_default();
    let FileSettings { patch, lines, renamed } = below;
    for renamed in renamed {
        let line = lines.get(&renamed.key).copied().unwrap_or_default();
        warn(format!("{}:{line}: {renamed}", path.display()));
    }
    let burst_line = lines.get(&Key::SynBurst).filter(|_| flags.syn_burst.is_none());
    let patch = flags.clone().over(patch);
    let settings = Settings::default().patched(&patch).map_err(|error| match burst_line {
        Some(&line) => ConfigError::InFile { path: path.to_owned(), line, error: error.into() },
        None => ConfigError::Flags(error.into()),
    })?;
    let mut options = AttachOptions::default().patched(&patch);
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
    Ok((settings, options))
}

/// Reads the configuration file, `explicit` or else [`DEFAULT_PATH`], and resolves it with the flags. Only the default file
/// may be missing. Logs a warning for each old name in the file.
pub(crate) fn load(explicit: Option<&Path>, flags: &Patch) -> Result<(Settings, AttachOptions), ConfigError> {
    load_or(explicit, Path::new(DEFAULT_PATH), flags)
}

fn load_or(
    explicit: Option<&Path>,
    default: &Path,
    flags: &Patch,
) -> Result<(Settings, AttachOptions), ConfigError> {
    let warn = |line| log::warn!("{line}");
    let path = explicit.unwrap_or(default);
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(error) if explicit.is_none() && error.kind() == io::ErrorKind::NotFound => {
            return resolve(None, flags, warn);
        }
        Err(error) => return Err(ConfigError::Read { path: path.to_owned(), error }),
    };
    let not_text = || ConfigError::NotText { path: path.to_owned(), limit: FILE_MAX };
    if bytes.len() as u64 > FILE_MAX {
        return Err(not_text());
    }
    let text = str::from_utf8(&bytes).map_err(|_| not_text())?;
    resolve(Some((path, text)), flags, warn)
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

//! Defaults, then the file, then the flags: what one `attach` works with.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use synguard_common::map_names::{LIST_CAPACITY_DEFAULT, SOURCES_DEFAULT};
use synguard_model::settings::{Key, Mode, Settings};

use super::{ConfigError, Layer, file};

/// The configuration file that is read if there is one and no other is named.
pub(crate) const DEFAULT_PATH: &str = "/etc/synguard/synguard.toml";

/// Most bytes of a configuration file.
const FILE_MAX: u64 = 1024 * 1024;

/// What holds for an attach as long as it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttachOptions {
    /// Names of the interfaces, at least one, each once, in the order given.
    pub interfaces: Vec<String>,
    /// How to attach.
    pub mode: Mode,
    /// Capacity of the table of sources, 1 024 to 16 777 216; the loader checks the least per CPU.
    pub max_sources: u32,
    /// Entries that each of the operator's lists may have.
    pub max_list: u32,
    /// Leave the filter attached when the controller ends.
    pub keep_on_exit: bool,
}

/// Settings and options from the file's text, if there is a file, and the flags, which win.
///
/// # Errors
/// The first thing wrong in the file, a burst too small for the rate, or no interface.
pub(crate) fn resolve(
    file: Option<(&Path, &str)>,
    flags: &Layer,
) -> Result<(Settings, AttachOptions), ConfigError> {
    let raw = file.map(|(path, text)| file::parse(path, text)).transpose()?;
    let (below, lines) = raw.map_or_else(Default::default, |raw| (raw.layer, raw.lines));
    let path = file.map_or(Path::new(DEFAULT_PATH), |(path, _)| path);
    let layer = flags.clone().over(below);
    let burst_line = lines.get(&Key::SynBurst).filter(|_| flags.settings.syn_burst.is_none());
    let settings = Settings::default().patched(&layer.settings).map_err(|error| match burst_line {
        Some(&line) => ConfigError::InFile { path: path.to_owned(), line, error: error.into() },
        None => ConfigError::Flags(error.into()),
    })?;
    let mut interfaces = Vec::new();
    for name in layer.interfaces.unwrap_or_default() {
        if !interfaces.contains(&name) {
            interfaces.push(name);
        }
    }
    if interfaces.is_empty() {
        return Err(ConfigError::NoInterface { path: path.to_owned() });
    }
    let options = AttachOptions {
        interfaces,
        mode: layer.mode.unwrap_or_default(),
        max_sources: layer.max_sources.unwrap_or(SOURCES_DEFAULT),
        max_list: layer.max_list.unwrap_or(LIST_CAPACITY_DEFAULT),
        keep_on_exit: layer.keep_on_exit.unwrap_or(false),
    };
    Ok((settings, options))
}

/// Reads the configuration file, `explicit` or else [`DEFAULT_PATH`], and resolves it with the flags. Only the
/// default one may be missing.
///
/// # Errors
/// As [`resolve`], and a file that cannot be read.
pub(crate) fn load(explicit: Option<&Path>, flags: &Layer) -> Result<(Settings, AttachOptions), ConfigError> {
    load_or(explicit, Path::new(DEFAULT_PATH), flags)
}

fn load_or(
    explicit: Option<&Path>,
    default: &Path,
    flags: &Layer,
) -> Result<(Settings, AttachOptions), ConfigError> {
    let path = explicit.unwrap_or(default);
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(error) if explicit.is_none() && error.kind() == io::ErrorKind::NotFound => {
            return resolve(None, flags);
        }
        Err(error) => return Err(ConfigError::Read { path: path.to_owned(), error }),
    };
    let not_text = || ConfigError::NotText { path: path.to_owned(), limit: FILE_MAX };
    if bytes.len() as u64 > FILE_MAX {
        return Err(not_text());
    }
    let text = str::from_utf8(&bytes).map_err(|_| not_text())?;
    resolve(Some((path, text)), flags)
}

/// The file's bytes, up to one more than [`FILE_MAX`].
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;

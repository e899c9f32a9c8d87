//! Names of the pins of maps, programs and links, and functions that replace and remove pins.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use synguard_common::map_names;

/// Prefix of a link's pin; the interface's name follows.
const PREFIX: &str = "link_";

/// Reports whether a filter is pinned in `pins`.
pub fn is_pinned(pins: &Path) -> bool {
    pins.join(map_names::CONFIG).exists()
}

/// Returns the path of a map's or program's pin.
pub(super) fn pin_path(pins: &Path, name: &str) -> PathBuf {
    pins.join(name)
}

/// Reports whether a pin of this name belongs to a link.
pub(super) fn is_link(file: &str) -> bool {
    file.starts_with(PREFIX)
}

/// Returns the interface whose link has a pin of this name; `None` if the pin belongs to no link.
pub(super) fn link_interface(file: &str) -> Option<String> {
    file.strip_prefix(PREFIX).and_then(decode)
}

/// Returns the path of the pin of an interface's link.
pub(super) fn link_path(pins: &Path, name: &str) -> PathBuf {
    pins.join(format!("{PREFIX}{}", encode(name)))
}

/// Returns a file name for an interface. bpffs allows no dots, but names of VLAN interfaces contain them.
fn encode(name: &str) -> String {
    name.replace('%', "%25").replace('.', "%2e")
}

/// Returns the interface of a file name that [`encode`] made.
fn decode(file: &str) -> Option<String> {
    let name = file.replace("%2e", ".").replace("%25", "%");
    (encode(&name) == file).then_some(name)
}

/// Creates a pin under a temporary name and renames it to `path`, so that a pin exists at any moment.
pub(super) fn replace_pin(path: &Path, pin: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    // bpffs allows no dots in names.
    let fresh = path.with_file_name(format!("{}_new", path.file_name().unwrap_or_default().display()));
    remove_if_there(&fresh).with_context(|| format!("remove {}", fresh.display()))?;
    pin(&fresh).with_context(|| format!("pin {}", fresh.display()))?;
    rename_pin(&fresh, path)
}

/// Renames a pin; a pin that has the new name is replaced.
pub(super) fn rename_pin(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("rename {} to {}", from.display(), to.display()))
}

/// Removes a file if it exists.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_survive_bpffs() {
        for name in ["eth0", "eth0.100", "br-1.2", "a%2eb", "%", "%25"] {
            assert!(!encode(name).contains('.'));
            assert_eq!(decode(&encode(name)).as_deref(), Some(name), "{name}");
        }
        assert_eq!(decode("%zz"), None);
    }
}

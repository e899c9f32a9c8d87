//! The names under which maps, programs and links are pinned, and how pins are replaced and removed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Links are pinned under this and the interface's name.
const PREFIX: &str = "link_";

/// Where a map or program is pinned.
pub(super) fn pin_path(pins: &Path, name: &str) -> PathBuf {
    pins.join(name)
}

/// Whether a pin of this name is a link's.
pub(super) fn is_link(file: &str) -> bool {
    file.starts_with(PREFIX)
}

/// The interface whose link has a pin of this name, if it is one's.
pub(super) fn link_interface(file: &str) -> Option<String> {
    file.strip_prefix(PREFIX).and_then(decode)
}

/// Where the link of an interface is pinned.
pub(super) fn link_path(pins: &Path, name: &str) -> PathBuf {
    pins.join(format!("{PREFIX}{}", encode(name)))
}

/// A file name for an interface: bpffs allows no dots, which VLAN interfaces have in theirs.
fn encode(name: &str) -> String {
    name.replace('%', "%25").replace('.', "%2e")
}

/// The interface of a file name that [`encode`] made.
fn decode(file: &str) -> Option<String> {
    let name = file.replace("%2e", ".").replace("%25", "%");
    (encode(&name) == file).then_some(name)
}

/// Pins under a name beside `path` and moves that over it, so that there is always one of the two.
pub(super) fn replace_pin(path: &Path, pin: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    // bpffs does not allow dots in names.
    let fresh = path.with_file_name(format!("{}_new", path.file_name().unwrap_or_default().display()));
    remove_if_there(&fresh).with_context(|| format!("remove {}", fresh.display()))?;
    pin(&fresh).with_context(|| format!("pin {}", fresh.display()))?;
    fs::rename(&fresh, path).with_context(|| format!("rename {} to {}", fresh.display(), path.display()))
}

/// Removes a file that may not exist.
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

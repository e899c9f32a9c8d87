//! Kernel modules of an unpacked package, and their dependencies. The package has no list of dependencies, since
//! `depmod` makes it at installation, so they are read from the modules themselves.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use crate::process::{command, find};

/// A module, ready for `insmod`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelModule {
    pub(super) name: String,
    /// The uncompressed file.
    pub(super) bytes: Vec<u8>,
}

/// Returns the named modules and their dependencies from the modules in `dir`, each after those that it needs.
pub(super) fn with_dependencies(dir: &Path, names: &[&str]) -> Result<Vec<KernelModule>> {
    let mut order = Vec::new();
    for name in names {
        add(dir, name, &mut order)?;
    }
    Ok(order)
}

fn add(dir: &Path, name: &str, order: &mut Vec<KernelModule>) -> Result<()> {
    if order.iter().any(|module| module.name == name) || is_built_in(dir, name) {
        return Ok(());
    }
    let path = search(dir, name).with_context(|| format!("no module {name} in {}", dir.display()))?;
    let bytes = read(&path).with_context(|| format!("read {}", path.display()))?;
    // The kernel's build rules out circles.
    for needed in dependencies(&bytes) {
        add(dir, &needed, order)?;
    }
    order.push(KernelModule { name: name.to_owned(), bytes });
    Ok(())
}

fn is_built_in(dir: &Path, name: &str) -> bool {
    let list = fs::read_to_string(dir.join("modules.builtin")).unwrap_or_default();
    list.lines()
        .filter_map(|line| Path::new(line).file_name()?.to_str())
        .any(|file| module_name(file) == name)
}

/// Finds the file of a module anywhere below `dir`.
fn search(dir: &Path, name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if let Some(found) = search(&path, name) {
                return Some(found);
            }
        } else if module_name(&entry.file_name().to_string_lossy()) == name {
            return Some(path);
        }
    }
    None
}

/// Returns the `nf_tables` of `nf-tables.ko.xz`; empty for a file that is no module.
fn module_name(file: &str) -> String {
    file.split_once(".ko").map(|(name, _)| name.replace('-', "_")).unwrap_or_default()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_some_and(|extension| extension == "ko") {
        return Ok(fs::read(path)?);
    }
    let busybox = find("busybox").context("no busybox")?;
    let unpacked = command(busybox).arg("xzcat").arg(path).output().context("start busybox xzcat")?;
    ensure!(unpacked.status.success(), "it is compressed, and not by xz");
    Ok(unpacked.stdout)
}

/// Returns a module's dependencies: `depends=a,b` in its NUL-terminated description.
fn dependencies(bytes: &[u8]) -> Vec<String> {
    let mut strings = bytes.split(|&byte| byte == 0);
    let Some(list) = strings.find_map(|string| string.strip_prefix(b"depends=")) else { return Vec::new() };
    let list = String::from_utf8_lossy(list);
    list.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_the_module() {
        let describe = |depends: &str| format!("\x7fELF\0license=GPL\0{depends}\0retpoline=Y\0").into_bytes();
        assert_eq!(dependencies(&describe("depends=stp,llc")), ["stp", "llc"]);
        assert_eq!(dependencies(&describe("depends=nf-tables")), ["nf_tables"]);
        assert!(dependencies(&describe("depends=")).is_empty());
        assert!(dependencies(&describe("alias=depends=x")).is_empty());
    }

    #[test]
    fn file_name_gives_the_modules_name() {
        assert_eq!(module_name("veth.ko"), "veth");
        assert_eq!(module_name("nf-tables.ko.xz"), "nf_tables");
        assert_eq!(module_name("modules.order"), "");
    }
}

//! The test machine's file system: programs of this machine with their libraries, the tests, and kernel modules.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    process::{command, find, output},
    vm::{cpio::Archive, module::KernelModule},
};

/// The first process.
const INIT: &str = include_str!("init.sh");
/// Mount points of init, and folders that tests use.
const DIRECTORIES: [&str; 11] =
    ["/bin", "/dev", "/etc", "/lib", "/modules", "/proc", "/run", "/sbin", "/sys", "/tests", "/tmp"];

/// A file system in the making.
pub(super) struct MachineImage {
    archive: Archive,
    /// Files and directories that are in it.
    paths: BTreeSet<PathBuf>,
}

impl MachineImage {
    /// Returns a file system that boots: busybox as its shell, and these modules.
    pub(super) fn new(modules: &[KernelModule]) -> Result<Self> {
        let mut image = Self { archive: Archive::default(), paths: BTreeSet::from(["/".into()]) };
        for directory in DIRECTORIES {
            image.directory(Path::new(directory));
        }
        image.archive.program("/init", INIT.as_bytes());
        image.program(&find("busybox").context("no busybox")?, "/bin/busybox")?;
        image.archive.link("/bin/sh", "busybox");
        for module in modules {
            image.archive.program(&format!("/modules/{}.ko", module.name), &module.bytes);
        }
        let order: String = modules.iter().map(|module| format!("{}\n", module.name)).collect();
        image.archive.program("/modules/order", order.as_bytes());
        Ok(image)
    }

    /// Adds a program of this machine at a path in the image, with the libraries that it needs.
    pub(super) fn program(&mut self, file: &Path, path: &str) -> Result<()> {
        self.file(file, Path::new(path))?;
        // `ldd` fails for a static program.
        let listed = output(command("ldd").arg(file)).unwrap_or_default();
        for library in libraries(&listed).with_context(|| format!("libraries of {}", file.display()))? {
            if !self.paths.contains(&library) {
                self.file(&library, &library)?;
            }
        }
        Ok(())
    }

    /// Returns the file system as the archive that the kernel unpacks.
    pub(super) fn finish(self) -> Vec<u8> {
        self.archive.finish()
    }

    fn file(&mut self, file: &Path, path: &Path) -> Result<()> {
        let bytes = fs::read(file).with_context(|| format!("read {}", file.display()))?;
        if let Some(parent) = path.parent() {
            self.directory(parent);
        }
        self.archive.program(&path.to_string_lossy(), &bytes);
        self.paths.insert(path.to_owned());
        Ok(())
    }

    /// Adds a directory and its parents.
    fn directory(&mut self, path: &Path) {
        if self.paths.contains(path) {
            return;
        }
        if let Some(parent) = path.parent() {
            self.directory(parent);
        }
        self.archive.directory(&path.to_string_lossy());
        self.paths.insert(path.to_owned());
    }
}

/// Returns the files that `ldd` lists: libraries, and the loader.
fn libraries(listed: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for line in listed.lines() {
        if line.contains("not found") {
            bail!("{}", line.trim());
        }
        let path = line.rsplit("=> ").next().unwrap_or(line).split_whitespace().next();
        files.extend(path.filter(|path| path.starts_with('/')).map(PathBuf::from));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_loader_are_read_from_ldd() {
        let listed = "\
\tlinux-vdso.so.1 (0x00007fbffb0a3000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fbffaa1e000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007fbffb0a5000)
";
        let files = libraries(listed).expect("all are found");
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(files, expected.map(PathBuf::from));
        assert!(libraries("\tnot a dynamic executable\n").expect("nothing is missing").is_empty());
        assert!(libraries("\tstatically linked\n").expect("nothing is missing").is_empty());
        libraries("\tlibelf.so.1 => not found\n").expect_err("a library is missing");
    }

    #[test]
    fn directories_come_once_and_after_their_parents() {
        let mut image = MachineImage { archive: Archive::default(), paths: BTreeSet::from(["/".into()]) };
        image.directory(Path::new("/a/b"));
        image.directory(Path::new("/a/c"));
        let archive = String::from_utf8_lossy(&image.finish()).into_owned();
        let at: Vec<_> = ["\0a\0", "a\0", "a/b\0", "a/c\0"].map(|name| archive.find(name)).to_vec();
        assert!(at[1] < at[2] && at[2] < at[3], "{at:?}");
        assert_eq!(archive.matches("070701").count(), 4);
    }
}

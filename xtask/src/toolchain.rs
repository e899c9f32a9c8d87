//! The compiler and the linker for the BPF target: finding and installing them.
//!
//! The compiler needs core's sources (core is built along with the program), and an LLVM no newer than the
//! linker's, which reads the bitcode that the compiler writes.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::process::{cargo, command, find, output, run, run_quietly};

/// The toolchain that setup makes, by this name in rustup. `synguard/crates/datapath/build_bpf.rs` looks for it first.
pub(crate) const LINKED: &str = "synguard-bpf";
/// The nightly that it stands for where rustup can fetch one. A later nightly may come with a later LLVM.
const PINNED_NIGHTLY: &str = "nightly-2026-05-20";
const LINKER_VERSION: &str = "0.13.0";
/// The LLVM that bpf-linker is built with: that of the pinned nightly, and of Debian's rustc-web.
pub(crate) const LLVM: u32 = 22;

/// A compiler for the BPF target.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    /// The name that rustup knows it by.
    pub(crate) name: &'static str,
    sysroot: PathBuf,
}

impl Toolchain {
    /// Finds the toolchain that the build scripts will choose: the first with core's sources and a usable LLVM.
    pub(crate) fn find() -> Option<Self> {
        [LINKED, "nightly"].into_iter().find_map(|name| {
            let sysroot = output(command("rustup").args(["run", name, "rustc", "--print", "sysroot"]))?;
            let found = Self { name, sysroot: PathBuf::from(sysroot.trim()) };
            (has_core_sources(&found.sysroot) && found.llvm()? <= LLVM).then_some(found)
        })
    }

    fn llvm(&self) -> Option<u32> {
        llvm_major(&output(command(self.sysroot.join("bin/rustc")).arg("-vV"))?)
    }

    /// Reports whether the toolchain has clippy; Debian's does not.
    pub(crate) fn has_clippy(&self) -> bool {
        self.sysroot.join("bin/clippy-driver").exists()
    }

    /// Returns a command for this toolchain's cargo, with the unstable flag that builds core allowed.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = command("rustup");
        cargo.args(["run", self.name, "cargo"]).env("RUSTC_BOOTSTRAP", "1");
        // The cargo that started xtask sets these for its own toolchain.
        for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
            cargo.env_remove(name);
        }
        cargo
    }
}

fn has_core_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").exists()
}

/// Returns the `22` of the line `LLVM version: 22.1.8` in the output of `rustc -vV`.
fn llvm_major(version: &str) -> Option<u32> {
    let llvm = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    llvm.split('.').next()?.parse().ok()
}

/// Has rustup fetch the pinned nightly, and links it under the name that the build scripts look for. The name is not
/// `nightly`, so that a developer's own nightly stays as it is.
pub(crate) fn install_nightly() -> Result<()> {
    let mut install = command("rustup");
    // Rustup itself is left to the user to update.
    install.args(["toolchain", "install", PINNED_NIGHTLY, "--profile", "minimal", "--no-self-update"]);
    install.args(["--component", "rust-src", "--component", "clippy"]);
    run_quietly(install.env_remove("RUST_BACKTRACE"))?;
    let sysroot = output(command("rustup").args(["run", PINNED_NIGHTLY, "rustc", "--print", "sysroot"]))
        .with_context(|| format!("{PINNED_NIGHTLY} does not run"))?;
    link(Path::new(sysroot.trim()))
}

/// Links an installed compiler in rustup, under the name that the build scripts look for.
pub(crate) fn link(sysroot: &Path) -> Result<()> {
    run(command("rustup").args(["toolchain", "link", LINKED]).arg(sysroot))
}

/// Reports whether Debian's compiler and core's sources are in /usr.
pub(crate) fn debian_is_complete() -> bool {
    let usr = Path::new("/usr");
    let llvm = output(command("/usr/bin/rustc").arg("-vV")).and_then(|version| llvm_major(&version));
    has_core_sources(usr) && llvm.is_some_and(|llvm| llvm <= LLVM)
}

/// Reports whether bpf-linker is on PATH, in the pinned version.
pub(crate) fn has_linker() -> bool {
    find("bpf-linker")
        .and_then(|linker| output(command(linker).arg("--version")))
        .is_some_and(|version| version.trim() == format!("bpf-linker {LINKER_VERSION}"))
}

pub(crate) fn linker_name() -> String {
    format!("bpf-linker {LINKER_VERSION}")
}

/// Finds an LLVM with headers, to build bpf-linker with: in `LLVM_PREFIX`, or in Debian's folder.
pub(crate) fn llvm_prefix() -> Option<PathBuf> {
    let debian = PathBuf::from(format!("/usr/lib/llvm-{LLVM}"));
    let given = env::var_os("LLVM_PREFIX").map(PathBuf::from);
    // Only the -dev package has the header.
    given.into_iter().chain([debian]).find(|prefix| prefix.join("include/llvm-c/Core.h").exists())
}

pub(crate) fn install_linker(llvm_prefix: &Path) -> Result<()> {
    let feature = format!("llvm-{LLVM}");
    let mut install = cargo();
    install.args(["install", "bpf-linker", "--quiet", "--locked", "--force", "--version", LINKER_VERSION]);
    run(install.args(["--no-default-features", "--features", &feature]).env("LLVM_PREFIX", llvm_prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_version_is_read() {
        let version =
            "rustc 1.96.0 (ac68faa20 2026-05-25)\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.8\n";
        assert_eq!(llvm_major(version), Some(22));
        assert_eq!(llvm_major("rustc 1.96.0"), None);
        assert_eq!(llvm_major("LLVM version: unknown"), None);
    }

    #[test]
    fn build_scripts_look_for_the_same_name() {
        let script = include_str!("../../synguard/crates/datapath/build_bpf.rs");
        assert!(script.contains(&format!("const LINKED: &str = \"{LINKED}\"")));
    }
}

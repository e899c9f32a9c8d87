//! Builds a crate for the BPF target from a build script, and says what to run if that cannot be done.
//! Shared by the build scripts of `synguard-datapath` and of the tests.

use std::{path::Path, process::Command};

use aya_build::{Package, Toolchain};

/// The toolchain that `cargo xtask setup` links when rustup has no nightly with core's sources: a stable
/// compiler with its sources in the sysroot, allowed the unstable flags it needs.
const LINKED: &str = "synguard-bpf";
const REMEDY: &str = "run `cargo xtask setup`, which installs what the BPF program is built with";

/// Compiles the binaries of `name`, which lies in `root_dir`, for the BPF target, into `OUT_DIR`.
pub(crate) fn build(name: &str, root_dir: &str) {
    if let Err(error) = try_build(name, root_dir) {
        // Cargo shows this as an error of its own, without a backtrace of the build script.
        println!("cargo::error={}", error.replace('\n', " "));
    }
}

fn try_build(name: &str, root_dir: &str) -> Result<(), String> {
    println!("cargo::rerun-if-env-changed=PATH");
    let linker = find_in_path("bpf-linker").ok_or(format!("bpf-linker is not on PATH: {REMEDY}"))?;
    println!("cargo::rerun-if-changed={}", linker.display());
    // aya-build watches the program's own folder; what it shares with userspace lies beside it.
    println!("cargo::rerun-if-changed={}", Path::new(root_dir).join("../synguard-common/src").display());
    // Cargo would otherwise repeat every line of the inner build as a warning of this one.
    // SAFETY: a build script's main thread is its only thread here, so nothing reads the environment at the
    // same time.
    unsafe { std::env::set_var("CARGO_TERM_QUIET", "true") };
    let toolchain = if has_core_sources(LINKED) {
        // SAFETY: as above.
        unsafe { std::env::set_var("RUSTC_BOOTSTRAP", "1") };
        Toolchain::Custom(LINKED)
    } else if has_core_sources("nightly") {
        Toolchain::Nightly
    } else {
        return Err(format!("no Rust toolchain with core's sources for the BPF target: {REMEDY}"));
    };
    aya_build::build_ebpf([Package { name, root_dir, ..Package::default() }], toolchain)
        .map_err(|error| format!("building {name} for the BPF target: {error:#}"))
}

fn has_core_sources(toolchain: &str) -> bool {
    let output = Command::new("rustup").args(["run", toolchain, "rustc", "--print", "sysroot"]).output();
    output.is_ok_and(|output| {
        let sysroot = String::from_utf8_lossy(&output.stdout);
        output.status.success()
            && Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/src/lib.rs").exists()
    })
}

fn find_in_path(program: &str) -> Option<std::path::PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(program)).find(|path| path.is_file())
}

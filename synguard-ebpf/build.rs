//! Rebuilds the program when its linker changes, which cargo does not track.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PATH");
    let dirs = env::var_os("PATH").unwrap_or_default();
    if let Some(linker) =
        env::split_paths(&dirs).map(|dir| dir.join("bpf-linker")).find(|path| path.is_file())
    {
        println!("cargo::rerun-if-changed={}", linker.display());
    }
}

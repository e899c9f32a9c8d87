//! Compiles the XDP program, which the library embeds.

mod build_bpf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build_bpf.rs");
    build_bpf::build("synguard-ebpf", concat!(env!("CARGO_MANIFEST_DIR"), "/../../../synguard-ebpf"));
}

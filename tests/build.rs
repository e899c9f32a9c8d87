//! Compiles the lab's XDP programs, which the library embeds.

#[path = "../synguard/crates/datapath/build_bpf.rs"]
mod build_bpf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../synguard/crates/datapath/build_bpf.rs");
    build_bpf::build("synguard-tests-ebpf", concat!(env!("CARGO_MANIFEST_DIR"), "/ebpf"));
}

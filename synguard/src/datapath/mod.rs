//! The XDP program and its maps as the rest of synguard sees them. Only this folder names `aya`.

/// The compiled XDP program.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/synguard-ebpf"));

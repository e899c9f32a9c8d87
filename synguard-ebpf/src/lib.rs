//! The modules of the XDP program. `main.rs` runs them in this order: `parse`, `ip_lists`, `rate_limit`, `syn_cookie`,
//! `counters`.
//!
//! They also compile for the host, where tests run the real parser. Only `maps` names a map.
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(core_intrinsics))]
#![cfg_attr(target_arch = "bpf", expect(internal_features, reason = "see `atomic`"))]

pub mod atomic;
pub mod cardinality;
pub mod clock;
pub mod counters;
pub mod egress;
pub mod events;
mod frame;
mod globals;
pub mod ip_lists;
pub mod maps;
pub mod parse;
pub mod rate_limit;
mod settings;
pub mod syn_cookie;

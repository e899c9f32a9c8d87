//! The XDP program's modules: `packet::parse` → `filter::judge` → `answer::judge` → `account::count`.
//!
//! They compile for the host too, where the tests drive the real parser. Only `maps` names a map.
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(core_intrinsics))]
#![cfg_attr(target_arch = "bpf", expect(internal_features, reason = "see `atomic`"))]

pub mod account;
pub mod ack;
pub mod answer;
pub mod atomic;
mod bytes;
pub mod distinct;
pub mod events;
pub mod filter;
mod global;
pub mod limit;
pub mod lists;
pub mod maps;
pub mod packet;
pub mod proven;

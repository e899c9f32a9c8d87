//! What the XDP program and userspace must agree on: map layouts, names, reasons and rate arithmetic.
//!
//! Rules for everything in here: `no_std`, no I/O, no clock, no randomness (both are arguments), integer
//! arithmetic only. Map types are `repr(C)`, hold no `bool`, `usize`, `Option` or enum with data, spell out
//! their padding, and assert their own size: uninitialised padding is rejected by the verifier and would
//! leak kernel stack.
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod abi;
pub mod addr;
pub mod admission;
pub mod count_min;
pub mod gcra;
pub mod hash;
pub mod hold_cache;
pub mod hyperloglog;
pub mod ip_list;
pub mod map_names;
pub mod reason;
pub mod source;
pub mod syn_cookie;
pub mod verifier;

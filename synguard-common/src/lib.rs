//! Definitions that the XDP program and userspace share: map layouts, names, reasons, and the algorithms on them.
//!
//! Rules for this crate: `no_std`, no I/O, no clock and no randomness (both are arguments), integer arithmetic only.
//! Map types are `repr(C)`, hold no `bool`, `usize`, `Option` or enum with data, declare their padding as fields, and
//! assert their own size: the verifier rejects uninitialised padding, which would leak kernel stack.
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

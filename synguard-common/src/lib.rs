//! What the XDP program and userspace must agree on: map layouts, names, reasons and rate arithmetic.
//!
//! Rules for everything in here: `no_std`, no I/O, no clock, no randomness (both are arguments), integer
//! arithmetic only. Map types are `repr(C)`, hold no `bool`, `usize`, `Option` or enum with data, spell out
//! their padding, and assert their own size: uninitialised padding is rejected by the verifier and would
//! leak kernel stack.
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod abi;
pub mod admission;
pub mod answer;
pub mod branchless;
pub mod distinct;
pub mod first_syn;
pub mod hash;
pub mod held;
pub mod list;
pub mod list_table;
pub mod listed;
pub mod listener;
pub mod names;
pub mod network;
pub mod offer;
pub mod opaque;
pub mod prefix;
pub mod proven;
pub mod rate;
pub mod sketch;
pub mod syn_ack;
pub mod verdict;

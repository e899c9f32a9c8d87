//! What the XDP program and userspace must agree on: map layouts, names, reasons and rate arithmetic.
//!
//! Rules for everything in here: `no_std`, no I/O, no clock, no randomness (both are arguments), integer
//! arithmetic only. Map types are `repr(C)`, hold no `bool`, `usize`, `Option` or enum with data, spell out
//! their padding, and assert their own size: uninitialised padding is rejected by the verifier and would
//! leak kernel stack.
#![no_std]

pub mod abi;
pub mod admission;
pub mod answer;
pub mod distinct;
pub mod hash;
pub mod held;
pub mod list;
pub mod list_table;
pub mod listed;
pub mod names;
pub mod prefix;
pub mod rate;
pub mod sketch;
pub mod verdict;

//! The operator's lists: what is blocked and what is allowed, how it is written, and where it is kept.
//!
//! The pinned tables are what the filter acts on; the files of the store are what they are filled from when it is
//! attached, and what remembers reasons and dates. Everything but [`store`], and [`effective`] and [`transaction`], which
//! use both, is pure: time is an argument, files are readers and writers.

#![forbid(unsafe_code)]

pub mod aggregate;
pub mod check;
pub mod effective;
pub mod format;
pub mod store;
pub mod transaction;

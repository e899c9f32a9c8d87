//! The operator's lists, blocklist and allowlist: their text format, their files, and changes to files and tables.
//!
//! The filter acts on the pinned tables. The files of the [`store`] fill these tables at the next attach, and keep what
//! the tables have no room for: reasons and dates. Everything except [`store`], [`effective`],
//! [`tables`] and [`transaction`] is pure: time is an argument, and files are readers and writers.

#![forbid(unsafe_code)]

pub mod aggregate;
pub mod check;
pub mod effective;
pub mod format;
pub mod holes;
pub mod store;
pub mod tables;
pub mod transaction;

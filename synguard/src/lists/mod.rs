//! The operator's lists: what is blocked and what is allowed, how it is written, and where it is kept.
//!
//! The pinned tables are what the filter acts on; the files of the store are what they are filled from when it is
//! attached, and what remembers reasons and dates. Everything but [`store`], and [`in_force`] and [`live`], which use both, is
//! pure: time is an argument, files are readers and writers.

pub mod aggregate;
pub mod check;
pub mod entry;
pub mod file;
pub mod in_force;
pub mod line;
pub mod live;
pub mod store;
pub mod target;
pub mod time;

pub use synguard_common::list::List;

pub use self::{
    check::View,
    entry::{Entry, Origin, Reason, Scope},
    live::Live,
    target::Target,
    time::Now,
};

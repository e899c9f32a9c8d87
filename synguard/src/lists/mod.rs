//! The operator's lists: what is blocked and what is allowed, how it is written, and where it is kept.
//!
//! Everything but [`store`] is pure: time is an argument, files are readers and writers. The pinned tables are
//! what the filter acts on; the files of the store are what they are filled from when it is attached, and what
//! remembers reasons and dates.

pub mod aggregate;
pub mod check;
pub mod entry;
pub mod file;
pub mod line;
pub mod store;
pub mod target;
pub mod time;

pub use self::{
    entry::{Entry, Origin, Reason, Scope},
    target::Target,
    time::Now,
};

/// One of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// What always passes.
    Allow,
    /// What is dropped.
    Block,
}

impl List {
    /// Both of them, in the order in which the filter asks them.
    pub const ALL: [Self; 2] = [Self::Allow, Self::Block];

    /// The word it has in commands and in the names of files.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }

    /// What messages call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allowlist",
            Self::Block => "blocklist",
        }
    }
}

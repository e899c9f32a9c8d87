//! A prefix of a list with its entry.

use synguard_common::list::{ListEntry, ListKey};

/// A prefix, and what is known of it.
pub type Item = (ListKey, ListEntry);

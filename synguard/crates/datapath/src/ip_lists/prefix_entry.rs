//! A prefix of a list with its entry.

use synguard_common::ip_list::{ListEntry, Prefix};

/// A prefix and its entry.
pub type PrefixEntry = (Prefix, ListEntry);

//! Plain data that the rest of synguard shares: settings, events, list entries, snapshots. Pure: no I/O, no clocks.

#![forbid(unsafe_code)]

pub mod attack;
pub mod cardinality;
pub mod duration;
pub mod error;
pub mod event;
pub mod inspection;
pub mod instance_name;
pub mod ip_prefix;
pub mod list_entry;
pub mod number;
pub mod ports;
pub mod settings;
pub mod situation;
pub mod snapshot;
pub mod source;
#[cfg(any(test, feature = "strategies"))]
pub mod strategies;
pub mod tcp_counters;
pub mod time;
pub mod time_to_live;

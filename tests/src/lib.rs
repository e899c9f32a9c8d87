//! The lab: network namespaces with a real server, real clients and a real flood between them. The tests, the
//! demo and the bench all use it.
//!
//! Everything here needs root, and is undone when its guard is dropped. Floods stay inside the namespaces of
//! the [`lab::Lab`] that they run in.

pub mod bench;
pub mod bpffs;
pub mod client;
pub mod command;
pub mod container;
pub mod demo;
pub mod environment;
pub mod find_offenders;
pub mod flood;
pub mod former_binary;
pub mod fuzz;
mod interrupt;
pub mod json_schema;
pub mod lab;
pub mod list_fixture;
pub mod model;
pub mod mounted;
pub mod netns;
pub mod packet;
pub mod picture;
pub mod pressure;
pub mod program;
mod receiver;
pub mod steps;
pub mod syn_cookie;
pub mod tcp_info;
pub mod terminal;
pub mod testrun;
pub mod usage;
pub mod web;
pub mod wire;
pub mod xdp;

/// Nanoseconds of a second.
pub const SECOND_NS: u64 = 1_000_000_000;

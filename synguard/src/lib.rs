//! synguard's loader, controller and command line, as a library so that tests can link it.

pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod datapath;
pub mod distinct;
pub mod duration;
pub mod error;
pub mod instance;
pub mod lock;
pub mod netlink;
pub mod ports;
pub mod preflight;
pub mod snapshot;
pub mod sources;
pub mod sysctl;
pub mod tui;
pub mod watch;
pub mod why;

//! synguard's loader, controller and command line, as a library so that tests can link it.

pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod connections;
pub mod daemon;
pub mod datapath;
pub mod distinct;
pub mod duration;
pub mod error;
pub mod event;
pub mod history;
pub mod instance;
pub mod lists;
pub mod lock;
pub mod logging;
pub mod netlink;
pub mod observe;
pub mod policy;
pub mod ports;
pub mod preflight;
pub mod protected;
pub mod snapshot;
pub mod sysctl;
pub mod tcpext;
pub mod view;

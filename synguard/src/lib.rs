//! synguard's loader, controller and command line, as a library so that tests can link it.

pub mod cli;
pub mod config;
pub mod datapath;
pub mod duration;
pub mod ports;

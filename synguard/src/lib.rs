//! The parts of synguard that need no kernel: values, settings and the command line.

pub mod cli;
pub mod config;
pub mod duration;
pub mod ports;

//! synguard's command line and controller, as a library beside the program.

mod audit;
pub mod cli;
pub mod commands;
mod config;
mod controller;
mod event_log;
pub mod logging;
mod output;

//! The screen of `top`. State and drawing are pure; only `event_loop` and `terminal` do I/O.

#![forbid(unsafe_code)]

mod draw;
mod event_loop;
#[cfg(test)]
mod fixture;
pub mod format;
pub mod history;
mod keys;
pub mod list_edit;
pub mod palette;
mod selection;
pub mod sources;
pub mod state;
mod terminal;
pub mod view_model;

pub use self::event_loop::{LoopOptions, ViewReader, run};

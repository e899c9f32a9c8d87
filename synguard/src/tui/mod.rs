//! The screen of `top`. State and drawing are pure; `term` has the terminal.

pub mod change;
pub mod data;
pub mod figure;
pub mod history;
mod keys;
mod live;
pub mod palette;
mod rows;
pub mod state;
mod table;
mod term;
pub mod view;
mod view_chart;
mod view_dialog;
mod view_header;
mod view_help;
mod view_lists;
mod view_rows;

pub use self::live::{Options, run};

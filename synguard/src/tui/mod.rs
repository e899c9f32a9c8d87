//! The screen of `top`. State and drawing are pure; [`term`] has the terminal.

pub mod data;
pub mod figure;

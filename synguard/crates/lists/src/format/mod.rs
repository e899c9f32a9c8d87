//! The text format of lists: lines, and files of lines.

pub mod file;
pub mod line;

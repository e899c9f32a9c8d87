//! How lists are written: the line, and the file of such lines.

pub mod file;
pub mod line;

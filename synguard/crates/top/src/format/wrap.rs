//! Wraps text into lines.

use unicode_width::UnicodeWidthStr as _;

use super::{fit, plain};

/// Breaks a text into at most `height` lines, at spaces where possible; a mark ends a text that does not fit.
pub(crate) fn wrap(text: &str, width: usize, height: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in plain(text).split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let more = lines.len() > height;
    lines.truncate(height);
    if more && let Some(last) = lines.last_mut() {
        // One column too many, so that the line is cut and marked.
        *last = fit(&format!("{last} {}", " ".repeat(width)), width);
    }
    lines.into_iter().map(|line| fit(&line, width)).collect()
}

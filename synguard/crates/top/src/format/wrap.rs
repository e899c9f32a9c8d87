//! Wraps text into lines.

use unicode_width::UnicodeWidthStr as _;

use super::{fit, left, plain};

const NO_BREAK: char = '\u{a0}';

/// Breaks a text into at most `height` lines, at spaces where possible; a mark ends a text that does not fit.
pub(crate) fn wrap(text: &str, width: usize, height: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in with_whole_numbers(&plain(text)).split(' ') {
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
    lines.into_iter().map(|line| fit(&line.replace(NO_BREAK, " "), width)).collect()
}

/// Puts spaces without a break between the groups of a number: `5 100`.
fn with_whole_numbers(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let is_group = c == ' '
            && whole.ends_with(|c: char| c.is_ascii_digit())
            && rest.clone().take_while(char::is_ascii_digit).count() == 3;
        whole.push(if is_group { NO_BREAK } else { c });
    }
    whole
}

/// Breaks a text like [`wrap`]. Its first `indent` columns, a title, are kept as they are, and further lines are indented by as
/// many.
pub(crate) fn wrap_indented(text: &str, width: usize, indent: usize, height: usize) -> Vec<String> {
    let text = plain(text);
    let cut = text.char_indices().nth(indent).map_or(text.len(), |(at, _)| at);
    let (title, rest) = text.split_at(cut);
    let mut title = left(title, indent.min(width));
    let mut lines = Vec::new();
    for line in wrap(rest, width.saturating_sub(indent), height) {
        lines.push(format!("{title}{line}"));
        title = " ".repeat(indent.min(width));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_not_broken() {
        let text = "limited: 192.0.2.1 (5 123 SYN/s), 192.0.2.2 (1 005 100 SYN/s) of 12 or 1000";
        for width in 12..80 {
            let lines = wrap(text, width, 99);
            assert_eq!(lines.join(" "), text);
            for number in ["(5 123", "(1 005 100", " 12 ", " 1000"] {
                let found = lines.iter().any(|line| format!(" {line} ").contains(number));
                assert!(found, "{number}, {width}: {lines:?}");
            }
        }
    }

    #[test]
    fn further_lines_are_indented() {
        assert_eq!(
            wrap_indented("=> hold    in hold for another 9 s", 22, 11, 3),
            ["=> hold    in hold for", "           another 9 s"]
        );
        assert_eq!(wrap_indented("short", 22, 11, 3), ["short      "]);
        assert_eq!(wrap_indented("a b c", 1, 4, 2).len(), 1);
    }
}

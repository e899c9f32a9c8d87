//! Shortens sentences to the width of the screen. Pure.

use unicode_width::UnicodeWidthStr as _;

use super::{ELLIPSIS, fit, short, wrap::wrap};

/// Longer and shorter words for the same, the least important first: a narrow screen gets the shorter ones.
const WORDS: [(&str, &str); 11] = [
    ("about ", ""),
    (" for ", " "),
    ("connections/s", "conn/s"),
    ("over the limit of ", "over limit "),
    (" SYN/s per source", "/s"),
    ("; the server lost", "; lost"),
    ("dropped by the blocklist", "blocked"),
    ("answers SYNs with SYN cookies", "sends SYN cookies"),
    ("nothing urgent: it will be", "it will be"),
    ("nothing urgent: they will be", "they will be"),
    ("nothing urgent: no automatic", "no automatic"),
];
/// The same, after numbers are short as well.
const SHORTER_WORDS: [(&str, &str); 21] = [
    (" SYNs/s", "/s"),
    ("retransmitted SYNs with SYN cookies", "retransmitted SYNs"),
    ("until they are sent again", "until sent again"),
    ("retransmitted SYNs", "resent SYNs"),
    ("the other ", ""),
    (", and the kernel answers them with SYN cookies", ", kernel sends cookies"),
    ("none needed: all ", "all "),
    (" before the pause", " before"),
    (" with SYN cookies", " by cookie"),
    (" (visitors return them)", ""),
    ("most are probably forged: nothing to block by hand", "probably forged: nothing to block"),
    ("; to block it now: press b on ", "; b blocks "),
    ("; to block them now: press b on ", "; b blocks "),
    ("nothing urgent; to block it: press b on ", "not urgent; b blocks "),
    ("nothing urgent; to block them: press b on ", "not urgent; b blocks "),
    ("fewer than in calm", "fewer than calm"),
    ("more than in calm", "more than calm"),
    (" accepted", " in"),
    (" until sent again", ""),
    (" over a limit", ""),
    ("XDP sends SYN cookies: ", "cookies "),
];
/// Maximum number of lines of a text that is not to be cut.
const LINES_MAX: usize = 3;

/// Replaces words and numbers by shorter ones until the text fits. If it still does not, cuts it behind a part of the sentence.
pub(crate) fn squeeze(text: &str, width: usize) -> String {
    let text = shorten(text, width);
    if text.width() <= width {
        return fit(&text, width);
    }
    let mut ends = text.rmatch_indices([',', ';']).map(|(at, _)| &text[..at]);
    match ends.find(|part| part.width() + 2 <= width) {
        Some(part) => fit(&format!("{part} {ELLIPSIS}"), width),
        None => fit(&text, width),
    }
}

/// Does the same with a text that must not be cut: it gets more lines instead, with the words that it has.
pub(crate) fn squeeze_lines(text: &str, width: usize) -> Vec<String> {
    let shortened = shorten(text, width);
    if shortened.width() <= width { vec![fit(&shortened, width)] } else { wrap(text, width, LINES_MAX) }
}

fn shorten(text: &str, width: usize) -> String {
    let replace = |text: String, words: &[(&str, &str)]| {
        words.iter().fold(
            text,
            |text, (long, short)| {
                if text.width() <= width { text } else { text.replace(long, short) }
            },
        )
    };
    let mut text = replace(text.to_owned(), &WORDS);
    if text.width() > width {
        text = shorten_numbers(&text);
    }
    text = replace(text, &SHORTER_WORDS);
    if text.width() > width {
        text = without_limit(&text);
    }
    text
}

/// Replaces grouped numbers by short ones: `84 400/s` by `84.4k/s`.
fn shorten_numbers(text: &str) -> String {
    let mut words = text.split(' ').peekable();
    let mut shortened = Vec::new();
    while let Some(word) = words.next() {
        let digits = word.trim_start_matches('(');
        let mut number = if is_group(digits, 1..=3) { digits.to_owned() } else { String::new() };
        let mut rest = String::new();
        while !number.is_empty()
            && rest.is_empty()
            && let Some(next) = words.next_if(|next| is_group(&next[..leading_digits(next)], 3..=3))
        {
            let (group, tail) = next.split_at(leading_digits(next));
            number += group;
            rest.push_str(tail);
        }
        shortened.push(match number.parse() {
            Ok(number) => format!("{}{}{rest}", &word[..word.len() - digits.len()], short(number)),
            Err(_) => word.to_owned(),
        });
    }
    shortened.join(" ")
}

fn leading_digits(word: &str) -> usize {
    word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len()
}

/// Reports whether a word consists of so many digits.
fn is_group(word: &str, count: std::ops::RangeInclusive<usize>) -> bool {
    count.contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Removes the limit over which SYNs are dropped: it is on another line of `status`, and in the settings.
fn without_limit(text: &str) -> String {
    match text.split_once(" over limit ") {
        Some((before, behind)) => {
            format!("{before}{}", behind.find(';').map_or("", |at| &behind[at..]))
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_no_part_of_a_number() {
        for (long, short) in [
            ("203.0.113.77 100 000/s (> 99 %)", "203.0.113.77 100k/s (> 99 %)"),
            ("2001:db8:1:2::/64 34 000/s", "2001:db8:1:2::/64 34.0k/s"),
            ("1 source sends 71 % of 1 424 000 SYN/s", "1 source sends 71 % of 1.42M SYN/s"),
            ("5 200/s, 12 000", "5200/s, 12.0k"),
            ("for 12 min 5 s: 64/s (100 000)", "for 12 min 5 s: 64/s (100k)"),
        ] {
            assert_eq!(shorten_numbers(long), short);
        }
    }

    #[test]
    fn sentence_is_cut_behind_a_part() {
        let text = "20 in hold, busiest: 192.0.2.10 5 200/s (5 %), 192.0.2.16 5 100/s (5 %), 192.0.2.1 5 000/s (5 %)";
        assert_eq!(squeeze(text, 200), text);
        assert_eq!(squeeze(text, 50), "20 in hold, busiest: 192.0.2.10 5200/s (5 %) …");
        assert_eq!(squeeze("nothing-to-cut-at", 10), "nothing-t…");
    }

    #[test]
    fn every_response_is_whole_on_the_smallest_screen() {
        for (long, short) in [
            (
                "XDP answers SYNs with SYN cookies: 395 000/s (visitors return them); 28 000/s dropped over a limit; 1 000/s passed",
                "cookies 395k/s; 28.0k/s dropped; 1000/s passed",
            ),
            (
                "99 800/s dropped by the blocklist; 500/s dropped over the limit of 100 SYN/s per source; 60/s passed",
                "99.8k/s blocked; 500/s dropped; 60/s passed",
            ),
            (
                "500/s dropped over the limit of 100 SYN/s per source; the other 12 000/s pass, and the kernel answers them with SYN cookies",
                "500/s dropped; 12.0k/s pass, kernel sends cookies",
            ),
            (
                "XDP answers retransmitted SYNs with SYN cookies: 3 000/s (visitors return them); 390 000/s dropped until they are sent again",
                "XDP answers resent SYNs: 3000/s; 390k/s dropped",
            ),
            (
                "12 connections/s accepted, fewer than in calm (63); the server lost 340 SYNs/s",
                "12 conn/s in, fewer than calm (63); lost 340/s",
            ),
        ] {
            assert_eq!(squeeze(long, 50), short);
        }
    }

    #[test]
    fn command_is_never_cut() {
        let text = "the controller has not responded for 20 s: kill -KILL 7, then synguard attach srv0";
        let lines = squeeze_lines(text, 50);
        assert_eq!(lines.join(" "), text);
        assert!(lines.len() == 2 && lines.iter().all(|line| line.len() <= 50), "{lines:?}");
    }

    proptest! {
        #[test]
        fn any_text_fits(text: String, width in 0usize..100) {
            prop_assert!(squeeze(&text, width).width() <= width);
        }
    }
}

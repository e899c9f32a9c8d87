//! The picture in the README is one of the present screen, and shows the defence.

use super::{attached, session::Session};

/// The picture, and the size of its screen.
const PICTURE: &str = include_str!("../../../docs/top.svg");
const COLUMNS: u16 = 100;
const ROWS: u16 = 30;

/// Returns the rows of text in the picture, below its title: the words of each from left to right.
fn picture_rows() -> Vec<Vec<String>> {
    let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
    for text in PICTURE.lines().filter(|line| line.starts_with("<text ") && line.contains("textLength")) {
        let (_, y) = text.split_once(" y=\"").unwrap();
        let y: f64 = y.split_once('"').unwrap().0.parse().unwrap();
        let (_, word) = text.split_once('>').unwrap();
        let word = word.strip_suffix("</text>").unwrap().replace("&gt;", ">").replace("&lt;", "<");
        match rows.last_mut() {
            Some((at, words)) if (*at - y).abs() < 1.0 => words.push(word),
            _ => rows.push((y, vec![word])),
        }
    }
    rows.into_iter().map(|(_, words)| words).collect()
}

/// Returns what never changes on a screen: the labels of the answers, the tabs, the headings of the table, and the keys.
fn fixed_words(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    let labels = rows[1..=4].iter().map(|row| row[0].clone()).collect();
    let find = |first: &[&str]| {
        let is_it = |row: &&Vec<String>| row.iter().zip(first).filter(|(word, first)| word == first).count();
        rows.iter()
            .find(|row| is_it(row) == first.len())
            .unwrap_or_else(|| panic!("no {first:?} in {rows:?}"))
    };
    let tabs = find(&["1", "sources"]).iter().take(12).cloned().collect();
    let headings = find(&["SOURCE"]).clone();
    let footer = rows.iter().find(|row| row.iter().any(|word| word == "quit")).unwrap();
    let keys = footer.iter().skip_while(|word| *word != "q").take(18).cloned().collect();
    vec![labels, tabs, headings, keys]
}

#[test]
fn picture_is_of_the_present_screen() {
    let (_lab, synguard, _running) = attached();
    let top = Session::start(&synguard, COLUMNS, ROWS);
    let screen =
        top.wait("a calm screen", |screen| screen.text.contains("calm") && screen.text.contains("SOURCE"));
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<_> = screen.text.lines().map(words).filter(|row| !row.is_empty()).collect();
    let picture = picture_rows();
    assert_eq!(fixed_words(&picture), fixed_words(&rows), "make the picture anew: cargo xtask picture");
    top.press(&["q"]);
    assert_eq!(top.ended(), 0);
}

#[test]
fn picture_shows_the_defence() {
    let rows = picture_rows();
    let text = rows.iter().map(|row| row.join(" ")).collect::<Vec<_>>().join("\n");
    assert!(text.starts_with("ATTACK for "), "{text}");
    assert!(text.contains("\nresponse XDP sends SYN cookies: "), "{text}");
    assert!(text.contains("the server lost 0 SYNs/s\n"), "{text}");
    for state in [" hold ", " blocked 0s"] {
        assert!(text.contains(state), "no {state}in {text}");
    }
    // Next to nothing reaches the server.
    let rates = rows.iter().find(|row| row[0] == "SYN/s").unwrap();
    let passed = rates.iter().position(|word| word == "passed").unwrap();
    assert!(rates[passed - 1].parse::<u32>().is_ok_and(|rate| rate < 1_000), "{rates:?}");
}

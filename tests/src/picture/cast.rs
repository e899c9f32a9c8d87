//! A film as a recording that `asciinema play` shows: version 2 of its format, one JSON value a line. Pure.

use std::{fmt::Write as _, time::Duration};

use anyhow::Result;
use serde_json::json;

use super::film::Scene;

/// Time that the last scene stays.
const END: Duration = Duration::from_secs(2);

/// The recording: each scene repeats only those lines that are not as before.
pub(super) fn recording(scenes: &[Scene], columns: u16, rows: u16, title: &str) -> Result<String> {
    let head = json!({
        "version": 2, "width": columns, "height": rows, "title": title, "env": { "TERM": "xterm-256color" }
    });
    let mut recording = format!("{head}\n");
    let mut shown: Vec<&str> = Vec::new();
    for scene in scenes {
        let lines: Vec<&str> = scene.screen.lines().collect();
        let mut output = String::from(if shown.is_empty() { "\u{1b}[?25l\u{1b}[2J" } else { "" });
        for row in 0..usize::from(rows) {
            let line = lines.get(row).copied().unwrap_or_default();
            if shown.get(row) != Some(&line) {
                write!(output, "\u{1b}[{};1H\u{1b}[0m\u{1b}[2K{line}", row + 1)?;
            }
        }
        shown = lines;
        shown.resize(rows.into(), "");
        writeln!(recording, "{}", json!([seconds(scene.at), "o", output]))?;
    }
    let end = scenes.last().map_or(END, |last| last.at + END);
    writeln!(recording, "{}", json!([seconds(end), "o", "\u{1b}[0m\u{1b}[?25h"]))?;
    Ok(recording)
}

fn seconds(at: Duration) -> f64 {
    (at.as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::picture::svg;

    #[test]
    fn playback_shows_the_scenes() {
        let screens = ["one\n\u{1b}[1mtwo\u{1b}[0m\n", "one\nthree", "", "one\nthree\nfour"];
        let scenes: Vec<Scene> = screens
            .iter()
            .zip(1..)
            .map(|(screen, second)| Scene { at: Duration::from_secs(second), screen: (*screen).to_owned() })
            .collect();
        let recording = recording(&scenes, 10, 3, "a \"title\"").unwrap();
        let mut lines = recording.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let head = lines.next().unwrap();
        assert_eq!((&head["version"], &head["height"]), (&2.into(), &3.into()));
        assert_eq!(head["title"], "a \"title\"");
        let mut player = svg::parser(10, 3);
        for (event, scene) in lines.zip(&scenes) {
            assert_eq!(event[0].as_f64(), Some(scene.at.as_secs_f64()));
            player.process(event[2].as_str().unwrap().as_bytes());
            let mut expected = svg::parser(10, 3);
            expected.process(scene.screen.replace('\n', "\r\n").as_bytes());
            assert_eq!(player.screen().contents(), expected.screen().contents());
        }
    }
}

//! The results for people and for programs.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::bench::{
    line::{Goal, Line},
    machine,
    number::number,
    plot,
    spread::Spread,
};

/// One result on one line.
pub(super) fn brief(line: &Line) -> String {
    let mut text = line.what.clone();
    if let Some(value) = line.value {
        let _ = write!(text, ": {} {}", number(value.median), line.unit);
    }
    if let Some((name, peer)) = &line.peer {
        let _ = write!(text, ", {name} {}", number(peer.median));
    }
    if let Some(ratio) = line.ratio {
        let _ = write!(text, ", ratio {}", number(ratio.median));
    }
    let _ = write!(text, " [{}]", line.verdict().label());
    text
}

/// Returns a table of all results, with notes below.
pub(super) fn table(lines: &[Line]) -> String {
    const HEADER: [&str; 6] = ["what", "figure", "peer", "ratio", "bar (stretch)", ""];
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(lines.iter().map(|line| {
        let peer = line.peer.as_ref().map(|(name, spread)| format!("{} {name}", number(spread.median)));
        [
            line.what.clone(),
            line.value.map(|value| format!("{} {}", range(value), line.unit)).unwrap_or_default(),
            peer.unwrap_or_default(),
            line.ratio.map(range).unwrap_or_default(),
            line.goal.map(Goal::describe).unwrap_or_default(),
            line.verdict().label().to_owned(),
        ]
    }));
    let widths: [usize; 6] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    for line in lines.iter().filter(|line| !line.notes.is_empty()) {
        let _ = writeln!(text, "  {}: {}", line.what, line.notes.join("; "));
    }
    text
}

/// Writes `bench.json` and `bench.svg`; returns their paths.
///
/// # Errors
/// When the folder cannot be written to.
pub(super) fn write(folder: &Path, quick: bool, lines: &[Line]) -> Result<[PathBuf; 2]> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let paths = [folder.join("bench.json"), folder.join("bench.svg")];
    let contents = [format!("{:#}\n", json(quick, lines)), plot::svg(lines)];
    for (path, content) in paths.iter().zip(contents) {
        fs::write(path, content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(paths)
}

fn json(quick: bool, lines: &[Line]) -> Value {
    json!({
        "schema": 1,
        "quick": quick,
        "machine": machine::json(),
        "lines": lines.iter().map(Line::json).collect::<Vec<_>>(),
    })
}

fn range(spread: Spread) -> String {
    if spread.min == spread.max {
        return number(spread.median);
    }
    format!("{} ({}-{})", number(spread.median), number(spread.min), number(spread.max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_row_a_result_and_its_notes() {
        let line = Line {
            value: Some(Spread { median: 12.34, min: 12.0, max: 13.0 }),
            peer: Some(("peer".to_owned(), Spread::single(800.4))),
            ratio: Some(Spread::single(0.0154)),
            goal: Some(Goal::at_most(0.12, 0.06)),
            notes: vec!["note".to_owned()],
            ..Line::new("row", "what", "ns")
        };
        let table = table(&[line, Line::not_run("row", "other", "no tool")]);
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows[1], "what   12.3 (12.0-13.0) ns  800 peer  0.015  <= 0.12 (0.06)  PASS, stretch");
        assert!(rows[2].starts_with("other") && rows[2].ends_with("NOT RUN"));
        assert_eq!(rows[3..], ["  what: note", "  other: no tool"]);
    }
}

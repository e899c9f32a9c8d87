//! The bench runs to its end and writes JSON and SVG. The figures are not checked: they depend on the machine.

use std::{fs, process::Command};

use serde_json::Value;

fn bench() -> Command {
    Command::new(env!("CARGO_BIN_EXE_bench"))
}

#[test]
fn a_quick_run_writes_json_and_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench()
        .args(["--quick", "--only", "forged-16m,drop", "--output"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let text = fs::read_to_string(folder.path().join("bench.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["quick"], true);
    assert!(json["machine"]["cpus"].as_u64().unwrap() >= 2, "{json:#}");
    let lines = json["lines"].as_array().unwrap();
    let rows: Vec<&str> = lines.iter().map(|line| line["row"].as_str().unwrap()).collect();
    assert_eq!(rows, ["forged-16m", "drop-rate"]);
    for line in lines {
        // It was measured: NOT RUN would have no figures.
        assert!(line["ratio"]["median"].is_f64() && line["goal"]["bar"].is_f64(), "{line:#}");
    }
    let svg = fs::read_to_string(folder.path().join("bench.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
}

#[test]
fn rows_are_listed_and_unknown_ones_refused() {
    let output = bench().arg("--list").output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && list.lines().any(|line| line.starts_with("forged-16m ")), "{list}");

    let output = bench().args(["--only", "fastest"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("forged-16m"));
}

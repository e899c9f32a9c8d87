//! Importing and exporting.

use std::{
    fs,
    process::{Command, Stdio},
};

use serde_json::Value;
use synguard_tests::program::Synguard;

use super::{assert_fails, attached, entries, restart, run, run_with, stored, targets};

/// Entries without the fields that change with time.
fn lasting(synguard: &Synguard) -> Vec<Value> {
    let mut all = entries(synguard, "block");
    for entry in &mut all {
        let object = entry.as_object_mut().unwrap();
        for key in ["created", "hits"] {
            object.remove(key);
        }
        // To the second it may be one or the other.
        for key in ["ttl_seconds_left", "expires_at"] {
            let value = object[key].take();
            object[key] = value.is_null().into();
        }
    }
    all
}

#[test]
fn feeds_are_imported_as_they_are() {
    let (_lab, synguard) = attached();
    let firehol = "#\n# firehol_level1\n#\n198.51.100.0/24\n203.0.113.7\n203.0.113.7\n198.51.100.9\n";
    let path = synguard.dirs().root().join("firehol_level1.netset");
    fs::write(&path, firehol).unwrap();
    let message = run(&synguard, &["block", "import", path.to_str().unwrap()]);
    for words in ["imported 4 targets", "1 repeated", "1 covered by another"] {
        assert!(message.contains(words), "{message}");
    }
    let drop = "\u{feff}; Spamhaus DROP List\r\n1.10.16.0/20 ; SBL256894\r\n2001:db8::1/32 ; SBL1\r\n";
    let message =
        run_with(&synguard, &["block", "import", "-", "--ttl", "1d", "--reason", "DROP"], drop).stdout;
    assert!(message.contains("1 with host bits"), "{message}");
    assert_eq!(
        targets(&synguard, "block"),
        ["1.10.16.0/20", "198.51.100.0/24", "198.51.100.9", "203.0.113.7", "2001:db8::/32"]
    );
    let first = &entries(&synguard, "block")[0];
    assert_eq!((&first["origin"], &first["reason"]), (&"feed".into(), &"DROP".into()));
    assert!(first["ttl_seconds_left"].as_u64().unwrap() > 86_000);
}

#[test]
fn replace_swaps_the_list() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1", "192.0.2.2"]);
    let replaced = run_with(&synguard, &["block", "import", "-", "--replace"], "192.0.2.2\n192.0.2.3\n");
    assert_eq!(replaced.stdout, "imported 2 targets replacing the 2 entries of the blocklist\n");
    assert!(replaced.stderr.contains("1 entry that was added by hand was removed"), "{}", replaced.stderr);
    assert_eq!(targets(&synguard, "block"), ["192.0.2.2", "192.0.2.3"]);
    assert_eq!(stored(&synguard), ["192.0.2.2", "192.0.2.3"]);
    // Entries of feeds are removed without a warning.
    let list = "192.0.2.2\n192.0.2.3\n";
    assert_eq!(run_with(&synguard, &["block", "import", "-", "--replace"], list).stderr, "");
    // An empty feed does not empty the list.
    let nothing = run_with(&synguard, &["block", "import", "-"], "");
    assert!(nothing.stderr.contains("standard input has no targets"), "{}", nothing.stderr);
    for nothing in ["", "# nothing\n\n"] {
        let output = synguard.run_with_input(&["block", "import", "-", "--replace"], nothing).unwrap();
        assert_fails(&output, 2, &["standard input", "no targets", "block flush"]);
    }
    assert_eq!(targets(&synguard, "block"), ["192.0.2.2", "192.0.2.3"]);
}

#[test]
fn aggregate_merges_what_agrees() {
    let (_lab, synguard) = attached();
    let list = "192.0.2.0/25\n192.0.2.128/25\n192.0.2.7\n198.51.100.0 ttl=1h\n198.51.100.1\n";
    let message = run_with(&synguard, &["block", "import", "-", "--aggregate"], list).stdout;
    assert!(message.contains("merged into 3 entries"), "{message}");
    assert_eq!(targets(&synguard, "block"), ["192.0.2.0/24", "198.51.100.0", "198.51.100.1"]);
}

#[test]
fn exported_list_is_imported() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1", "--reason", "a \"b\" \\ # ; é", "--ttl", "3h"]);
    run(&synguard, &["block", "add", "2001:db8::/32", "198.51.100.0/24", "--scope", "syn"]);
    run_with(&synguard, &["block", "import", "-"], "203.0.113.0/24\n203.0.113.1 ttl=2h origin=auto\n");
    let (before, text) = (lasting(&synguard), run(&synguard, &["block", "export"]));
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.contains("ttl=2h59m"), "{text}");
    run(&synguard, &["block", "flush"]);
    run_with(&synguard, &["block", "import", "-"], &text);
    assert_eq!(lasting(&synguard), before);
    // Apart from the time that has passed, the text is the same as well.
    let untimed = |text: &str| -> Vec<String> {
        let words = |line: &str| {
            line.split(' ').filter(|word| !word.starts_with("ttl=")).collect::<Vec<_>>().join(" ")
        };
        text.lines().map(words).collect()
    };
    assert_eq!(untimed(&run(&synguard, &["block", "export"])), untimed(&text));
    restart(&synguard);
    assert_eq!(lasting(&synguard), before);
}

#[test]
fn progress_is_shown_on_a_terminal_only() {
    let (_lab, synguard) = attached();
    let path = synguard.dirs().root().join("long.list");
    let lines: String =
        (0..200_000u32).map(|i| format!("10.{}.{}.{}\n", i >> 16, (i >> 8) & 255, i & 255)).collect();
    fs::write(&path, lines).unwrap();
    let args = ["block", "import", path.to_str().unwrap(), "--replace"];
    assert_eq!(run_with(&synguard, &args, "").stderr, "");
    let command = synguard.command(args);
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let line: Vec<_> = words.iter().map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
    let output = terminal.env("TERM", "xterm").stdin(Stdio::null()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}");
    for words in
        ["reading", "long.list", "/2.", "MiB", "writing 200000 entries to the blocklist", "imported 200000"]
    {
        assert!(shown.contains(words), "`{words}` missing in: {shown}");
    }
}

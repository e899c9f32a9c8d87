//! Damaged files.

use std::{fs, path::PathBuf};

use synguard_tests::program::Synguard;

use super::{attach, attached, entries, restart, run, run_with, stored, targets};

fn file(synguard: &Synguard, name: &str) -> PathBuf {
    synguard.dirs().state_dir().join("default").join(name)
}

#[test]
fn a_damaged_file_is_set_aside_and_the_rest_loads() {
    let (_lab, synguard) = attached();
    run_with(&synguard, &["block", "import", "-", "--replace"], "192.0.2.1\n192.0.2.2\n");
    run(&synguard, &["block", "add", "192.0.2.3"]);
    run(&synguard, &["allow", "add", "203.0.113.1"]);
    run(&synguard, &["detach"]);
    let base = file(&synguard, "block.list");
    let text = fs::read_to_string(&base).unwrap();
    fs::write(&base, text.replace("192.0.2.2", "192.0.2.9")).unwrap();
    let message = attach(&synguard);
    for words in [base.to_str().unwrap(), "damaged", "block.list.corrupt-1", "checksum"] {
        assert!(message.contains(words), "`{words}` missing in: {message}");
    }
    assert_eq!(targets(&synguard, "block"), ["192.0.2.3"]);
    assert_eq!(targets(&synguard, "allow"), ["203.0.113.1"]);
    // The quarantined file can be imported.
    let aside = file(&synguard, "block.list.corrupt-1");
    run(&synguard, &["block", "import", aside.to_str().unwrap()]);
    assert_eq!(targets(&synguard, "block"), ["192.0.2.1", "192.0.2.3", "192.0.2.9"]);
    run(&synguard, &["detach"]);
    assert!(!attach(&synguard).contains("damaged"));
    assert_eq!(targets(&synguard, "block").len(), 3);
}

#[test]
fn a_damaged_log_keeps_what_stands_before_the_damage() {
    let (_lab, synguard) = attached();
    for target in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        run(&synguard, &["block", "add", target]);
    }
    run(&synguard, &["detach"]);
    let log = file(&synguard, "block.log");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replace("192.0.2.2", "192.0.2.9")).unwrap();
    let message = attach(&synguard);
    assert!(message.contains("block.log.corrupt-1") && message.contains("damaged"), "{message}");
    assert_eq!(targets(&synguard, "block"), ["192.0.2.1"]);
}

#[test]
fn an_interrupted_write_is_cut_without_a_word() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1"]);
    run(&synguard, &["block", "add", "192.0.2.2"]);
    run(&synguard, &["detach"]);
    let log = file(&synguard, "block.log");
    let text = fs::read(&log).unwrap();
    fs::write(&log, &text[..text.len() - 7]).unwrap();
    let message = attach(&synguard);
    assert!(!message.contains("damaged"), "{message}");
    assert_eq!(targets(&synguard, "block"), ["192.0.2.1"]);
    run(&synguard, &["block", "add", "192.0.2.3"]);
    assert_eq!(stored(&synguard), ["192.0.2.1", "192.0.2.3"]);
}

#[test]
fn rubbish_of_any_kind_does_not_keep_the_filter_off() {
    let (_lab, synguard) = attached();
    run(&synguard, &["detach"]);
    let folder = synguard.dirs().state_dir().join("default");
    fs::create_dir_all(&folder).unwrap();
    for rubbish in [
        &b""[..],
        b"\0\0\0\0",
        b"\xff\xfe\n",
        b"# synguard blocklist, format 9, generation 1\n",
        b"192.0.2.1\n",
    ] {
        for name in ["block.list", "block.log", "allow.list", "allow.log"] {
            fs::write(folder.join(name), rubbish).unwrap();
        }
        attach(&synguard);
        assert_eq!(targets(&synguard, "block"), Vec::<String>::new());
        run(&synguard, &["block", "add", "192.0.2.7"]);
        run(&synguard, &["block", "flush"]);
        run(&synguard, &["detach"]);
    }
    // A folder where a file should be cannot be read, and is not touched.
    fs::create_dir_all(folder.join("block.list")).unwrap();
    let message = attach(&synguard);
    assert!(message.contains("block.list") && message.contains("the blocklist is empty"), "{message}");
}

/// Changes a file of the attached filter's blocklist as an editor would.
fn edit(synguard: &Synguard, name: &str, from: &str, to: &str) {
    let path = file(synguard, name);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replace(from, to)).unwrap();
}

#[test]
fn effective_list_survives_a_damaged_file() {
    let (_lab, synguard) = attached();
    let all = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];
    let fresh = || {
        let list = "192.0.2.1 ttl=1h\n192.0.2.2\n192.0.2.3\n";
        run_with(&synguard, &["block", "import", "-", "--replace"], list);
        run(&synguard, &["block", "add", "192.0.2.4", "--reason", "kept"]);
    };
    let is_whole = || {
        assert_eq!(targets(&synguard, "block"), all);
        assert_eq!(stored(&synguard), all);
        assert!(!restart(&synguard).contains("damaged"));
        assert_eq!(targets(&synguard, "block"), all);
        let [first, .., last] = &*entries(&synguard, "block") else { panic!() };
        assert_eq!(last["reason"], "kept");
        assert!(first["ttl_seconds_left"].as_u64().is_some_and(|left| left > 3_500));
    };
    // Noticed by whoever reads the list,
    fresh();
    edit(&synguard, "block.list", "192.0.2.2\n", "");
    let message = run_with(&synguard, &["block", "list"], "");
    for words in ["block.list is damaged", "set aside", "rewritten from the 4 entries in force"] {
        assert!(message.stderr.contains(words), "{}", message.stderr);
    }
    assert!(message.stdout.contains("192.0.2.2"), "{}", message.stdout);
    is_whole();
    // whoever changes it,
    fresh();
    edit(&synguard, "block.log", "192.0.2.4", "192.0.2.5");
    let message = run_with(&synguard, &["block", "del", "192.0.2.3"], "");
    assert!(message.stderr.contains("block.log is damaged"), "{}", message.stderr);
    run(&synguard, &["block", "add", "192.0.2.3"]);
    assert_eq!(stored(&synguard), all);
    // whoever changes so much of it that it is written anew anyway,
    fresh();
    edit(&synguard, "block.list", "192.0.2.2\n", "");
    let many: String =
        (0..70_000).map(|i| format!("10.{}.{}.{}\n", i >> 16, (i >> 8) & 255, i & 255)).collect();
    let message = run_with(&synguard, &["block", "import", "-"], &many);
    assert!(message.stderr.contains("block.list is damaged"), "{}", message.stderr);
    assert_eq!(stored(&synguard).len(), 70_004);
    // and by the next controller, even if it cannot read the file.
    fresh();
    edit(&synguard, "block.list", "192.0.2.2\n", "");
    let message = attach(&synguard);
    assert!(
        message.contains("block.list is damaged") && message.contains("blocklist: 4 entries"),
        "{message}"
    );
    is_whole();
    fresh();
    let base = file(&synguard, "block.list");
    fs::remove_file(&base).unwrap();
    fs::create_dir(&base).unwrap();
    let message = attach(&synguard);
    assert!(message.contains("the blocklist stays as it is in force"), "{message}");
    fs::remove_dir(&base).unwrap();
    assert_eq!(targets(&synguard, "block"), all);
}

//! Files that are not what they were.

use std::{fs, path::PathBuf};

use synguard_tests::program::Synguard;

use super::{attach, attached, run, run_with, targets};

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
    let said = attach(&synguard);
    for words in [base.to_str().unwrap(), "damaged", "block.list.corrupt-1", "checksum"] {
        assert!(said.contains(words), "`{words}` missing in: {said}");
    }
    assert_eq!(targets(&synguard, "block"), ["192.0.2.3"]);
    assert_eq!(targets(&synguard, "allow"), ["203.0.113.1"]);
    // What was set aside can be imported.
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
    let said = attach(&synguard);
    assert!(said.contains("block.log.corrupt-1") && said.contains("damaged"), "{said}");
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
    let said = attach(&synguard);
    assert!(!said.contains("damaged"), "{said}");
    assert_eq!(targets(&synguard, "block"), ["192.0.2.1"]);
    run(&synguard, &["block", "add", "192.0.2.3"]);
    assert_eq!(super::stored(&synguard), ["192.0.2.1", "192.0.2.3"]);
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
    let said = attach(&synguard);
    assert!(said.contains("block.list") && said.contains("the blocklist is empty"), "{said}");
}

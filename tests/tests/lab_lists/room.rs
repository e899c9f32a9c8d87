//! Capacity of a list, and the messages when it does not suffice.

use synguard_tests::{
    lab::{DEVICE, Lab},
    program::Synguard,
};

use super::{assert_fails, run, run_with, stored, targets};

#[test]
fn a_list_that_would_be_too_long_changes_nothing() {
    let lab = Lab::new().unwrap();
    let synguard = Synguard::new(&lab).unwrap();
    let attach = ["attach", DEVICE, "--no-control", "--max-list", "1024"];
    run(&synguard, &attach);
    let lines =
        |count: u32| -> String { (0..count).map(|i| format!("10.0.{}.{}\n", i / 256, i % 256)).collect() };
    assert_eq!(run_with(&synguard, &["block", "import", "-"], &lines(900)).stderr, "");
    let filling = run_with(&synguard, &["block", "import", "-"], &lines(1_023)).stderr;
    assert!(filling.contains("the blocklist has 1023 of 1024 entries") && filling.contains("--max-list"));
    let before = targets(&synguard, "block");
    let many = lines(1_025);
    for (args, input) in [
        (&["add", "192.0.2.1", "192.0.2.2"][..], ""),
        (&["import", "-"], many.as_str()),
        (&["import", "-", "--replace"], &many),
    ] {
        let output = synguard.run_with_input(&[&["block"], args].concat(), input).unwrap();
        assert_fails(&output, 1, &["blocklist", "1025", "1024", "--max-list", "nothing was changed"]);
        assert_eq!(targets(&synguard, "block"), before);
        assert_eq!(stored(&synguard), before);
    }
    // Existing entries need no room, and neither do expired ones.
    run(&synguard, &["block", "add", "192.0.2.1", "10.0.0.1", "--ttl", "100ms"]);
    let mut tries = 0;
    super::eventually("room", || {
        tries += 1;
        synguard.run(&["block", "add", "192.0.2.2", "10.0.0.2"]).unwrap().code == Some(0)
    });
    // A list on the disk that is longer than a smaller capacity is not cut.
    run(&synguard, &["detach"]);
    run(&synguard, &["attach", DEVICE, "--no-control", "--max-list", "4096"]);
    run_with(&synguard, &["block", "import", "-"], &lines(2_000));
    run(&synguard, &["detach"]);
    assert_fails(&synguard.run(&attach).unwrap(), 2, &["max-list = 1024", "at least 2001", "blocklist"]);
    assert_eq!(synguard.run(&["status"]).unwrap().code, Some(3));
}

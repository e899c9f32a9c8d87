//! Settings while it runs: `set`, SIGHUP, and many hands at once.

use std::{fs, thread};

use super::{assert_nothing_left, eventually, lab};

#[test]
fn set_changes_the_filter_at_once_and_all_or_nothing() {
    let (lab, synguard) = lab();
    let running = synguard.attach(&["--syn-rate", "50"]).unwrap();
    let set = synguard.run(&["set", "syn-rate=1000", "syn-burst=3000", "hold=1m"]).unwrap();
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    assert_eq!(set.stdout, "syn-rate 50 → 1000\nsyn-burst 100 → 3000\nhold 10s → 1m\n");
    let settings = || synguard.status_json().unwrap()["settings"].clone();
    assert_eq!((&settings()["syn-rate"], &settings()["hold"]), (&1000.into(), &"1m".into()));
    let before = settings();
    for bad in [&["syn-rate=5", "hold=-1s"][..], &["syn-rate=5", "no-such-key=1"], &["syn-rate=99999999"]] {
        let output = synguard.run(&[&["set"], bad].concat()).unwrap();
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        assert_eq!(settings(), before, "{bad:?}");
    }
    running.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn hangup_reloads_the_file_unless_it_is_invalid() {
    let (lab, synguard) = lab();
    let path = synguard.dirs().root().join("synguard.toml");
    let file = path.to_str().unwrap();
    fs::write(&path, "syn-rate = 60\n").unwrap();
    let running = synguard.attach(&["--config", file]).unwrap();
    let rate = || synguard.status_json().unwrap()["settings"]["syn-rate"].clone();
    assert_eq!(rate(), 60);
    fs::write(&path, "syn-rate = 70\n").unwrap();
    running.signal(libc::SIGHUP).unwrap();
    eventually("the new rate", || rate() == 70);
    for bad in ["syn-rate = 0\n", "syn-rat = 80\n", "syn-rate = \n"] {
        fs::write(&path, bad).unwrap();
        let lines = running.stderr().lines().count();
        running.signal(libc::SIGHUP).unwrap();
        eventually("an error in the log", || running.stderr().lines().count() > lines);
        let message = running.stderr();
        let last = message.lines().last().unwrap();
        assert!(last.contains("ERROR") && last.contains(&format!("{file}:1")), "{last}");
        assert_eq!(rate(), 70, "{bad}");
    }
    running.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn reload_waits_for_the_controllers_result() {
    let (lab, synguard) = lab();
    let path = synguard.dirs().root().join("synguard.toml");
    let reload = || synguard.run(&["reload"]).unwrap();
    assert_eq!(reload().code, Some(3), "not attached");
    fs::write(&path, "syn-rate = 60\n").unwrap();
    let running = synguard.attach(&["--config", path.to_str().unwrap(), "--keep-on-exit"]).unwrap();
    let rate = || synguard.status_json().unwrap()["settings"]["syn-rate"].clone();
    for good in [70, 80] {
        fs::write(&path, format!("syn-rate = {good}\n")).unwrap();
        let output = reload();
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(0), "settings reloaded\n"),
            "{}",
            output.stderr
        );
        assert_eq!(rate(), good);
    }
    fs::write(&path, "syn-rate = 0\n").unwrap();
    let output = reload();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(
        output.stderr.contains("nothing has changed") && output.stderr.contains("toml:1"),
        "{}",
        output.stderr
    );
    assert_eq!(rate(), 80);
    // Without a controller no process knows the file.
    running.terminate().unwrap();
    let output = reload();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("synguard set"), "{}", output.stderr);
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn many_hands_at_once_lose_nothing() {
    let (lab, synguard) = lab();
    let running = synguard.attach(&[]).unwrap();
    let rates: Vec<u32> = (0..20).map(|i| 100 + i).collect();
    thread::scope(|scope| {
        for &rate in &rates {
            let synguard = &synguard;
            scope.spawn(move || {
                let output = synguard.run(&["set", &format!("syn-rate={rate}")]).unwrap();
                assert_eq!(output.code, Some(0), "{}", output.stderr);
            });
        }
    });
    let settings = synguard.status_json().unwrap()["settings"].clone();
    let rate = settings["syn-rate"].as_u64().unwrap();
    assert!(rates.contains(&(rate as u32)), "{settings}");
    assert_eq!(settings["syn-burst"], 2 * rate, "two writers' values mixed");
    running.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
}

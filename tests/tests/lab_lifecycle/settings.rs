//! Settings while it runs: `set`, SIGHUP, and many hands at once.

use std::{fs, os::unix::fs::PermissionsExt as _, thread};

use super::{assert_nothing_left, eventually, lab};

#[test]
fn set_changes_the_filter_at_once_and_all_or_nothing() {
    let (lab, synguard) = lab();
    let running = synguard.attach(&["--syn-rate", "50"]).unwrap();
    let set = synguard.run(&["set", "syn-rate=1000", "syn-burst=3000", "hold=1m"]).unwrap();
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    assert_eq!(
        set.stdout,
        "syn-rate 50 → 1000\nsyn-burst 100 → 3000\nhold 10s → 1m\n\
         in force until `synguard reload`, a restart or detach; to keep it: synguard set --save\n"
    );
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
    for (before, good) in [(60, 70), (70, 80)] {
        fs::write(&path, format!("syn-rate = {good}\n")).unwrap();
        let output = reload();
        let bursts = (2 * before, 2 * good);
        let report =
            format!("settings reloaded\nsyn-rate {before} → {good}\nsyn-burst {} → {}\n", bursts.0, bursts.1);
        assert_eq!((output.code, output.stdout), (Some(0), report), "{}", output.stderr);
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
fn reload_names_what_it_undoes_and_what_needs_a_restart() {
    let (lab, synguard) = lab();
    let path = synguard.dirs().root().join("synguard.toml");
    fs::write(&path, "hold = \"20s\"\n").unwrap();
    let running = synguard.attach(&["--config", path.to_str().unwrap()]).unwrap();
    assert_eq!(synguard.run(&["set", "syn-rate=500"]).unwrap().code, Some(0));
    fs::write(&path, "hold = \"20s\"\nmode = \"native\"\nmax-sources = 4096\nmax-list = 77\n").unwrap();
    let output = synguard.run(&["reload"]).unwrap();
    assert_eq!(
        output.stdout,
        "settings reloaded\nsyn-rate 500 → 100 (was set by `set`)\nsyn-burst 1000 → 200\n\
         not yet: mode auto → native: takes effect after a restart of the controller\n\
         not yet: max-sources 262144 → 4096: takes effect after `synguard detach` and the next attach\n\
         not yet: max-list 2097152 → 77: takes effect after a restart of the controller\n",
        "{}",
        output.stderr
    );
    running.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn saved_settings_survive_a_restart_and_the_file_keeps_its_comments() {
    let (lab, synguard) = lab();
    let path = synguard.dirs().root().join("synguard.toml");
    let file = path.to_str().unwrap();
    fs::write(&path, "# ours\nsyn-rate = 60 # measured\n\n#hold = \"10s\"\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let running = synguard.attach(&["--config", file]).unwrap();
    let origin = |key: &str| synguard.run_json(&["show", "--json"]).unwrap()["origin"][key].clone();
    assert_eq!((origin("syn-rate"), origin("hold")), ("file".into(), "default".into()));
    assert_eq!(synguard.run(&["set", "syn-rate=500"]).unwrap().code, Some(0));
    assert_eq!(origin("syn-rate"), "set");
    // What was set before is saved by name only.
    let saved = synguard.run(&["set", "hold=1m", "--save"]).unwrap();
    assert_eq!(saved.stdout, format!("hold 10s → 1m\nsaved in {file}\n"), "{}", saved.stderr);
    let text = || fs::read_to_string(&path).unwrap();
    assert_eq!(text(), "# ours\nsyn-rate = 60 # measured\n\n#hold = \"10s\"\nhold = \"1m\"\n");
    assert_eq!((origin("syn-rate"), origin("hold")), ("set".into(), "file".into()));
    // Without a name, all that is in force.
    let all = synguard.run(&["set", "--save"]).unwrap();
    assert_eq!(all.code, Some(0), "{}", all.stderr);
    assert_eq!(text(), "# ours\nsyn-rate = 500 # measured\n\n#hold = \"10s\"\nhold = \"1m\"\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let reload = synguard.run(&["reload"]).unwrap();
    assert_eq!(reload.stdout, "settings reloaded: no live setting has changed\n");
    running.terminate().unwrap();
    let running = synguard.attach(&["--config", file, "--syn-burst", "3000"]).unwrap();
    let settings = synguard.status_json().unwrap()["settings"].clone();
    assert_eq!((&settings["syn-rate"], &settings["hold"]), (&500.into(), &"1m".into()));
    let saved = synguard.run(&["set", "syn-burst=2000", "--save"]).unwrap();
    assert!(saved.stdout.contains("note: `synguard attach` was given --syn-burst"), "{}", saved.stdout);
    running.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn shown_settings_are_a_configuration_file() {
    let (lab, synguard) = lab();
    let running = synguard.attach(&["--ports", "80,443", "--prefix-rate", "900"]).unwrap();
    assert_eq!(synguard.run(&["set", "hold=1m", "cookies=kernel", "monitor=true"]).unwrap().code, Some(0));
    let settings = || synguard.run_json(&["show", "--json"]).unwrap()["settings"].clone();
    let (shown, before) = (synguard.run(&["show"]).unwrap().stdout, settings());
    running.terminate().unwrap();
    let path = synguard.dirs().root().join("shown.toml");
    fs::write(&path, shown).unwrap();
    let running = synguard.attach(&["--config", path.to_str().unwrap()]).unwrap();
    assert_eq!(settings(), before);
    running.terminate().unwrap();
    assert_nothing_left(&lab, &synguard);
}

#[test]
fn settings_that_cannot_be_saved_are_in_force_all_the_same() {
    let (lab, synguard) = lab();
    let path = synguard.dirs().root().join("folder/synguard.toml");
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(&path, "").unwrap();
    let running = synguard.attach(&["--config", path.to_str().unwrap()]).unwrap();
    // A folder at the temporary file's name is in the way.
    fs::create_dir(path.with_extension("toml.new")).unwrap();
    let output = synguard.run(&["set", "syn-rate=500", "--save"]).unwrap();
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    assert!(output.stderr.contains("in force, but they are not saved"), "{}", output.stderr);
    let rate = || synguard.status_json().unwrap()["settings"]["syn-rate"].clone();
    assert_eq!(rate(), 500);
    // An invalid file is refused before anything changes.
    fs::write(&path, "syn-rat = 1\n").unwrap();
    let output = synguard.run(&["set", "syn-rate=600", "--save"]).unwrap();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert_eq!(rate(), 500);
    running.terminate().unwrap();
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

//! `top` on a real terminal: a user's actions, the screen, and the state left behind.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use synguard_tests::{
    flood::{Flood, FloodSpec},
    lab::{Family, GATEWAY_MAC, Lab},
    program::Synguard,
    terminal::Terminal,
};

use super::{
    OFFENDERS, attached, flood,
    session::{PATIENCE, Session},
};

fn blocked(synguard: &Synguard) -> Vec<String> {
    let list = synguard.run_json(&["block", "list", "--json"]).unwrap();
    let by_hand = list["entries"].as_array().unwrap().iter().filter(|entry| entry["origin"] != "auto");
    by_hand.map(|entry| entry["target"].as_str().unwrap().to_owned()).collect()
}

fn is_offender(name: &str) -> bool {
    OFFENDERS.iter().any(|address| address.to_string() == name)
}

#[test]
fn flooder_is_found_blocked_and_unblocked() {
    let (lab, synguard, _running) = attached();
    let _flood = flood(&lab, Duration::from_secs(60));
    let top = Session::start(&synguard, 80, 24);
    top.wait("offenders first", |screen| screen.is_led_by(is_offender));
    // Sorting goes round.
    for title in ["SYNs▼", "dropped▼", "SYN/s▼"] {
        top.press_and_wait("s", title);
    }
    top.press(&["/"]);
    top.press(&["172.16.", "Enter"]);
    let screen = top.wait("offenders only", |screen| screen.rows().len() == 5);
    assert!(screen.rows().iter().all(|row| is_offender(&row[0])), "{}", screen.text);
    // Block the second.
    top.press(&["Down"]);
    // Rows change places; the question names the source that it is about.
    top.press(&["b"]);
    let target = top.wait("a question", |screen| screen.asked_about().is_some()).asked_about().unwrap();
    assert!(is_offender(&target), "{target}");
    assert!(blocked(&synguard).is_empty(), "nothing is done before it is confirmed");
    top.press_and_wait("Escape", "nothing was changed");
    top.press_and_wait("b", &format!("Block {target}: "));
    top.wait("a time", |screen| screen.text.contains("[for 1h]"));
    top.press_and_wait("Right", "[for 1d]");
    top.press_and_wait("Enter", &format!("blocked {target} for 1d, SYNs only (z undoes it)"));
    assert_eq!(blocked(&synguard), [target.as_str()]);
    // The source is still shown, as blocked.
    let is_blocked = |row: &Vec<String>| row[0] == target && row[4] == "blocked" && row[1] != "0";
    top.wait("a blocked row", |screen| screen.rows().iter().any(is_blocked));
    // The list has the entry, until the edit is undone, and again after a redo.
    let listed = |screen: &str| screen.lines().any(|line| line.contains(&format!("blocked {target}")));
    top.press(&["Escape"]);
    top.wait("no filter", |screen| !screen.text.contains("filter: "));
    top.press(&["3"]);
    top.wait("the list", |screen| listed(&screen.text) && screen.text.contains(" manual "));
    top.press_and_wait("z", &format!("Take {target} off the blocklist?"));
    top.press_and_wait("Enter", &format!("{target} removed from the blocklist (z undoes it)"));
    assert!(blocked(&synguard).is_empty());
    top.press(&["z"]);
    top.press_and_wait("Enter", &format!("{target} restored in the blocklist"));
    assert_eq!(blocked(&synguard), [target.as_str()]);
    top.wait("the list", |screen| listed(&screen.text));
    // Unblock it from its row.
    top.press(&["1", "/", &target, "Enter"]);
    top.wait("its row", |screen| screen.rows().iter().any(is_blocked));
    top.press_and_wait("u", "off the blocklist?");
    top.press_and_wait("y", &format!("{target} removed from the blocklist"));
    assert!(blocked(&synguard).is_empty());
    // Events were recorded.
    top.press(&["4"]);
    top.press(&["Escape"]);
    top.wait("events", |screen| screen.text.contains("TIME (UTC)") && screen.text.contains("attack"));
    top.press(&["q"]);
    assert_eq!(top.ended(), 0);
}

#[test]
fn protected_source_is_not_blocked() {
    let (lab, synguard, _running) = attached();
    // The server's own gateway.
    let spec = FloodSpec {
        rate_pps: Some(1000),
        max_duration: Duration::from_secs(30),
        first_source: "198.18.0.254".parse().unwrap(),
        destination_mac: GATEWAY_MAC,
        ..FloodSpec::new(Family::V4)
    };
    let _flood = Flood::start(&lab, spec).unwrap();
    let top = Session::start(&synguard, 80, 24);
    top.wait("the gateway", |screen| screen.rows().first().is_some_and(|row| row[0] == "198.18.0.254"));
    top.press(&["b", "Enter"]);
    let screen = top.wait("a refusal", |screen| screen.text.contains("not done"));
    assert!(screen.text.contains("gateway") && screen.text.contains("--force"), "{}", screen.text);
    assert!(blocked(&synguard).is_empty());
    top.press(&["z"]);
    top.wait("no undo", |screen| screen.text.contains("nothing to undo"));
    top.press(&["C-c"]);
    assert_eq!(top.ended(), 0);
}

#[test]
fn top_survives_resizing_and_detaching() {
    let (_lab, synguard, (running, _alone)) = attached();
    let top = Session::start(&synguard, 60, 15);
    top.wait("a calm start", |screen| screen.text.contains("calm") && screen.text.contains("visitors"));
    for (columns, rows) in [(200, 60), (59, 14), (1, 1), (80, 24)] {
        top.terminal.resize(columns, rows).unwrap();
        let wanted = if columns < 20 {
            ""
        } else if rows < 15 {
            "60 x 15"
        } else {
            "SOURCE"
        };
        top.wait("a new size", |screen| screen.text.contains(wanted));
    }
    // The filter goes, and comes back.
    running.terminate().unwrap();
    top.wait("that it is gone", |screen| screen.text.contains("not attached"));
    let _running = synguard.attach(&[]).unwrap();
    top.wait("that it is back", |screen| !screen.text.contains("not attached"));
    assert!(top.terminal.is_taken_over().unwrap());
    let pid = top.terminal.program_pid().unwrap();
    // SAFETY: the call has no precondition; the process is the terminal's and was not waited for, since the shell
    // has not said that it ended.
    assert_eq!(unsafe { libc::kill(pid.cast_signed(), libc::SIGTERM) }, 0);
    assert_eq!(top.ended(), 0);
    assert!(!top.terminal.is_taken_over().unwrap());
}

/// A program that does nothing but echo keys. A key's way to it and back takes as long as the terminal takes, and the programs
/// that press keys and read the screen, on this machine at this moment.
struct Echo {
    terminal: Terminal,
    pressed: usize,
}

impl Echo {
    fn start() -> Self {
        let mut echo = Command::new("sh");
        echo.args(["-c", "stty raw -echo; printf ready; exec cat"]);
        let terminal = Terminal::start(&echo, 80, 24).unwrap();
        terminal.wait_for(PATIENCE, |screen| screen.contains("ready")).unwrap();
        Self { terminal, pressed: 0 }
    }

    /// Presses a key, and returns the time until the screen shows it.
    fn delay(&mut self) -> Duration {
        let pressed = Instant::now();
        self.pressed += 1;
        self.terminal.press(&["x"]).unwrap();
        self.terminal.wait_for(PATIENCE, |screen| screen.matches('x').count() == self.pressed).unwrap();
        pressed.elapsed()
    }
}

/// Keys take effect within 200 ms, of which the terminal takes 50 ms on an idle machine and more on a busy one, and the screen
/// costs at most 5 % of a core, with a million sources and five offenders.
#[test]
fn keys_work_at_once_and_the_screen_costs_little() {
    let (lab, synguard, _running) = attached();
    let begun = Instant::now();
    let _flood = flood(&lab, Duration::from_secs(60));
    let top = Session::start(&synguard, 80, 24);
    top.wait("offenders first", |screen| screen.is_led_by(is_offender));
    println!(
        "the offenders lead the table {:?} after the flood began, top's start included",
        begun.elapsed()
    );
    let (before, since) = (top.terminal.program_cpu_time().unwrap(), Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let used = top.terminal.program_cpu_time().unwrap().checked_sub(before).unwrap();
    let share = used.as_secs_f64() / since.elapsed().as_secs_f64();
    println!("top takes {:.2} % of a core", share * 100.0);
    let mut echo = Echo::start();
    let mut delays = Vec::new();
    for (key, sign) in [("2", "PREFIX"), ("5", "REASON"), ("1", "SOURCE")].into_iter().cycle().take(30) {
        let terminal = echo.delay();
        let pressed = Instant::now();
        top.press_and_wait(key, sign);
        let all = pressed.elapsed();
        delays.push((all.saturating_sub(terminal), all, terminal));
        std::thread::sleep(Duration::from_millis(100));
    }
    delays.sort_unstable();
    let (median, worst) = (delays[delays.len() / 2].0, delays[delays.len() - 1].0);
    println!(
        "{} keys, effect within {median:?} (median), {worst:?} (worst), without the terminal",
        delays.len()
    );
    // The worst is at the mercy of whatever else runs.
    assert!(median <= Duration::from_millis(150), "{delays:?}");
    assert!(share <= 0.05, "{share}");
    top.press(&["q"]);
    assert_eq!(top.ended(), 0);
    drop(lab);
}

#[test]
fn top_without_a_filter_leaves_the_screen_alone() {
    let lab = Lab::new().unwrap();
    let synguard = Synguard::new(&lab).unwrap();
    let top = Session::start(&synguard, 80, 24);
    assert_eq!(top.ended(), 3);
    let screen = top.terminal.screen().unwrap();
    assert!(screen.contains("not attached"), "{screen}");
}

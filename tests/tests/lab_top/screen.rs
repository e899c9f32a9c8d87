//! What the screen of `top` shows in floods, and what it costs.

use std::{
    thread,
    time::{Duration, Instant},
};

use synguard_tests::{
    flood::{Flood, FloodSpec, Offenders, SourceOrder},
    lab::{Family, GATEWAY_MAC, Lab},
    usage,
};

use super::{OFFENDERS, attached, attached_with, flood, session::Session};

fn is_offender(name: &str) -> bool {
    OFFENDERS.iter().any(|address| address.to_string() == name)
}

/// SYNs a second, slow enough that each source gets an entry, until there is room for no more.
const SLOW: u64 = 9_500;

/// SYNs from a million sources, none of which sends more than another.
fn forged_spec(rate: u64, order: SourceOrder, max_duration: Duration) -> FloodSpec {
    FloodSpec {
        rate_pps: Some(rate),
        max_duration,
        sources: 1_000_000,
        order,
        destination_mac: GATEWAY_MAC,
        ..FloodSpec::new(Family::V4)
    }
}

fn forged(lab: &Lab, rate: u64, order: SourceOrder, max_duration: Duration) -> Flood {
    Flood::start(lab, forged_spec(rate, order, max_duration)).unwrap()
}

/// One key on the seventh row, a source that is silent a moment later, so that hundreds are before it: the attackers stay on the
/// screen.
#[test]
fn attackers_stay_in_view_whatever_is_selected() {
    let (lab, synguard, _running) = attached();
    let offenders = Offenders { first: OFFENDERS[0].into(), count: 5, share: 0.2 };
    let spec = forged_spec(SLOW, SourceOrder::InTurn, Duration::from_secs(60));
    let _flood = Flood::start(&lab, FloodSpec { offenders: Some(offenders), ..spec }).unwrap();
    let top = Session::start(&synguard, 80, 24);
    top.wait("offenders first", |screen| screen.is_led_by(is_offender));
    top.press(&["Down", "Down", "Down", "Down", "Down", "Down"]);
    top.press_and_wait("Enter", "verdict ");
    top.press_and_wait("Escape", "g follow the first row");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        let screen = top.wait("a screen", |screen| !screen.rows().is_empty());
        assert!(is_offender(&screen.rows()[0][0]), "{}", screen.text);
        thread::sleep(Duration::from_millis(200));
    }
    top.wait("the idle cursor to go back", |screen| screen.text.contains("follows the first row again"));
    top.press(&["q"]);
    assert_eq!(top.ended(), 0);
}

/// Enter explains what becomes of a source's SYNs, in the words of `synguard why`.
#[test]
fn enter_on_an_offender_explains_its_hold() {
    let (lab, synguard, _running) = attached();
    let _flood = flood(&lab, Duration::from_secs(40));
    for (columns, rows) in [(60, 15), (120, 40)] {
        let top = Session::start(&synguard, columns, rows);
        top.wait("offenders first", |screen| screen.text.contains(" hold "));
        top.press_and_wait("Enter", "=> hold          in hold for another");
        top.press(&["q"]);
        assert_eq!(top.ended(), 0);
    }
}

#[test]
fn forged_flood_has_nothing_to_block_and_no_stale_rows() {
    let (lab, synguard, _running) = attached();
    let _flood = forged(&lab, 200_000, SourceOrder::Random, Duration::from_secs(30));
    let top = Session::start(&synguard, 80, 24);
    let screen = top.wait("that nobody stands out", |screen| screen.text.contains("none stands out"));
    assert!(screen.text.contains("nothing to block by hand"), "{}", screen.text);
    top.wait("silent sources below a line", |screen| screen.text.contains("── silent for 5 s or more"));
    top.press(&["q"]);
    assert_eq!(top.ended(), 0);
}

#[test]
fn monitor_mode_says_what_would_be_dropped() {
    let (lab, synguard, _running) = attached_with(&["--monitor"]);
    let _flood = flood(&lab, Duration::from_secs(30));
    let top = Session::start(&synguard, 80, 24);
    let screen = top.wait("would-be rows", |screen| screen.text.contains("would hold"));
    assert!(screen.text.contains("would drop"), "{}", screen.text);
    assert!(screen.text.contains("monitor mode: nothing is dropped"), "{}", screen.text);
    top.press(&["q"]);
    assert_eq!(top.ended(), 0);
    let once = synguard.run(&["top", "--once", "--limit", "5"]).unwrap().stdout;
    assert!(once.contains("would hold") && once.contains("WOULD DROP"), "{once}");
    let rows = once.split_once("SOURCE").map_or("", |(_, rows)| rows).replace("would hold", "");
    assert!(!rows.contains(" DROPPED") && !rows.contains(" hold"), "{once}");
}

#[test]
fn terminal_that_can_do_less_gets_less() {
    let (_lab, synguard, _running) = attached();
    let top = Session::start_with(&synguard, "LC_ALL=C", 80, 24);
    let screen = top.wait("the screen", |screen| screen.text.contains("SYN/sv"));
    assert!(screen.text.is_ascii(), "{}", screen.text);
    top.press(&["q"]);
    assert_eq!(top.ended(), 0);
    // Printed once, without an escape sequence.
    let top = Session::start_with(&synguard, "TERM=dumb", 80, 24);
    assert_eq!(top.ended(), 0);
    let text = top.terminal.coloured().unwrap();
    assert!(text.contains("calm") && !text.contains('\u{1b}'), "{text:?}");
}

/// An attacker who begins in the middle of a flood leads the list within seconds, although a full table is read rarely and his SYNs
/// are but a part of all.
fn attacker_leads_soon(lab: &Lab, top: &Session) {
    let attacker = "203.0.113.9";
    let spec = FloodSpec {
        rate_pps: Some(2_000),
        max_duration: Duration::from_secs(30),
        first_source: attacker.parse().unwrap(),
        destination_mac: GATEWAY_MAC,
        ..FloodSpec::new(Family::V4)
    };
    let begun = Instant::now();
    let _flood = Flood::start(lab, spec).unwrap();
    let is_attacker = |row: &Vec<String>| row[0] == attacker && row[1] != "0";
    top.wait("the attacker", |screen| screen.rows().first().is_some_and(is_attacker));
    assert!(begun.elapsed() <= Duration::from_secs(6), "{:?}", begun.elapsed());
}

/// Memory stays bounded with a full table, of which the flood goes on replacing entries. What the screen says is of this moment,
/// although the table is read every few seconds.
#[test]
fn full_table_takes_little_memory_and_shows_no_former_flood() {
    /// Beyond the memory of a screen with an empty table; it was 56 MiB with a total for each source.
    const GROWTH_MAX: u64 = 8 << 20;
    let (lab, synguard, _running) = attached();
    let idle = Session::start(&synguard, 80, 24);
    idle.wait("a calm screen", |screen| screen.text.contains("calm"));
    thread::sleep(Duration::from_secs(3));
    let before = usage::peak_memory(idle.terminal.program_pid().unwrap()).unwrap();
    drop(idle);
    let flood = forged(&lab, SLOW, SourceOrder::InTurn, Duration::from_secs(120));
    let top = Session::start(&synguard, 80, 24);
    let begun = Instant::now();
    let full = || {
        let table = &synguard.run_json(&["status", "--json"]).unwrap()["sources"];
        table["tracked"].as_u64() >= table["capacity"].as_u64().map(|capacity| capacity / 100 * 95)
    };
    while !full() {
        assert!(begun.elapsed() < Duration::from_secs(90), "the table does not fill");
        thread::sleep(Duration::from_secs(1));
    }
    let (begun, used) = (Instant::now(), top.terminal.program_cpu_time().unwrap());
    thread::sleep(Duration::from_secs(12));
    let used = top.terminal.program_cpu_time().unwrap().saturating_sub(used);
    let share = used.as_secs_f64() / begun.elapsed().as_secs_f64();
    println!("top takes {:.2} % of a core with a full table", share * 100.0);
    // Every tab, in every order.
    for key in ["2", "3", "4", "5", "6", "1", "s", "s", "s"] {
        top.press(&[key]);
        thread::sleep(Duration::from_millis(500));
    }
    let after = usage::peak_memory(top.terminal.program_pid().unwrap()).unwrap();
    println!("top takes {} KiB with an empty table, {} KiB with a full one", before >> 10, after >> 10);
    assert!(after.saturating_sub(before) <= GROWTH_MAX, "{before} before, {after} after");
    attacker_leads_soon(&lab, &top);
    drop(flood);
    assert_former_floods_are_not_named(&lab, &top);
    top.press(&["q"]);
    assert_eq!(top.ended(), 0);
}

/// Floods from one source, and asserts after the end of each that the screen does not name it beside a rate of 0.
fn assert_former_floods_are_not_named(lab: &Lab, top: &Session) {
    let ended = ": 0 SYN/s";
    // The ends are at other times between two refreshes.
    for milliseconds in [2_500, 2_900, 3_300] {
        let spec = FloodSpec {
            rate_pps: Some(20_000),
            max_duration: Duration::from_millis(milliseconds),
            first_source: OFFENDERS[0].into(),
            destination_mac: GATEWAY_MAC,
            ..FloodSpec::new(Family::V4)
        };
        let flood = Flood::start(lab, spec).unwrap();
        top.wait("the source", |screen| screen.text.contains("sources   172.16.0.1 "));
        flood.wait().unwrap();
        top.wait("the end", |screen| screen.text.contains(ended));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(1_500) {
            let screen = top.wait("a screen", |screen| screen.text.contains("\nsources "));
            let answer = screen.text.lines().find(|line| line.starts_with("sources ")).unwrap_or_default();
            // In the pause it is named as the source that was.
            let is_named = answer.contains("172.16.0.1") && !answer.starts_with("sources   none now; ");
            let is_named = screen.text.contains(ended) && is_named;
            assert!(!is_named, "{}", screen.text);
            thread::sleep(Duration::from_millis(50));
        }
    }
}

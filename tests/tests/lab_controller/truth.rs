//! What the program says of a flood is so: a flood that is blocked is a flood, and a flood that comes back is one at once.

use std::{thread, time::Duration};

use serde_json::Value;
use synguard_tests::{flood::FloodSpec, steps::run};

use super::{concentrated, event, event_names, lab, start, status, until};

/// Returns the SYN counts of a status, and asserts that they add up.
fn syns(status: &Value) -> [u64; 5] {
    let syn = &status["syn"];
    let counts =
        ["total", "passed", "dropped", "answered", "blocked"].map(|name| syn[name].as_u64().unwrap());
    assert_eq!(counts[0], counts[1..].iter().sum::<u64>(), "{syn}");
    counts
}

#[test]
fn flood_of_a_blocked_source_is_an_attack() {
    let (lab, synguard) = lab(1);
    let _running = synguard.attach(&["--hold", "1s"]).unwrap();
    run(&synguard, &["block", "add", "11.1.1.1"]);
    let before = status(&synguard);
    let flood = start(&lab, concentrated());
    until("an attack", Duration::from_secs(3), || status(&synguard)["phase"] == "attack");
    // Longer than an attack of old lasted after its source was blocked: a hold, a second, and another hold.
    thread::sleep(Duration::from_secs(4));
    let during = status(&synguard);
    assert_eq!((&during["phase"], &during["attack_kind"]), (&"attack".into(), &"concentrated".into()));
    assert!(during["syn"]["rate"].as_f64().unwrap() > 10_000.0, "{}", during["syn"]);
    let screen = run(&synguard, &["top", "--once"]);
    assert!(screen.starts_with("ATTACK for ") && !screen.contains(": 0 SYN/s"), "{screen}");
    assert!(screen.contains("1 source sends") && screen.contains("11.1.1.1 "), "{screen}");
    let totals = flood.stop().unwrap();

    until("calm", Duration::from_secs(10), || status(&synguard)["phase"] == "calm");
    let after = status(&synguard);
    let [total, passed, dropped, _, blocked] = syns(&after);
    assert_eq!([passed, dropped], syns(&before)[1..3], "{after}");
    assert!(blocked > 50_000 && blocked <= totals.offered, "{blocked} of {}", totals.offered);
    let over = event(&synguard, "attack_over");
    assert_eq!((over["syns"].as_u64(), over["blocked"].as_u64()), (Some(total), Some(blocked)), "{over}");
    assert_eq!(event_names(&synguard).iter().filter(|name| *name == "attack_over").count(), 1);
}

#[test]
fn flood_that_comes_back_is_an_attack_at_once() {
    let (lab, synguard) = lab(1);
    let _running = synguard.attach(&["--hold", "4s"]).unwrap();
    let pulse = || {
        let spec = FloodSpec { max_duration: Duration::from_secs(5), ..concentrated() };
        start(&lab, spec).wait().unwrap();
    };
    pulse();
    until("the end", Duration::from_secs(5), || status(&synguard)["phase"] == "recovering");
    let flood = start(&lab, concentrated());
    let waited = until("an attack", Duration::from_secs(3), || status(&synguard)["phase"] == "attack");
    flood.stop().unwrap();
    // A hold would be longer.
    assert!(waited < Duration::from_secs(3), "{waited:?}");
    let began: Vec<String> = event_names(&synguard)
        .into_iter()
        .filter(|name| name.starts_with("attack_") || name == "recovering")
        .collect();
    assert_eq!(began, ["attack_began", "recovering", "attack_began"]);
}

#[test]
fn monitor_mode_counts_what_it_would_drop() {
    let (lab, synguard) = lab(1);
    let _running = synguard.attach(&["--hold", "1s", "--monitor"]).unwrap();
    run(&synguard, &["block", "add", "11.1.1.1"]);
    start(&lab, FloodSpec { max_duration: Duration::from_secs(2), ..concentrated() }).wait().unwrap();
    let status = status(&synguard);
    let [total, passed, ..] = syns(&status);
    assert_eq!(passed, total, "{status}");
    let would_drop = status["syn"]["would_drop"].as_u64().unwrap();
    assert!(would_drop > 10_000 && would_drop <= passed, "{status}");
    assert_eq!(status["counters"]["reasons"]["would_blocked_syn"].as_u64(), Some(would_drop), "{status}");
    assert_eq!(status["counters"]["dropped"], 0);
}

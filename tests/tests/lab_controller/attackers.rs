//! Events about the sources of a flood: who they are, what was done to them, and what would have been in monitor mode.

use std::{net::IpAddr, thread, time::Duration};

use serde_json::Value;
use synguard_tests::{flood::FloodSpec, program::Synguard, steps::run};

use super::{concentrated, event, event_names, events, forged, lab, start, status, syncookies, until};

const ATTACKER: &str = "11.1.1.1";
const SECOND_ATTACKER: &str = "12.1.1.1";

/// Floods from one source for so many seconds.
fn flood_of(source: &str, seconds: u64) -> FloodSpec {
    let first_source: IpAddr = source.parse().unwrap();
    FloodSpec { first_source, max_duration: Duration::from_secs(seconds), ..concentrated() }
}

fn count(synguard: &Synguard, name: &str) -> usize {
    event_names(synguard).iter().filter(|event| *event == name).count()
}

fn last(synguard: &Synguard, name: &str) -> Value {
    events(synguard).into_iter().rfind(|event| event["event"] == name).unwrap()
}

fn message(event: &Value) -> &str {
    event["message"].as_str().unwrap()
}

/// Returns the SYNs of a source so far, as `top` shows them.
fn syns_of(synguard: &Synguard, source: &str) -> u64 {
    let top = synguard.run_json(&["top", "--once", "--json", "--interval", "200ms"]).unwrap();
    let rows = top["sources"].as_array().unwrap();
    let row = rows.iter().find(|row| row["source"] == source);
    row.unwrap_or_else(|| panic!("no {source}: {top}"))["syn_total"].as_u64().unwrap()
}

#[test]
fn present_attacker_is_named_with_its_rate() {
    let (lab, synguard) = lab(1);
    let _running = synguard.attach(&["--hold", "1s"]).unwrap();
    let sent = start(&lab, flood_of(ATTACKER, 3)).wait().unwrap().offered;
    until("calm", Duration::from_secs(12), || count(&synguard, "attack_over") == 1);
    let limited = event(&synguard, "over_limit");
    assert_eq!(limited["sources"], serde_json::json!([ATTACKER]), "{limited}");
    let rate = limited["rates"][0].as_u64().unwrap();
    assert!((10_000..=30_000).contains(&rate), "{limited}");
    assert!(message(&limited).starts_with("limited: 11.1.1.1 ("), "{limited}");
    assert!(message(&limited).ends_with("limit 100); its SYNs are dropped for 1 s"), "{limited}");
    let began = event(&synguard, "attack_began");
    assert_eq!(began["top_sources"][0]["source"], ATTACKER, "{began}");
    let over = event(&synguard, "attack_over");
    let top = &over["top_sources"][0];
    assert_eq!(
        (&top["source"], over["top_sources"].as_array().unwrap().len()),
        (&ATTACKER.into(), 1),
        "{over}"
    );
    let syns = top["syns"].as_u64().unwrap();
    assert!(syns <= sent && syns >= sent * 9 / 10, "{syns} of {sent}: {over}");

    // A second attack: the first attacker is silent, and the new one is named within seconds of its beginning.
    let flood = start(&lab, flood_of(SECOND_ATTACKER, 20));
    until("an attack", Duration::from_secs(3), || count(&synguard, "attack_began") == 2);
    until("its source", Duration::from_secs(3), || count(&synguard, "over_limit") == 2);
    flood.stop().unwrap();
    let limited = last(&synguard, "over_limit");
    assert_eq!(
        (&limited["sources"], &limited["more"]),
        (&serde_json::json!([SECOND_ATTACKER]), &0.into()),
        "{limited}"
    );
    let began = last(&synguard, "attack_began");
    assert_eq!(began["top_sources"][0]["source"], SECOND_ATTACKER, "{began}");
}

#[test]
fn blocked_attacker_is_named_when_the_attack_begins() {
    let (lab, synguard) = lab(1);
    let _running = synguard.attach(&["--hold", "1s"]).unwrap();
    run(&synguard, &["block", "add", ATTACKER, "--scope", "syn"]);
    for attack in 1..=2 {
        start(&lab, flood_of(ATTACKER, 2)).wait().unwrap();
        until("calm", Duration::from_secs(12), || count(&synguard, "attack_over") == attack);
        let began = last(&synguard, "attack_began");
        let top = &began["top_sources"][0];
        assert_eq!((&top["source"], &top["blocked"]), (&ATTACKER.into(), &true.into()), "{began}");
        // Hits of the attack before are not of this one.
        let (syns, rate) = (top["syns"].as_u64().unwrap(), top["syn_rate"].as_u64().unwrap());
        assert!(syns > 100 && syns <= 40_000 && rate <= 25_000, "{began}");
        assert!(message(&began).contains("11.1.1.1 ("), "{began}");
    }
}

#[test]
fn removed_block_is_judged_anew_and_counts_stay() {
    let (lab, synguard) = lab(1);
    let _running = synguard.attach(&["--hold", "1s"]).unwrap();
    let flood = start(&lab, flood_of(ATTACKER, 60));
    until("a block", Duration::from_secs(10), || count(&synguard, "blocked") == 1);
    until("drops by it", Duration::from_secs(5), || {
        status(&synguard)["syn"]["blocked"].as_u64().unwrap() > 10_000
    });
    let blocked = syns_of(&synguard, ATTACKER);
    run(&synguard, &["block", "flush"]);
    let flushed = syns_of(&synguard, ATTACKER);
    assert!(flushed >= blocked, "{blocked} before the flush, {flushed} after it");
    // Three violations with a hold between them; the first block would have lasted half a minute.
    until("another block", Duration::from_secs(10), || count(&synguard, "blocked") == 2);
    let again = last(&synguard, "blocked");
    assert_eq!((&again["before"], &again["strikes"]), (&0.into(), &3.into()), "{again}");
    let mut before = syns_of(&synguard, ATTACKER);
    assert!(before >= flushed);
    // One entry, taken out by name.
    run(&synguard, &["block", "del", ATTACKER]);
    for _ in 0..3 {
        let now = syns_of(&synguard, ATTACKER);
        assert!(now >= before, "{before}, then {now}");
        before = now;
    }
    let sent = flood.stop().unwrap().offered;
    let total = syns_of(&synguard, ATTACKER);
    assert!(total <= sent && total >= sent * 95 / 100, "{total} of {sent}");
    until("the end", Duration::from_secs(12), || count(&synguard, "attack_over") == 1);
    let over = event(&synguard, "attack_over");
    assert_eq!(
        (&over["sources_blocked"], &over["blocked_sources"]),
        (&1.into(), &serde_json::json!([ATTACKER]))
    );
    assert!(message(&over).ends_with("1 source blocked: 11.1.1.1"), "{over}");
    assert!(over["dropped"].as_u64().unwrap() > sent * 8 / 10, "{over}");
}

#[test]
fn expired_block_leaves_its_counts() {
    let (lab, synguard) = lab(1);
    let _running = synguard.attach(&["--hold", "1s"]).unwrap();
    run(&synguard, &["block", "add", ATTACKER, "--ttl", "4s", "--scope", "syn"]);
    let sent = start(&lab, flood_of(ATTACKER, 2)).wait().unwrap().offered;
    let blocked = syns_of(&synguard, ATTACKER);
    assert!(blocked > 10_000 && blocked <= sent, "{blocked} of {sent}");
    until("the end of the block", Duration::from_secs(10), || {
        synguard.run_json(&["block", "list", "--json"]).unwrap()["entries"] == serde_json::json!([])
    });
    until("the end", Duration::from_secs(12), || count(&synguard, "attack_over") == 1);
    assert_eq!(syns_of(&synguard, ATTACKER), blocked);
    let over = event(&synguard, "attack_over");
    // Blocked by hand, so it was in no hold and is no automatic block.
    let top = &over["top_sources"][0];
    assert_eq!((&top["source"], &over["sources_blocked"]), (&ATTACKER.into(), &0.into()), "{over}");
    assert!(top["syns"].as_u64().unwrap() > 10_000, "{over}");
    assert_eq!(count(&synguard, "over_limit"), 0);
}

#[test]
fn monitor_mode_reports_what_it_would_do() {
    let (lab, synguard) = lab(1);
    let _running = synguard.attach(&["--hold", "1s", "--monitor"]).unwrap();
    let flood = start(&lab, flood_of(ATTACKER, 60));
    until("a block", Duration::from_secs(10), || count(&synguard, "would_block") == 1);
    flood.stop().unwrap();
    until("the end", Duration::from_secs(12), || count(&synguard, "attack_over") == 1);
    let over = event(&synguard, "attack_over");
    assert_eq!(
        (&over["monitor"], &over["dropped"], &over["sources_blocked"]),
        (&true.into(), &0.into(), &1.into())
    );
    let would_drop = status(&synguard)["syn"]["would_drop"].as_u64().unwrap();
    assert!(would_drop > 10_000 && over["would_drop"] == would_drop, "{would_drop}: {over}");
    assert!(message(&over).contains("would have been dropped"), "{over}");
    assert!(message(&over).ends_with("1 source would have been blocked: 11.1.1.1"), "{over}");
    let limited = event(&synguard, "over_limit");
    assert!(message(&limited).starts_with("would be limited: 11.1.1.1 ("), "{limited}");
    assert_eq!(limited["monitor"], true);
    assert!(message(&event(&synguard, "would_block")).contains("would be blocked for 30s"));

    let flood = start(&lab, forged());
    until("cookies", Duration::from_secs(5), || count(&synguard, "would_raise_cookies") == 1);
    thread::sleep(Duration::from_secs(1));
    flood.stop().unwrap();
    assert_eq!(syncookies(&lab), 1);
    let names = event_names(&synguard);
    for name in ["blocked", "cookies_raised", "answering_began"] {
        assert!(!names.iter().any(|event| event == name), "{name}: {names:?}");
    }
    until("the end", Duration::from_secs(12), || count(&synguard, "attack_over") == 2);
    let over = last(&synguard, "attack_over");
    assert!(message(&over).contains("; no source stood out"), "{over}");
    assert_eq!(over["top_sources"], serde_json::json!([]));
}

/// Sends forged floods, each for `on`, with pauses of `off`, through a filter with this hold. Asserts that the phase is attack from
/// a second after the beginning of each until its end, and that cookies stay raised from the first to the end of the last.
fn pulses_meet_an_attack(hold: &str, on: Duration, off: Duration, count: usize) {
    let (lab, synguard) = lab(1);
    let _running = synguard.attach(&["--hold", hold]).unwrap();
    for pulse in 0..count {
        let flood = start(&lab, FloodSpec { max_duration: on, ..forged() });
        let begun = std::time::Instant::now();
        let mut phases = Vec::new();
        while begun.elapsed() < on {
            // The first pulse has to be noticed.
            if begun.elapsed() > Duration::from_secs(1).min(on) || pulse > 0 && on < Duration::from_secs(1) {
                phases.push(status(&synguard)["phase"].as_str().unwrap().to_owned());
                assert_eq!(syncookies(&lab), 2, "pulse {pulse}");
            }
            thread::sleep(Duration::from_millis(50));
        }
        flood.wait().unwrap();
        if pulse == 0 {
            until("cookies", Duration::from_secs(1), || syncookies(&lab) == 2);
        }
        assert!(phases.iter().all(|phase| phase == "attack"), "pulse {pulse}: {phases:?}");
        let paused = std::time::Instant::now();
        while pulse + 1 < count && paused.elapsed() < off {
            assert_eq!(syncookies(&lab), 2, "in the pause after pulse {pulse}");
            thread::sleep(Duration::from_millis(50));
        }
    }
    let names = event_names(&synguard);
    let raised = names.iter().filter(|name| *name == "cookies_raised").count();
    assert_eq!((raised, names.iter().any(|name| name == "cookies_restored")), (1, false), "{names:?}");
}

#[test]
fn long_pulses_meet_an_attack() {
    // A pause is longer than a hold, so the attack has ended, and shorter than two, so the recovery has not.
    pulses_meet_an_attack("5s", Duration::from_secs(2), Duration::from_secs(6), 3);
}

#[test]
fn short_pulses_meet_an_attack() {
    // All pulses together are longer than a hold.
    pulses_meet_an_attack("4s", Duration::from_millis(500), Duration::from_millis(500), 6);
}

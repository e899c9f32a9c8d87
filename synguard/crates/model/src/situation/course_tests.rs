//! The answers in the course of an attack: while its flood is on, in a pause, and before a block.

use super::{
    tests::{calm, one_source},
    *,
};

const SECOND: u64 = 1_000_000_000;

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_ns(seconds * SECOND)
}

/// Returns a pause in an attack of these sources, 42 s after its beginning and 4 s after its last flood.
fn pause(count: u64, names: &[&str]) -> Situation {
    Situation {
        at: at(142),
        phase: Phase::Recovering,
        phase_seconds: Some(1),
        calm_in_seconds: Some(16),
        kind: Some(AttackKind::Concentrated),
        attack: Some(AttackCourse {
            began_ns: at(100),
            last_on_ns: Some(at(138)),
            pulses: 3,
            sources: names.iter().map(|&name| name.to_owned()).collect(),
            source_count: count,
            ..AttackCourse::default()
        }),
        top_sources: Vec::new(),
        ..calm()
    }
}

#[test]
fn pause_names_the_sources_and_its_end() {
    let hold = Situation { in_hold: 20, ..pause(20, &["11.0.0.1", "11.0.0.2", "11.0.0.3"]) };
    let headline = "attack paused for 4 s: 64 SYN/s; over in 16 s unless it returns";
    // The phase lags behind the flood.
    for phase in [Phase::Attack, Phase::Recovering] {
        let hold = Situation { phase, ..hold.clone() };
        assert_eq!(hold.headline(), headline);
        assert_eq!(hold.sources(), "none now; 20 before the pause, busiest: 11.0.0.1, 11.0.0.2, 11.0.0.3");
        assert_eq!(hold.response(), "none needed: all 64 SYN/s pass; 20 sources stay in hold");
        assert_eq!(hold.next(), "nothing to do");
    }
    let blocked = AttackCourse { blocked: 20, ..hold.attack.clone().expect("an attack") };
    let blocklist = BlocklistUse { entries: 21, active: 0 };
    let blocked = Situation { attack: Some(blocked), blocklist, ..hold };
    assert_eq!(blocked.response(), "none needed: all 64 SYN/s pass; 20 sources stay blocked");
    let one = Situation { in_hold: 1, ..pause(1, &["11.0.0.1"]) };
    assert_eq!(one.sources(), "none now; before the pause: 11.0.0.1");
    assert!(one.response().ends_with("; 1 source stays in hold"), "{}", one.response());
    let forged =
        Situation { kind: Some(AttackKind::Distributed), cookies: CookieSender::Kernel, ..pause(0, &[]) };
    assert_eq!(forged.sources(), "none now; very many before the pause, none stood out");
    assert_eq!(forged.response(), "all 64/s pass, and the kernel answers them with SYN cookies");
    let silent = Situation { syns: SynRates::default(), ..forged.clone() };
    assert_eq!(silent.response(), "SYN cookies stay on; no SYN arrives");
    // XDP answered for a part of the time in which SYNs were counted.
    let syns = SynRates { passed: 46.0, answered: 13.0, ..SynRates::default() };
    assert_eq!(
        Situation { syns, ..forged }.response(),
        "13/s answered with SYN cookies by XDP; the other 46/s pass, and the kernel answers them with SYN cookies"
    );
}

#[test]
fn flood_that_came_back_is_as_old_as_its_attack() {
    let attack = AttackCourse { began_ns: at(100), pulses: 1, ..AttackCourse::default() };
    let first = Situation { at: at(142), attack: Some(attack.clone()), ..one_source() };
    assert_eq!(first.headline(), "ATTACK for 42 s: 1 source sends > 99 % of 84 500 SYN/s");
    let third = Situation { attack: Some(AttackCourse { pulses: 3, ..attack }), ..first };
    assert_eq!(third.headline(), "ATTACK for 42 s, in pulses: 1 source sends > 99 % of 84 500 SYN/s");
}

#[test]
fn block_ahead_is_foretold_as_far_as_it_is_known() {
    let next = |ahead: &[(&str, Option<u64>)], situation: Situation| {
        let blocks_ahead = ahead
            .iter()
            .map(|&(source, s)| BlockAhead { source: source.to_owned(), at_ns: s.map(at) })
            .collect();
        let attack = AttackCourse { began_ns: at(96), pulses: 1, blocks_ahead, ..AttackCourse::default() };
        Situation { at: at(100), attack: Some(attack), ..situation }.next()
    };
    let command = "synguard block add 11.0.0.0 --ttl 1h --scope syn";
    assert_eq!(
        next(&[("11.0.0.0", Some(114))], one_source()),
        format!("nothing urgent: it will be blocked in 14 s; to block it now: {command}")
    );
    assert_eq!(
        next(&[("11.0.0.0", Some(99))], one_source()),
        format!("nothing urgent: it will be blocked in 1 s; to block it now: {command}"),
        "it is late"
    );
    assert_eq!(
        next(&[("11.0.0.0", None)], one_source()),
        format!(
            "nothing urgent: no automatic block: it has connections here or is protected; to block it now: {command}"
        )
    );
    assert_eq!(
        next(&[("11.0.0.9", Some(114))], one_source()),
        format!("nothing urgent; to block it: {command}"),
        "another source"
    );
    let slow = vec![TopSource { rate: 399.0, ..one_source().top_sources[0].clone() }];
    let syns = SynRates { passed: 64.0, dropped: 900.0, ..SynRates::default() };
    assert_eq!(
        next(&[], Situation { top_sources: slow, syns, ..one_source() }),
        format!("nothing urgent: no automatic block below 400 SYN/s; to block it now: {command}")
    );
    // Twenty that are too many to block by hand.
    let name = |i: u64| format!("11.0.0.{i}");
    let top = |i| TopSource { source: name(i), rate: 5_000.0, status: SourceStatus::Hold };
    let many = Situation {
        syns: SynRates { passed: 64.0, dropped: 100_000.0, ..SynRates::default() },
        top_sources: (1..=3).map(top).collect(),
        limited: 20,
        ..one_source()
    };
    let ahead = [("11.0.0.1", Some(113)), ("11.0.0.2", Some(114)), ("11.0.0.3", Some(112))];
    assert_eq!(next(&ahead, many.clone()), "nothing to do: they will be blocked within 14 s");
    assert_eq!(next(&ahead[..2], many), "nothing to do");
}

#[test]
fn mean_of_visitors_is_called_one() {
    let calm = Situation { has_mean_visitors: true, ..calm() };
    assert_eq!(
        calm.visitors(),
        "61 connections/s accepted in the last 2 s (mean 63); the server lost 0 SYNs/s"
    );
}

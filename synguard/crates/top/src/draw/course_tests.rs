//! What the screen shows in the course of a flood: a pause, the block to come, and events without room.

use synguard_model::{
    attack::AttackKind,
    situation::{AttackCourse, BlockAhead, BlocklistUse, CookieSender, Situation, SynRates},
    time::Monotonic,
};

use super::{
    flood_tests::{attack, flood},
    tests::text,
};
use crate::{fixture::SECOND, view_model::EventRow};

/// A pause of a flood is no end, and names the sources on every screen.
#[test]
fn pause_names_who_it_was_and_when_it_is_over() {
    let syns = SynRates { passed: 61.0, ..SynRates::default() };
    let at = Monotonic::from_ns(90 * SECOND);
    let course = AttackCourse {
        began_ns: Monotonic::from_ns(48 * SECOND),
        last_on_ns: Some(Monotonic::from_ns(86 * SECOND)),
        pulses: 2,
        sources: ["203.0.113.13", "203.0.113.14", "203.0.113.15"].map(str::to_owned).to_vec(),
        source_count: 20,
        blocked: 20,
        ..AttackCourse::default()
    };
    let pause = Situation {
        at,
        syns,
        attack: Some(course),
        calm_in_seconds: Some(16),
        blocklist: BlocklistUse { entries: 20, active: 0 },
        cookies: CookieSender::Unchanged,
        ..attack(AttackKind::Concentrated, &[])
    };
    for (size, expected) in [
        (
            (60, 15),
            [
                "attack paused 4 s: 61 SYN/s; over in 16 s unless it returns",
                "sources   none now; 20 before, busiest: 203.0.113.13 …",
                "response  all 61 SYN/s pass; 20 sources stay blocked",
            ],
        ),
        (
            (80, 24),
            [
                "attack paused for 4 s: 61 SYN/s; over in 16 s unless it returns",
                "sources   none now; 20 before, busiest: 203.0.113.13, 203.0.113.14, 203.0.113.15",
                "response  none needed: all 61 SYN/s pass; 20 sources stay blocked",
            ],
        ),
    ] {
        let screen = text(&flood(pause.clone(), Vec::new()), size);
        let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
        assert_eq!(lines[..3], expected, "{screen}");
    }
}

/// When the block comes is said on every screen, beside the key that does it at once.
#[test]
fn block_ahead_is_told_with_the_key() {
    let mut one = attack(AttackKind::Concentrated, &[("203.0.113.77", 99_600.0)]);
    one.syns = SynRates { passed: 61.0, dropped: 99_600.0, ..SynRates::default() };
    let blocks_ahead =
        vec![BlockAhead { source: "203.0.113.77".to_owned(), at_ns: Some(Monotonic::from_ns(14 * SECOND)) }];
    one.attack = Some(AttackCourse { pulses: 1, blocks_ahead, ..AttackCourse::default() });
    let state = flood(one, Vec::new());
    for (size, next) in [
        ((60, 15), "next      it will be blocked in 14 s; b blocks 203.0.113.77"),
        ((80, 24), "next      it will be blocked in 14 s; to block it now: press b on 203.0.113.77"),
        (
            (120, 40),
            "next      nothing urgent: it will be blocked in 14 s; to block it now: press b on 203.0.113.77",
        ),
    ] {
        let screen = text(&state, size);
        assert!(screen.lines().any(|line| line.trim_end() == next), "{size:?}:\n{screen}");
    }
}

/// An event that has no room is not cut without a mark.
#[test]
fn event_without_room_ends_in_a_mark() {
    let mut state = flood(attack(AttackKind::Distributed, &[]), Vec::new());
    let long = |i| EventRow {
        at: format!("11-28 12:01:{i:02}"),
        kind: "attack began".to_owned(),
        text: format!(
            "attack {i} (distributed): {} the end of {i}",
            "8 641 SYN/s, 0 over the limit, ".repeat(4)
        ),
    };
    state.view.as_mut().expect("a view").events = (10..40).map(long).collect();
    let screen = text(&state, (120, 40));
    let beside: Vec<&str> = screen.lines().filter_map(|line| line.get(62..)).map(str::trim_end).collect();
    let first = beside.iter().position(|line| line.contains("attack 10 ")).expect("events");
    let last = beside[first..].iter().position(|line| line.is_empty()).expect("a blank line") + first - 1;
    assert!(beside[last].ends_with('…') || beside[last].contains("the end of"), "{screen}");
    assert!(beside[first..last].iter().any(|line| line.contains("the end of 10")), "{screen}");
}

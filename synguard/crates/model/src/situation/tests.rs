//! Each answer in each situation.

use super::*;

fn top(source: &str, rate: f64, status: SourceStatus) -> TopSource {
    TopSource { source: source.to_owned(), rate, status }
}

pub(super) fn calm() -> Situation {
    Situation {
        filtered: vec!["srv0".to_owned()],
        controller: ControllerLife::Responding,
        phase_seconds: Some(11_520),
        syns: SynRates { passed: 64.0, ..SynRates::default() },
        distinct_sources: 41,
        source_limit: 100,
        top_sources: vec![top("192.0.2.9", 12.0, SourceStatus::Ok)],
        visitors: Visitors { accepted_rate: Some(61.2), calm_rate: Some(63.0), lost_rate: Some(0.0) },
        ..Situation::default()
    }
}

pub(super) fn one_source() -> Situation {
    Situation {
        phase: Phase::Attack,
        phase_seconds: Some(4),
        kind: Some(AttackKind::Concentrated),
        syns: SynRates { passed: 64.0, dropped: 84_400.0, ..SynRates::default() },
        distinct_sources: 42,
        limited: 1,
        top_sources: vec![
            top("11.0.0.0", 84_437.0, SourceStatus::Hold),
            top("192.0.2.9", 12.0, SourceStatus::Ok),
        ],
        ..calm()
    }
}

fn forged() -> Situation {
    Situation {
        phase: Phase::Attack,
        phase_seconds: Some(22),
        kind: Some(AttackKind::Distributed),
        syns: SynRates { passed: 64.0, answered: 423_900.0, ..SynRates::default() },
        distinct_sources: 358_123,
        top_sources: vec![
            top("11.0.0.7", 120.0, SourceStatus::Hold),
            top("192.0.2.9", 12.0, SourceStatus::Ok),
        ],
        cookies: CookieSender::Xdp { first_syn: false },
        ..calm()
    }
}

/// Returns the five answers.
fn answers(situation: &Situation) -> [String; 5] {
    [situation.headline(), situation.response(), situation.visitors(), situation.sources(), situation.next()]
}

#[test]
fn calm_is_called_calm() {
    assert_eq!(
        answers(&calm()),
        [
            "calm for 3 h 12 min: 64 SYN/s from about 41 sources",
            "none needed: all 64 SYN/s pass",
            "61 connections/s accepted (mean 63); the server lost 0 SYNs/s",
            "none over its limit of 100 SYN/s; busiest: 192.0.2.9 12/s",
            "nothing to do",
        ]
    );
    let idle = Situation {
        phase_seconds: None,
        syns: SynRates::default(),
        distinct_sources: 0,
        top_sources: Vec::new(),
        visitors: Visitors { accepted_rate: Some(0.0), ..Visitors::default() },
        ..calm()
    };
    assert_eq!(
        answers(&idle),
        [
            "calm: 0 SYN/s",
            "none needed: no SYN arrives",
            "0 connections/s accepted (in calm: not known yet)",
            "none over its limit of 100 SYN/s",
            "nothing to do",
        ]
    );
}

#[test]
fn visitor_is_not_named_and_blocks_without_effect_are_counted() {
    let visitors = Situation {
        top_sources: vec![top("192.0.2.9", 5.0, SourceStatus::Ok)],
        blocklist: BlocklistUse { entries: 1_020, active: 0 },
        ..calm()
    };
    assert_eq!(visitors.sources(), "none over its limit of 100 SYN/s");
    assert_eq!(visitors.response(), "none needed: all 64 SYN/s pass; 1 020 entries in the blocklist");
}

#[test]
fn one_source_is_named_until_it_is_blocked() {
    assert_eq!(
        answers(&one_source()),
        [
            "ATTACK for 4 s: 1 source sends > 99 % of 84 500 SYN/s",
            "84 400/s dropped over the limit of 100 SYN/s per source; 64/s passed",
            "61 connections/s accepted, as in calm (63); the server lost 0 SYNs/s",
            "11.0.0.0 84 400/s (> 99 %, in hold)",
            "nothing urgent; to block it: synguard block add 11.0.0.0 --ttl 1h --scope syn",
        ]
    );
    let blocked = Situation {
        syns: SynRates { passed: 64.0, blocked: 84_400.0, ..SynRates::default() },
        top_sources: vec![top("11.0.0.0", 84_437.0, SourceStatus::Blocked)],
        ..one_source()
    };
    assert_eq!(
        answers(&blocked)[1..],
        [
            "84 400/s dropped by the blocklist; 64/s passed",
            "61 connections/s accepted, as in calm (63); the server lost 0 SYNs/s",
            "11.0.0.0 84 400/s (> 99 %, blocked)",
            "nothing to do",
        ]
    );
    assert_eq!(blocked.measures(), [Measure::Blocklist]);
    assert_eq!((one_source().blockable(), blocked.blockable()), (vec!["11.0.0.0"], Vec::new()));
    let unguarded = Situation { controller: ControllerLife::Absent, ..one_source() };
    assert_eq!(unguarded.blockable(), Vec::<&str>::new(), "that comes first");
}

#[test]
fn several_sources_are_blocked_by_one_command() {
    let two = Situation {
        instance: "vc".to_owned(),
        top_sources: vec![
            top("11.0.0.0", 50_000.0, SourceStatus::Hold),
            top("2001:db8:1:2::/64", 34_000.0, SourceStatus::Hold),
        ],
        ..one_source()
    };
    assert_eq!(two.headline(), "ATTACK for 4 s: 2 sources send 99 % of 84 500 SYN/s");
    assert_eq!(
        two.next(),
        "nothing urgent; to block them: synguard --name vc block add 11.0.0.0 2001:db8:1:2::/64 --ttl 1h --scope syn"
    );
    let many = Situation {
        top_sources: (1..=3).map(|i| top(&format!("11.0.0.{i}"), 500.0, SourceStatus::Hold)).collect(),
        distinct_sources: 180,
        limited: 169,
        ..one_source()
    };
    assert_eq!(many.headline(), "ATTACK for 4 s: 169 limited sources send > 99 % of 84 500 SYN/s");
    assert_eq!(
        many.sources(),
        "169 in hold, busiest: 11.0.0.1 500/s (1 %), 11.0.0.2 500/s (1 %), 11.0.0.3 500/s (1 %)"
    );
    assert_eq!(many.next(), "nothing to do", "three of 169 are not worth it");
    // The estimate of sources does not count blocked ones: these are the visitors.
    let blocked = Situation {
        syns: SynRates { passed: 64.0, blocked: 84_400.0, ..SynRates::default() },
        top_sources: (1..=3).map(|i| top(&format!("11.0.0.{i}"), 500.0, SourceStatus::Blocked)).collect(),
        distinct_sources: 41,
        limited: 0,
        blocklist: BlocklistUse { entries: 180, active: 169 },
        ..many.clone()
    };
    assert_eq!(blocked.headline(), "ATTACK for 4 s: 169 blocked sources send > 99 % of 84 500 SYN/s");
    assert_eq!(
        blocked.sources(),
        "169 blocked, busiest: 11.0.0.1 500/s (1 %), 11.0.0.2 500/s (1 %), 11.0.0.3 500/s (1 %)"
    );
    // A source that was just blocked is in hold as well, and counts once.
    let both = Situation {
        syns: SynRates { passed: 64.0, dropped: 44_400.0, blocked: 40_000.0, ..SynRates::default() },
        limited: 169,
        ..blocked
    };
    assert_eq!(both.headline(), "ATTACK for 4 s: 169 limited or blocked sources send > 99 % of 84 500 SYN/s");
    let allowed = Situation { syns: SynRates { passed: 84_500.0, ..SynRates::default() }, ..many };
    assert_eq!(
        allowed.headline(),
        "ATTACK for 4 s: 84 500 SYN/s from about 180 sources",
        "nothing is dropped"
    );
}

#[test]
fn no_source_of_a_forged_flood_is_to_be_blocked() {
    assert_eq!(
        answers(&forged()),
        [
            "ATTACK for 22 s, distributed: 424 000 SYN/s from about 358 000 sources",
            "XDP answers SYNs with SYN cookies: 424 000/s (visitors return them)",
            "61 connections/s accepted, as in calm (63); the server lost 0 SYNs/s",
            "none stands out, most are probably forged: nothing to block by hand",
            "nothing to do",
        ]
    );
    assert_eq!(forged().measures(), [Measure::XdpCookies]);
    let first_syn = Situation {
        cookies: CookieSender::Xdp { first_syn: true },
        syns: SynRates { dropped: 390_000.0, answered: 3_000.0, ..SynRates::default() },
        ..forged()
    };
    assert_eq!(
        first_syn.response(),
        "XDP answers retransmitted SYNs with SYN cookies: 3 000/s (visitors return them); \
         390 000/s dropped until they are sent again",
        "that none passed would read as if no visitor did"
    );
    let passing = SynRates { passed: 9_000.0, answered: 415_000.0, ..SynRates::default() };
    let passing = Situation { syns: passing, ..forged() };
    assert!(passing.response().ends_with("(visitors return them); 9 000/s passed"), "{}", passing.response());
    // Nobody listens on the port of the flood.
    let closed = SynRates { passed: 200_000.0, ..SynRates::default() };
    let closed = Situation { syns: closed, ..forged() };
    assert_eq!(closed.response(), "XDP answers SYNs with SYN cookies: 0/s; 200 000/s passed");
    let kernel = Situation {
        cookies: CookieSender::Kernel,
        syns: SynRates { passed: 12_000.0, dropped: 500.0, ..SynRates::default() },
        ..forged()
    };
    assert_eq!(
        kernel.response(),
        "500/s dropped over the limit of 100 SYN/s per source; the other 12 000/s pass, and the kernel answers them with SYN cookies"
    );
    let all = Situation { syns: SynRates { passed: 12_000.0, ..SynRates::default() }, ..kernel };
    assert_eq!(all.response(), "all 12 000/s pass, and the kernel answers them with SYN cookies");
    let off = Situation {
        cookies: CookieSender::Unchanged,
        cookies_setting: Cookies::Off,
        syns: SynRates { passed: 12_000.0, ..SynRates::default() },
        ..forged()
    };
    assert_eq!(off.response(), "none (cookies=off): all 12 000 SYN/s pass");
    assert_eq!(off.next(), "to answer it with SYN cookies: synguard set cookies=auto");
}

#[test]
fn strong_source_in_a_forged_flood_is_named() {
    let mixed = Situation {
        kind: Some(AttackKind::Mixed),
        top_sources: vec![top("11.0.0.0", 261_000.0, SourceStatus::Hold)],
        ..forged()
    };
    assert_eq!(mixed.headline(), "ATTACK for 22 s: 1 source sends 62 % of 424 000 SYN/s");
    assert_eq!(mixed.sources(), "11.0.0.0 261 000/s (62 %, in hold)");
    assert!(mixed.next().starts_with("to stop it now: synguard block add 11.0.0.0 "), "XDP answers it");
    let dropped = SynRates { dropped: 420_000.0, answered: 4_000.0, ..SynRates::default() };
    let held = Situation { syns: dropped, ..mixed };
    assert!(held.next().starts_with("nothing urgent; to block it: synguard block add 11.0.0.0 "));
}

#[test]
fn recovery_says_when_the_attack_is_over() {
    let recovering = Situation {
        phase: Phase::Recovering,
        phase_seconds: Some(3),
        calm_in_seconds: Some(7),
        top_sources: Vec::new(),
        ..calm()
    };
    assert_eq!(recovering.headline(), "attack paused for 3 s: 64 SYN/s; over in 7 s unless it returns");
    assert_eq!(recovering.next(), "nothing to do");
    let unknown = Situation { calm_in_seconds: None, ..recovering };
    assert!(unknown.headline().ends_with("; not over yet"));
}

#[test]
fn pause_in_an_attack_is_of_this_moment() {
    let pause = Situation {
        syns: SynRates { passed: 64.0, ..SynRates::default() },
        top_sources: vec![top("192.0.2.9", 12.0, SourceStatus::Ok)],
        ..one_source()
    };
    assert_eq!(pause.headline(), "attack paused: 64 SYN/s; not over yet");
    assert_eq!(pause.sources(), "none over its limit of 100 SYN/s; busiest: 192.0.2.9 12/s");
    assert_eq!(pause.response(), "none needed: all 64 SYN/s pass");
    let silent = Situation { syns: SynRates::default(), top_sources: Vec::new(), ..pause.clone() };
    assert_eq!(silent.headline(), "attack paused: 0 SYN/s; not over yet");
    assert_eq!(silent.sources(), "none over its limit of 100 SYN/s");
    assert_eq!(silent.next(), "nothing to do");
    // A forged flood pauses when what comes is what visitors send; it does not while more comes, although nothing is dropped.
    let forged = |passed| Situation {
        kind: Some(AttackKind::Distributed),
        syns: SynRates { passed, ..SynRates::default() },
        cookies: CookieSender::Kernel,
        ..pause.clone()
    };
    assert!(forged(70.0).headline().starts_with("attack paused: 70 SYN/s"));
    assert_eq!(forged(70.0).sources(), "none over its limit of 100 SYN/s; busiest: 192.0.2.9 12/s");
    assert!(forged(5_000.0).headline().contains(", distributed: 5 000 SYN/s from"));
    assert!(forged(5_000.0).has_no_culprit() && !forged(70.0).has_no_culprit());
}

#[test]
fn monitor_mode_would_do_everything() {
    let monitor = Situation {
        enforcement: Enforcement::Monitor,
        syns: SynRates { passed: 84_500.0, would_drop: 84_400.0, ..SynRates::default() },
        ..one_source()
    };
    assert_eq!(monitor.response(), "monitor mode: nothing is dropped; 84 400/s would be");
    assert_eq!(monitor.sources(), "11.0.0.0 84 400/s (> 99 %, would be in hold)");
    assert!(
        monitor.headline().ends_with(": 1 source sends > 99 % of 84 500 SYN/s"),
        "{}",
        monitor.headline()
    );
    assert_eq!(monitor.next(), "to drop it: synguard set monitor=false");
    assert!(monitor.measures().is_empty());
}

#[test]
fn visitors_are_compared_with_calm() {
    let text = |accepted, calm, lost| {
        let visitors = Visitors { accepted_rate: Some(accepted), calm_rate: calm, lost_rate: Some(lost) };
        Situation { visitors, ..one_source() }.visitors()
    };
    assert_eq!(
        text(12.0, Some(63.0), 340.0),
        "12 connections/s accepted, fewer than in calm (63); the server lost 340 SYNs/s"
    );
    assert_eq!(
        text(130.0, Some(63.0), 0.0),
        "130 connections/s accepted, more than in calm (63); the server lost 0 SYNs/s"
    );
    assert_eq!(
        text(0.4, Some(1.9), 0.0),
        "0.4 connections/s accepted, as in calm (1.9); the server lost 0 SYNs/s"
    );
    assert_eq!(
        text(12.0, None, 0.0),
        "12 connections/s accepted (in calm: not known yet); the server lost 0 SYNs/s"
    );
}

#[test]
fn allowed_source_is_pointed_out() {
    let allowed = Situation {
        syns: SynRates { passed: 84_500.0, ..SynRates::default() },
        top_sources: vec![top("11.0.0.0", 84_437.0, SourceStatus::Allowed)],
        ..one_source()
    };
    assert_eq!(
        allowed.next(),
        "11.0.0.0 passes because an allow entry covers it: synguard allow check 11.0.0.0"
    );
}

#[test]
fn source_that_has_stopped_is_not_named() {
    // The flood ended between two measurements: that of the sources, and that of all SYNs.
    let stopped = |syns: SynRates| {
        let before = one_source();
        let top_sources = still_sending(before.top_sources.clone(), syns.total());
        Situation { syns, top_sources, ..before }
    };
    let ended = stopped(SynRates::default());
    assert_eq!(ended.headline(), "attack paused: 0 SYN/s; not over yet");
    assert_eq!(
        (ended.sources().as_str(), ended.next().as_str()),
        ("none over its limit of 100 SYN/s", "nothing to do")
    );
    assert!(ended.top_sources.is_empty());
    let visitors = stopped(SynRates { passed: 64.0, ..SynRates::default() });
    assert_eq!(visitors.sources(), "none over its limit of 100 SYN/s; busiest: 192.0.2.9 12/s");
    // A flood that only became slower goes on.
    let slower = stopped(SynRates { dropped: 60_000.0, ..SynRates::default() });
    assert_eq!(slower.sources(), "11.0.0.0 84 400/s (> 99 %, in hold)");
}

#[test]
fn answers_have_no_line_breaks() {
    for situation in [calm(), one_source(), forged()] {
        for answer in answers(&situation) {
            assert!(!answer.is_empty() && !answer.contains('\n') && answer.chars().count() <= 80, "{answer}");
        }
    }
}

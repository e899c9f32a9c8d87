//! What the screen shows in floods, at four sizes.

use ratatui::{Terminal, backend::TestBackend};
use synguard_common::{abi::Counter, reason::Reason};
use synguard_model::{
    attack::{AttackKind, Phase},
    situation::{
        BlocklistUse, ControllerLife, CookieSender, Enforcement, Situation, SynRates, TopSource, Visitors,
    },
    source::{SourceStatus, key_of},
};

use super::{
    draw,
    tests::{SIZES, lines, state, text},
};
use crate::{
    fixture::SECOND,
    palette::Palette,
    sources::Row,
    state::{AppState, InputMode, Tab},
    view_model::{EventRow, InterfaceRow, SourceExplanation, TopView},
};

/// Returns the state in a flood.
pub(super) fn flood(situation: Situation, sources: Vec<Row>) -> AppState {
    let mut state = AppState::default();
    let view = |at_ns, packets: u64| {
        let mut counters = synguard_model::snapshot::Counters::default();
        for (reason, share) in [(Reason::SynCookieSent, 395), (Reason::SynPassed, 1), (Reason::Hold, 28)] {
            counters.add(reason, &Counter { packets: packets * share, bytes: 0 });
        }
        TopView {
            at_ns,
            read_ns: at_ns,
            clock: "12:01:32".to_owned(),
            zone: "CET".to_owned(),
            situation: situation.clone(),
            instance: "default".to_owned(),
            interfaces: vec![InterfaceRow { name: "eth0".to_owned(), place: "native".to_owned() }],
            has_controller: true,
            counters,
            v6_length: 64,
            sources: sources.clone(),
            coverage: 1.0,
            events: vec![EventRow {
                at: "11-28 12:01:10".to_owned(),
                kind: "attack began".to_owned(),
                text: "attack: 421 000 SYN/s".to_owned(),
            }],
            ..TopView::default()
        }
    };
    state.update(view(99 * SECOND, 1000));
    state.update(view(100 * SECOND, 2000));
    state
}

pub(super) fn attack(kind: AttackKind, top: &[(&str, f64)]) -> Situation {
    Situation {
        filtered: vec!["eth0".to_owned()],
        controller: ControllerLife::Responding,
        phase: Phase::Attack,
        phase_seconds: Some(22),
        kind: Some(kind),
        syns: SynRates { passed: 1000.0, dropped: 28_000.0, answered: 395_000.0, ..SynRates::default() },
        distinct_sources: 358_000,
        source_limit: 100,
        top_sources: top
            .iter()
            .map(|&(source, rate)| TopSource { source: source.to_owned(), rate, status: SourceStatus::Hold })
            .collect(),
        cookies: CookieSender::Xdp { first_syn: false },
        visitors: Visitors { accepted_rate: Some(61.0), calm_rate: Some(63.0), lost_rate: Some(0.0) },
        ..Situation::default()
    }
}

fn source(address: &str, fresh: u64, last_seen_ns: u64) -> Row {
    Row {
        key: key_of(address.parse().expect("an address")),
        fresh,
        syn_rate: fresh as f64,
        syn_total: fresh + 2,
        status: if fresh > 100 { SourceStatus::Hold } else { SourceStatus::Ok },
        last_seen_ns,
        ..Row::default()
    }
}

#[test]
fn five_lines_answer_five_questions() {
    let forged = flood(attack(AttackKind::Distributed, &[]), vec![source("192.0.2.9", 2, 100 * SECOND)]);
    let screen = text(&forged, (80, 24));
    let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
    assert_eq!(
        lines[..6],
        [
            "ATTACK for 22 s, distributed: 424 000 SYN/s from about 358 000 sources",
            "sources   none stands out, most are probably forged: nothing to block by hand",
            "response  XDP sends SYN cookies: 395k/s; 28.0k/s dropped over a limit",
            "visitors  61 connections/s accepted, as in calm (63); the server lost 0 SYNs/s",
            "next      nothing to do",
            "SYN/s   424k in  1000 passed 28.0k dropped  395k answered     0 blocked",
        ],
        "{screen}"
    );
    assert!(lines.iter().any(|line| line.ends_with("12:01:32 CET")), "{screen}");
    let one = flood(attack(AttackKind::Mixed, &[("192.0.2.9", 300_000.0)]), Vec::new());
    let screen = text(&one, (60, 15));
    let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
    assert_eq!(
        lines[..5],
        [
            "ATTACK for 22 s: 1 source sends 71 % of 424 000 SYN/s",
            "sources   192.0.2.9 300 000/s (71 %, in hold)",
            "response  XDP sends SYN cookies: 395k/s; 28.0k/s dropped",
            "visitors  61 conn/s accepted, as in calm (63); lost 0 SYNs/s",
            "next      to stop it now: press b on 192.0.2.9",
        ],
        "{screen}"
    );
}

/// Twenty sources that are blocked: their number is the answer, although the screen has room for one name only.
#[test]
fn many_blocked_sources_are_counted() {
    let mut situation =
        attack(AttackKind::Concentrated, &[("203.0.113.10", 5_231.0), ("203.0.113.16", 5_098.0)]);
    situation.top_sources.iter_mut().for_each(|source| source.status = SourceStatus::Blocked);
    situation.syns = SynRates { passed: 60.0, blocked: 99_900.0, ..SynRates::default() };
    situation.cookies = CookieSender::Unchanged;
    situation.blocklist = BlocklistUse { entries: 20, active: 20 };
    let screen = text(&flood(situation, Vec::new()), (60, 15));
    let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
    assert_eq!(
        lines[..3],
        [
            "ATTACK 22 s: 20 blocked sources send > 99 % of 100 000 SYN/s",
            "sources   20 blocked, busiest: 203.0.113.10 5230/s (5 %) …",
            "response  99 900/s dropped by the blocklist; 60/s passed",
        ],
        "{screen}"
    );
}

/// The busiest rows of a forged flood are visitors, and the screen says so.
#[test]
fn nobody_is_blamed_in_a_forged_flood() {
    let rows = || vec![source("192.0.2.9", 2, 100 * SECOND), source("192.0.2.8", 0, 60 * SECOND)];
    let mut state = flood(attack(AttackKind::Distributed, &[]), rows());
    for size in SIZES {
        let screen = text(&state, size);
        let at = |word: &str| screen.lines().position(|line| line.contains(word));
        let rule = at("── none stands out; visitors are among these");
        assert!(rule.is_some() && rule < at("192.0.2.9 "), "{size:?}:\n{screen}");
        assert!(at("192.0.2.9 ") < at("── silent for 5 s"), "{size:?}:\n{screen}");
    }
    // Sources that are over their limit, but send too little of the flood to stand out.
    let limited = flood(
        attack(AttackKind::Distributed, &[("203.0.113.1", 400.0)]),
        [vec![source("203.0.113.1", 400, 100 * SECOND)], rows()].concat(),
    );
    let screen = text(&limited, (80, 24));
    let at = |word: &str| screen.lines().position(|line| line.contains(word));
    let rule = at("── visitors are among these");
    assert!(at("203.0.113.1 ") < rule && rule < at("192.0.2.9 ") && at("203.0.113.1 ").is_some(), "{screen}");
    state.filter = "192".to_owned();
    assert!(!text(&state, (80, 24)).contains("none stands out; visitors"), "the filter chose these");
    let one = flood(attack(AttackKind::Mixed, &[("192.0.2.9", 300_000.0)]), rows());
    assert!(!text(&one, (80, 24)).contains("none stands out"), "one does");
}

#[test]
fn chart_titles_have_the_latest_figures() {
    let mut state = flood(attack(AttackKind::Distributed, &[]), Vec::new());
    let screen = text(&state, (120, 40));
    let title = screen.lines().find(|line| line.starts_with("SYNs in")).expect("titles");
    assert!(title.starts_with("SYNs in 424k/s"), "{title}");
    assert!(title.contains("not passed 423k/s"), "answered ones did not reach the server: {title}");
    let mut calm = state.view.clone().expect("a view");
    calm.at_ns += SECOND;
    state.update(calm);
    let screen = text(&state, (120, 40));
    let title = screen.lines().find(|line| line.starts_with("SYNs in")).expect("titles");
    assert!(title.starts_with("SYNs in 0/s"), "the column still shows the flood: {title}");
}

#[test]
fn wide_screen_shows_reasons_and_joins_like_events() {
    let mut state = flood(attack(AttackKind::Distributed, &[]), Vec::new());
    let event = |text: &str| EventRow {
        at: "11-28 12:01:20".to_owned(),
        kind: "source blocked".to_owned(),
        text: text.to_owned(),
    };
    let view = state.view.as_mut().expect("a view");
    view.events.splice(0..0, (1..=20).map(|i| event(&format!("192.0.2.{i} is blocked for 5m"))));
    for size in [(120, 40), (200, 60)] {
        let screen = text(&state, size);
        assert!(screen.contains("192.0.2.1 is blocked for 5m (and 19 more"), "{screen}");
        assert!(screen.contains("attack: 421 000 SYN/s") && !screen.contains("192.0.2.2 is"), "{screen}");
        let row = screen.lines().find(|line| line.contains("answer syn_cookie_sent")).expect("a reason");
        assert!(row.contains("395k"), "{screen}");
        assert!(!screen.contains(">answer"), "no reason is selected: {screen}");
    }
    assert!(!text(&state, (120, 30)).contains("syn_cookie_sent"), "no room");
}

/// Commands to type are whole on any screen.
#[test]
fn next_step_is_never_cut() {
    let mut situation = attack(AttackKind::Distributed, &[]);
    situation.controller = ControllerLife::Silent { pid: 31_642, seconds: 20 };
    for size in SIZES {
        let screen = text(&flood(situation.clone(), Vec::new()), size);
        let words: Vec<&str> = screen.split_whitespace().collect();
        let joined = words.join(" ");
        assert!(joined.contains("kill -KILL 31642, then synguard attach eth0"), "{size:?}:\n{screen}");
    }
}

#[test]
fn cookies_that_nobody_raised_are_on_demand() {
    let calm =
        Situation { phase: Phase::Calm, cookies: CookieSender::Unchanged, ..attack(AttackKind::Mixed, &[]) };
    let mut state = flood(calm, Vec::new());
    for (syncookies, words) in
        [(1, "SYN cookies: on demand"), (0, "SYN cookies: off"), (2, "sent by the kernel")]
    {
        state.view.as_mut().expect("a view").syncookies = Some(syncookies);
        let screen = text(&state, (120, 40));
        assert!(screen.contains(words), "{words}:\n{screen}");
    }
}

#[test]
fn header_has_no_words_of_its_own() {
    for size in SIZES {
        let state = state(3, true);
        let screen = text(&state, size);
        let header: String = screen.lines().take(6).collect::<Vec<_>>().join("\n");
        for word in ["distinct", "table", "sysctl", "listen", "queue", "crowded", "pressure", "read 100%"] {
            assert!(!header.contains(word), "{word}, {size:?}:\n{header}");
        }
    }
}

#[test]
fn charts_have_two_axes() {
    for (size, count) in [((80, 24), 3), ((120, 40), 4), ((200, 60), 4)] {
        let screen = text(&state(0, true), size);
        let titles = screen.lines().find(|line| line.starts_with("SYNs in")).expect("titles");
        let all = ["SYNs in", "not passed", "accepted", "sources"];
        assert!(all.iter().take(count).all(|title| titles.contains(title)), "{titles}");
        assert!(!titles.contains('…'), "{titles}");
        let below = screen.lines().find(|line| line.contains("-3m")).expect("a time axis");
        assert_eq!(below.matches("now").count(), count, "{screen}");
    }
}

#[test]
fn silent_sources_are_below_a_line() {
    let sources = vec![
        source("192.0.2.1", 0, 98 * SECOND),
        source("192.0.2.2", 0, 90 * SECOND),
        source("192.0.2.3", 0, 30 * SECOND),
    ];
    let state = flood(attack(AttackKind::Distributed, &[]), sources);
    for size in SIZES {
        let screen = text(&state, size);
        let at = |word: &str| screen.lines().position(|line| line.contains(word));
        let (first, line, second) = (at("192.0.2.1 "), at("── silent for 5 s"), at("192.0.2.2 "));
        assert!(first.is_some() && first < line && line < second, "{screen}");
        assert!(screen.contains("(1 more for a minute)") && at("192.0.2.3 ").is_none(), "{screen}");
    }
}

#[test]
fn selected_row_that_moves_away_leaves_the_top_in_view() {
    let mut state = state(10_000, false);
    state.moved[0] = true;
    state.chosen[0] = 254;
    for size in SIZES {
        let screen = text(&state, size);
        let rows: Vec<&str> = screen.lines().skip_while(|line| !line.contains("SOURCE")).skip(1).collect();
        assert!(!rows[0].starts_with('>') && !rows[0].contains("above"), "{screen}");
        let at = screen.lines().position(|line| line.starts_with('>')).expect("a selected row");
        let above = screen.lines().nth(at - 1).expect("a line");
        assert!(above.contains("the selected row is 255 of 10000; g: first row"), "{screen}");
        assert!(size.0 < 80 || screen.contains("g follow the first row"), "{screen}");
    }
    state.first[0] = 250;
    let screen = text(&state, (80, 24));
    assert!(screen.contains("── ↑ 250 rows above; g: first row"), "{screen}");
}

#[test]
fn wide_screen_has_events_beside_the_sources_and_then_the_explanation() {
    let sources = vec![source("192.0.2.1", 500, 100 * SECOND), source("192.0.2.2", 5, 100 * SECOND)];
    let mut state = flood(attack(AttackKind::Mixed, &[("192.0.2.1", 500.0)]), sources);
    for size in [(120, 40), (200, 60)] {
        let screen = text(&state, size);
        let heading = screen.lines().find(|line| line.contains("SOURCE")).expect("a heading");
        assert!(heading.contains("TIME (CET)") && heading.contains("EVENTS"), "{screen}");
        assert!(screen.contains("421 000 SYN/s"), "{screen}");
    }
    assert!(!text(&state, (80, 24)).contains("EVENTS"));
    state.moved[0] = true;
    state.kept = state.chosen_source().map(|row| row.key);
    let lines =
        ["a SYN from 192.0.2.1 now", "verdict          drop: hold", "=> hold          in hold for 9 s"];
    state.explanation =
        state.kept.map(|key| SourceExplanation { key, lines: lines.map(str::to_owned).to_vec() });
    let screen = text(&state, (120, 40));
    assert!(screen.contains("=> hold          in hold for 9 s") && !screen.contains("EVENTS"), "{screen}");
    // On the smallest screen the rule that decides has a place.
    state.mode = InputMode::Detail;
    let explanation = state.explanation.as_mut().expect("an explanation");
    explanation.lines.splice(2..2, (0..9).map(|i| format!("   rule {i}         passes")));
    let screen = text(&state, (60, 15));
    assert!(screen.contains("=> hold          in hold for 9 s"), "{screen}");
    assert!(screen.contains("source   192.0.2.1  hold"), "{screen}");
}

#[test]
fn monitor_mode_says_what_would_happen() {
    let situation = Situation { enforcement: Enforcement::Monitor, ..attack(AttackKind::Concentrated, &[]) };
    let row = |status, address| Row { status, ..source(address, 500, 100 * SECOND) };
    let sources = vec![
        row(SourceStatus::Hold, "192.0.2.1"),
        row(SourceStatus::Blocked, "192.0.2.2"),
        row(SourceStatus::Ok, "2001:db8:1234:5678::"),
    ];
    let mut state = flood(situation, sources);
    for size in SIZES {
        let screen = text(&state, size);
        for word in ["would drop", "would hold", "would block", "2001:db8:1234:5678::/64"] {
            assert!(screen.contains(word), "{word}, {size:?}:\n{screen}");
        }
        for word in ["dropped ", " hold  ", "blocked "] {
            let rows = screen.lines().skip_while(|line| !line.contains("SOURCE"));
            let list: Vec<String> = rows.map(|line| line.chars().take(60).collect()).collect();
            let found = list.iter().find(|line| line.replace("would ", "would_").contains(word));
            assert_eq!(found, None, "{word}, {size:?}:\n{screen}");
        }
    }
    state.mode = InputMode::Detail;
    assert!(text(&state, (80, 24)).contains("would have been dropped"));
}

#[test]
fn terminal_without_utf8_gets_ascii() {
    for tab in Tab::ALL {
        let mut state = AppState { tab, ..state(10, true) };
        state.first[tab as usize] = 2;
        for mode in [InputMode::Browse, InputMode::Detail] {
            state.mode = mode;
            for (width, height) in SIZES {
                let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
                let palette = Palette { colour: true, ascii: true };
                terminal.draw(|frame| _ = draw(&state, frame, palette)).expect("drawn");
                let screen = lines(terminal.backend().buffer()).join("\n");
                assert!(screen.is_ascii(), "{tab:?}:\n{screen}");
            }
        }
    }
}

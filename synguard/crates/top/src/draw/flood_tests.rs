//! What the screen shows in floods, at four sizes.

use ratatui::{Terminal, backend::TestBackend};
use synguard_common::{abi::Counter, reason::Reason};
use synguard_model::{
    attack::{AttackKind, Phase},
    situation::{ControllerLife, CookieSender, Enforcement, Situation, SynRates, TopSource, Visitors},
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
fn flood(situation: Situation, sources: Vec<Row>) -> AppState {
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

fn attack(kind: AttackKind, top: &[(&str, f64)]) -> Situation {
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
            "response  XDP sends SYN cookies: 395k/s; 28k/s dropped over a limit; 1k/s passed",
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
            "response  XDP sends SYN cookies: 395k/s; 28k/s dropped over…",
            "visitors  61 conn/s accepted, as in calm (63); lost 0 SYNs/s",
            "next      to stop it now: press b on 192.0.2.9",
        ],
        "{screen}"
    );
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
        let all = ["SYNs in", "stopped", "accepted", "sources"];
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

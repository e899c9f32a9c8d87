//! Renders every tab on screens of four sizes, with no rows, one and many, and with hostile names.

use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};
use synguard_common::{abi::Counter, reason::Reason};
use synguard_model::{
    attack::{AttackKind, Phase},
    list_entry::Scope,
    situation::{ControllerLife, Situation, SynRates, TopSource, Visitors},
    source::{SourceStatus, key_of},
};

use super::*;
use crate::{
    list_edit::ListEdit,
    sources::{Row, Sort},
    view_model::{Cost, EventRow, Gauge, InterfaceRow, ListRow, ListenerCounts, TopView},
};

pub(super) const SIZES: [(u16, u16); 4] = [(60, 15), (80, 24), (120, 40), (200, 60)];
const HOSTILE: &str =
    "\u{1b}[2J\u{202e}\r\n日本語 and so on and on, longer than any column will ever be, and longer";

/// Returns a view with the given number of rows everywhere and with extreme numbers.
fn view(rows: usize, large: bool) -> TopView {
    let figure = if large { u64::MAX / 64 } else { 1 };
    let mut counters = synguard_model::snapshot::Counters::default();
    for &reason in Reason::ALL {
        counters.add(reason, &Counter { packets: figure, bytes: figure });
    }
    let row = |i: usize| Row {
        key: key_of(if i.is_multiple_of(2) {
            std::net::Ipv4Addr::from(0xc000_0200 + i as u32).into()
        } else {
            std::net::Ipv6Addr::from(0x2001_0db8_ffff_ffff_0000_0000_0000_0000 + ((i as u128) << 64)).into()
        }),
        fresh: figure,
        syn_rate: figure as f64,
        syn_total: figure,
        dropped: figure,
        status: [SourceStatus::Ok, SourceStatus::Hold, SourceStatus::Blocked, SourceStatus::Allowed][i % 4],
        ..Row::default()
    };
    let listed = |i: usize| ListRow {
        status: SourceStatus::Blocked,
        target: format!("192.0.2.{i}"),
        origin: "manual".to_owned(),
        scope: "all".to_owned(),
        hits: figure,
        rate: figure as f64,
        seconds_left: large.then_some(figure),
        reason: HOSTILE.to_owned(),
    };
    let happening =
        |i: usize| EventRow { at: format!("{i:08}"), kind: HOSTILE.to_owned(), text: HOSTILE.to_owned() };
    TopView {
        at_ns: if large { 1 << 62 } else { 1 },
        read_seconds: large.then_some(3),
        clock: "12:01:32".to_owned(),
        zone: "CET".to_owned(),
        situation: situation(figure, large),
        instance: HOSTILE.to_owned(),
        interfaces: vec![InterfaceRow { name: HOSTILE.to_owned(), place: "native".to_owned() }; rows.min(3)],
        counters,
        distinct: figure,
        listeners: Some(ListenerCounts { accepted: figure, drops: figure }),
        tracked: Gauge { used: figure, capacity: figure },
        in_hold: figure,
        under_pressure: large,
        v6_length: 64,
        sources: (0..rows).map(row).collect(),
        coverage: if large { 1.0 } else { 0.001 },
        prefixes: (0..rows).map(row).collect(),
        list_rows: (0..rows).map(listed).collect(),
        events: (0..rows).map(happening).collect(),
        cost: Cost { cpu: if large { 50.0 } else { 0.0 }, table_cpu_ns: 1 },
        ..TopView::default()
    }
}

/// Returns an attack with extreme numbers, or a calm.
fn situation(figure: u64, large: bool) -> Situation {
    Situation {
        instance: HOSTILE.to_owned(),
        filtered: vec![HOSTILE.to_owned()],
        controller: ControllerLife::Responding,
        phase: if large { Phase::Attack } else { Phase::Calm },
        kind: large.then_some(AttackKind::Concentrated),
        phase_seconds: Some(figure),
        syns: SynRates { passed: figure as f64, dropped: figure as f64, ..SynRates::default() },
        distinct_sources: figure,
        top_sources: vec![TopSource {
            source: "192.0.2.1".to_owned(),
            rate: figure as f64,
            status: SourceStatus::Hold,
        }],
        visitors: Visitors { accepted_rate: Some(figure as f64), calm_rate: None, lost_rate: Some(0.0) },
        ..Situation::default()
    }
}

pub(super) fn state(rows: usize, large: bool) -> AppState {
    let mut state = AppState::default();
    state.update(TopView {
        at_ns: 0,
        counters: synguard_model::snapshot::Counters::default(),
        ..view(rows, false)
    });
    state.update(view(rows, large));
    state
}

pub(super) fn render(state: &AppState, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| _ = draw(state, frame, Palette { colour: true, ascii: false })).expect("drawn");
    terminal.backend().buffer().clone()
}

pub(super) fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let line =
        |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    buffer.content.chunks(width).map(line).collect()
}

pub(super) fn text(state: &AppState, size: (u16, u16)) -> String {
    lines(&render(state, size)).join("\n")
}

#[test]
fn every_tab_fits_every_screen_whatever_is_in_it() {
    for size in SIZES {
        for rows in [0, 1, 10_000] {
            for large in [false, true] {
                let mut state = state(rows, large);
                for tab in Tab::ALL {
                    state.tab = tab;
                    for chosen in [0, rows / 2, rows] {
                        state.chosen[tab as usize] = chosen;
                        state.clamp();
                        let screen = text(&state, size);
                        let what = format!("{tab:?} {size:?} {rows} rows, large {large}:\n{screen}");
                        assert!(!screen.contains(['\u{1b}', '\u{202e}', '\r']), "{what}");
                        for word in ["sources", "response", "visitors", "next", "CPU"] {
                            assert!(screen.contains(word), "no {word}; {what}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn header_lines_fit_the_smallest_screen() {
    for large in [false, true] {
        for line in header::lines(&state(3, large), 60, Palette::default()) {
            assert!(line.width() <= 60, "{}: {line}", line.width());
        }
    }
}

#[test]
fn nothing_moves_sideways_when_figures_change() {
    for size in SIZES {
        for tab in Tab::ALL {
            let (mut small, mut large) = (state(3, false), state(3, true));
            (small.tab, large.tab) = (tab, tab);
            let (small, large) = (text(&small, size), text(&large, size));
            for word in [" passed", " answered", " dropped ", "state ", "pkt/s ", "packets/s"] {
                let at = |screen: &str| -> Vec<Option<usize>> {
                    // The answers are sentences.
                    screen
                        .lines()
                        .skip(5)
                        .map(|line| line.find(word).map(|at| line[..at].chars().count()))
                        .collect()
                };
                assert_eq!(at(&small), at(&large), "{word}, {tab:?} {size:?}:\n{small}\n{large}");
            }
        }
    }
}

#[test]
fn a_row_is_whole_on_the_smallest_screen() {
    let mut state = AppState::default();
    let row = Row {
        key: key_of("2001:db8:1234:5678::".parse().expect("an address")),
        syn_rate: 123_456.0,
        syn_total: 9_876_543,
        dropped: 8_765_432,
        status: SourceStatus::Blocked,
        last_seen_ns: 1,
        ..Row::default()
    };
    state.update(TopView {
        sources: vec![row],
        v6_length: 64,
        at_ns: 59_000_000_001,
        read_ns: 59_000_000_001,
        ..TopView::default()
    });
    let screen = text(&state, (60, 15));
    assert!(screen.contains("2001:db8:1234:5678::/64"), "{screen}");
    for cell in ["  123k ", " 9.87M ", " 8.76M ", " blocked ", "  59s"] {
        assert!(screen.contains(cell), "{cell}: {screen}");
    }
    let row = screen.lines().find(|line| line.contains("2001")).expect("a row");
    assert!(!row.contains('…'), "{screen}");
}

#[test]
fn the_line_chosen_is_always_on_the_screen_and_marked() {
    for chosen in [0, 1, 9, 500, 9_999] {
        let mut state = state(10_000, false);
        state.sort = Sort::Total;
        state.chosen[0] = chosen;
        let screen = text(&state, (60, 15));
        let marked = screen.lines().filter(|line| line.starts_with('>')).count();
        assert_eq!(marked, 1, "{chosen}: {screen}");
        assert!(screen.contains(&format!("{}/10000", chosen + 1)), "{screen}");
    }
}

#[test]
fn a_screen_too_small_says_so_and_any_size_is_drawn() {
    let mut state = state(10, true);
    state.message = Some(HOSTILE.to_owned());
    assert!(text(&state, (40, 10)).contains("60 x 15"));
    for width in [1, 2, 59, 60, 61, 119] {
        for height in [1, 2, 14, 15, 19, 20, 29, 31, 51] {
            for tab in Tab::ALL {
                state.tab = tab;
                render(&state, (width, height));
            }
        }
    }
}

#[test]
fn dialogs_say_what_will_be_done() {
    let mut state = state(3, true);
    let add = |scope| ListEdit::Add {
        status: SourceStatus::Blocked,
        target: "192.0.2.7".to_owned(),
        time: None,
        scope,
    };
    let keys = "← → duration  s all packets  Enter block  Esc cancel";
    for (mode, needles) in [
        (
            InputMode::Confirm(add(Scope::Syn), 1),
            &["Block 192.0.2.7: its SYNs are dropped", "for 15m", "permanently", "[SYNs only]", keys][..],
        ),
        (InputMode::Confirm(add(Scope::All), 1), &["all its packets", "[all packets]", "s SYNs only"]),
        (InputMode::Confirm(add(Scope::All), 5), &["Block 192.0.2.7 permanently?", "Enter block"]),
        (InputMode::Detail, &["source", "rate", "dropped", "first "]),
    ] {
        state.mode = mode;
        state.tab = Tab::Sources;
        for size in SIZES {
            let screen = text(&state, size);
            for needle in needles {
                assert!(screen.contains(needle), "{needle}, {size:?}:\n{screen}");
            }
        }
    }
    state.mode = InputMode::Detail;
    for (tab, needle) in [(Tab::Prefixes, "first "), (Tab::Lists, "and longer"), (Tab::Events, "and longer")]
    {
        state.tab = tab;
        for size in SIZES {
            let screen = text(&state, size);
            assert!(
                screen.contains(needle) && !screen.contains("and long…"),
                "{needle}, {size:?}:\n{screen}"
            );
        }
    }
    state.tab = Tab::Sources;
    state.mode = InputMode::Filter;
    state.filter = "192.0".to_owned();
    assert!(text(&state, (60, 15)).contains("filter: 192.0_"));
}

#[test]
fn errors_are_shown() {
    let mut state = AppState::default();
    assert!(text(&state, (60, 15)).contains("reading the filter"));
    state.fail("not attached: run `synguard attach IFACE` first".to_owned());
    assert!(text(&state, (60, 15)).contains("not attached"));
    let mut state = self::state(3, false);
    state.fail("the filter is gone".to_owned());
    state.paused = true;
    let screen = text(&state, (60, 15));
    assert!(screen.contains("the filter is gone") && screen.contains("PAUSED"), "{screen}");
}

#[test]
fn without_colours_no_cell_has_one() {
    let mut state = state(10, true);
    for tab in Tab::ALL {
        state.tab = tab;
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
        terminal
            .draw(|frame| _ = draw(&state, frame, Palette { colour: false, ascii: false }))
            .expect("drawn");
        let plain = ratatui::style::Color::Reset;
        let cells = &terminal.backend().buffer().content;
        assert!(cells.iter().all(|cell| cell.fg == plain && cell.bg == plain), "{tab:?}");
    }
}

//! Renders every tab on screens of three sizes, with no rows, one and many, and with hostile names.

use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};
use synguard_common::{abi::Counter, reason::Reason};
use synguard_model::{
    attack::Phase,
    source::{SourceStatus, key_of},
};

use super::*;
use crate::{
    list_edit::ListEdit,
    sources::{Row, Sort},
    view_model::{CookieState, Cost, EventRow, Gauge, InterfaceRow, ListRow, ListenDrops, TopView},
};

const SIZES: [(u16, u16); 3] = [(60, 15), (80, 24), (200, 60)];
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
        origin: "operator".to_owned(),
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
        instance: HOSTILE.to_owned(),
        interfaces: vec![InterfaceRow { name: HOSTILE.to_owned(), place: "native".to_owned() }; rows.min(3)],
        phase: if large { Phase::Attack } else { Phase::Calm },
        kind: large.then(|| "concentrated".to_owned()),
        phase_seconds: Some(figure),
        counters,
        distinct: figure,
        distinct_limit: figure,
        cookies: CookieState { mode: "kernel".to_owned(), sysctl: Some(1), timestamps: Some(1) },
        listeners: Some(ListenDrops { drops: figure, queue_full: figure }),
        tracked: Gauge { used: figure, capacity: figure },
        in_hold: figure,
        under_pressure: large,
        v6_length: 64,
        sources: (0..rows).map(row).collect(),
        coverage: if large { 1.0 } else { 0.001 },
        prefixes: (0..rows).map(row).collect(),
        list_rows: (0..rows).map(listed).collect(),
        events: (0..rows).map(happening).collect(),
        cost: Cost { cpu: if large { 50.0 } else { 0.0 }, reading_ms: 1.0 },
        ..TopView::default()
    }
}

fn state(rows: usize, large: bool) -> AppState {
    let mut state = AppState::default();
    state.update(TopView {
        at_ns: 0,
        counters: synguard_model::snapshot::Counters::default(),
        ..view(rows, false)
    });
    state.update(view(rows, large));
    state
}

fn render(state: &AppState, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| draw(state, frame, Palette { colour: true })).expect("drawn");
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let line =
        |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    buffer.content.chunks(width).map(line).collect()
}

fn text(state: &AppState, size: (u16, u16)) -> String {
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
                        for word in
                            ["in ", "passed", "dropped", "answered", "distinct", "cookies", "queue", "CPU"]
                        {
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
fn the_title_gives_up_what_matters_least() {
    let view = |instance: &str| TopView {
        instance: instance.to_owned(),
        interfaces: vec![InterfaceRow { name: "eth0".to_owned(), place: "native".to_owned() }],
        phase: Phase::Attack,
        kind: Some("concentrated+distributed".to_owned()),
        phase_seconds: Some(720),
        controller: Some(1),
        ..TopView::default()
    };
    let title = |view: TopView, width| {
        let mut state = AppState::default();
        state.update(view);
        text(&state, (width, 15)).lines().next().expect("a title").to_owned()
    };
    let wide = "synguard default   ATTACK  concentrated+distributed for 12m";
    assert!(title(view("default"), 80).starts_with(wide), "{}", title(view("default"), 80));
    let narrow = "default   ATTACK  concentrated+distributed 12m   eth0 native";
    assert_eq!(title(view("default"), 60), narrow);
    assert!(
        title(view("a-longer-name"), 60).ends_with("12m  eth0 …"),
        "{}",
        title(view("a-longer-name"), 60)
    );
    let alone = TopView { controller: None, ..view("default") };
    assert!(title(alone, 100).ends_with(" no controller, eth0 native"));
}

#[test]
fn titles_of_charts_are_whole() {
    for size in [(80, 24), (120, 30), (200, 60)] {
        let screen = text(&state(0, true), size);
        let titles = screen.lines().nth(4).expect("a line of titles");
        assert!(titles.contains("distinct") && !titles.contains('…'), "{titles}");
    }
}

#[test]
fn nothing_moves_sideways_when_figures_change() {
    for size in SIZES {
        for tab in Tab::ALL {
            let (mut small, mut large) = (state(3, false), state(3, true));
            (small.tab, large.tab) = (tab, tab);
            let (small, large) = (text(&small, size), text(&large, size));
            for word in
                ["passed", "answered", "table", "hold", "queue", "dropped ", "state ", "pkt/s ", "packets/s"]
            {
                let at = |screen: &str| -> Vec<Option<usize>> {
                    screen.lines().map(|line| line.find(word).map(|at| line[..at].chars().count())).collect()
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
    state.update(TopView { sources: vec![row], v6_length: 64, at_ns: 60_000_000_001, ..TopView::default() });
    let screen = text(&state, (60, 15));
    assert!(screen.contains("2001:db8:1234:5678::/64"), "{screen}");
    for cell in ["  123k ", " 9.87M ", " 8.76M ", " blocked ", "   1m"] {
        assert!(screen.contains(cell), "{cell}: {screen}");
    }
    assert!(!screen.contains('…'), "{screen}");
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
    let add = ListEdit::Add { status: SourceStatus::Blocked, target: "192.0.2.7".to_owned(), time: None };
    for (mode, needles) in [
        (InputMode::Confirm(add.clone(), 1), &["Block 192.0.2.7", "for 15m", "for good", "Esc"][..]),
        (InputMode::Confirm(add, 5), &["Block 192.0.2.7 for good?", "Enter"]),
        (InputMode::Detail, &["source", "rate", "dropped", "seen"]),
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
    for (tab, needle) in [(Tab::Prefixes, "seen"), (Tab::Lists, "and longer"), (Tab::Events, "and longer")] {
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
    assert!(text(&state, (60, 15)).contains("looking"));
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
        terminal.draw(|frame| draw(&state, frame, Palette { colour: false })).expect("drawn");
        let plain = ratatui::style::Color::Reset;
        let cells = &terminal.backend().buffer().content;
        assert!(cells.iter().all(|cell| cell.fg == plain && cell.bg == plain), "{tab:?}");
    }
}

//! Draws the lines at the top: the phase, the number of attackers, the response and its effect.

use ratatui::text::{Line, Span};
use synguard_model::attack::Phase;
use unicode_width::UnicodeWidthStr as _;

use crate::{
    format::{age, fit, left, percent, rate, right, short, wrap::wrap},
    palette::Palette,
    state::AppState,
    view_model::{InterfaceRow, TopView},
};

/// The title of the screen.
const OWN: &str = "synguard ";
/// The least width of a screen with room for every rate of SYNs in one line, in columns.
const WIDE: usize = 76;
/// Width of a number, in columns.
const FIGURE: usize = 5;

/// Returns the lines, none of them wider than the screen.
pub(super) fn lines(state: &AppState, width: usize, palette: Palette) -> Vec<Line<'static>> {
    let Some(view) = &state.view else {
        let text = state.error.as_deref().unwrap_or("looking …");
        return wrap(text, width, 4).into_iter().map(Line::raw).collect();
    };
    let mut lines = vec![
        title(state, view, width, palette),
        syns(state, view.monitor, width, palette),
        tables(state, view, width, palette),
        kernel(state, view, palette),
    ];
    for text in [&view.arming, &state.error].into_iter().flatten() {
        lines.extend(wrap(text, width, 2).into_iter().map(|line| Line::styled(line, palette.alert())));
    }
    lines
}

fn title(state: &AppState, view: &TopView, width: usize, palette: Palette) -> Line<'static> {
    let phase = match view.phase {
        Phase::Attack => " ATTACK ".to_owned(),
        phase => phase.name().to_owned(),
    };
    let kind = view.kind.as_deref().map(|kind| format!(" {kind}")).unwrap_or_default();
    let about = |word: &str| {
        let since = view.phase_seconds.map(|seconds| format!(" {word}{}", age(seconds)));
        kind.clone() + &since.unwrap_or_default()
    };
    let paused = if state.paused { " PAUSED " } else { "" };
    let name = fit(&view.instance, 16);
    let places = places(view);
    let needed = |own: &str, about: &str| {
        own.len() + name.width() + 2 + phase.width() + about.width() + 1 + paused.width() + 1
    };
    // A narrow screen omits first the title, then a word, then some of the interfaces.
    let ways = [(OWN, about("for ")), ("", about("for ")), ("", about(""))];
    let fits = |(own, about): &&(&str, String)| needed(own, about) + places.width() <= width;
    let (own, about) = ways.iter().find(fits).unwrap_or(&ways[2]).clone();
    let room = width.saturating_sub(needed(own, &about));
    Line::from(vec![
        Span::styled(own, palette.label()),
        Span::styled(name, palette.strong()),
        Span::raw("  "),
        Span::styled(phase, palette.phase(view.phase)),
        Span::raw(about),
        Span::raw(" "),
        Span::styled(paused, palette.alert()),
        Span::raw(" "),
        Span::raw(right(&places, room)),
    ])
}

/// Returns the interfaces of the filter and the state of its controller.
fn places(view: &TopView) -> String {
    let place = |interface: &InterfaceRow| format!("{} {}", fit(&interface.name, 15), interface.place);
    let places: Vec<String> = view.interfaces.iter().map(place).collect();
    let places = if places.is_empty() { "on no interface".to_owned() } else { places.join(", ") };
    match (view.controller, view.controller_silence) {
        (None, _) => format!("no controller, {places}"),
        (_, Some(seconds)) => format!("controller silent {}, {places}", age(seconds)),
        _ => places,
    }
}

/// Returns labelled numbers in fixed columns.
fn figures(lead: &str, figures: &[(&str, String, usize)], palette: Palette) -> Line<'static> {
    let mut spans = vec![Span::styled(lead.to_owned(), palette.label())];
    for (i, (name, figure, columns)) in figures.iter().enumerate() {
        let gap = if i == 0 && lead.is_empty() { "" } else { "  " };
        spans.push(Span::styled(format!("{gap}{name} "), palette.label()));
        spans.push(Span::styled(right(figure, *columns), palette.strong()));
    }
    Line::from(spans)
}

/// Returns the rates of SYNs to guarded ports: all, and the parts of them. In monitor mode those that would be dropped or
/// blocked passed, too, but stand apart. A narrow screen shows the blocked ones in the next line, see [`tables`].
fn syns(state: &AppState, monitor: bool, width: usize, palette: Palette) -> Line<'static> {
    let fates = state.per_second.counted.syn_fates();
    let figure = |count: u64| rate(state.per_second.of(count));
    let (passed, dropped) = if monitor {
        (fates.passed - fates.would_drop, fates.would_drop)
    } else {
        (fates.passed, fates.dropped)
    };
    let mut values = vec![
        ("in", figure(fates.total()), FIGURE),
        ("passed", figure(passed), FIGURE),
        (if monitor { "would" } else { "dropped" }, figure(dropped), FIGURE),
        ("answered", figure(fates.answered), FIGURE),
    ];
    if width >= WIDE {
        values.push(("blocked", figure(fates.blocked), FIGURE));
    }
    figures("SYN/s", &values, palette)
}

fn tables(state: &AppState, view: &TopView, width: usize, palette: Palette) -> Line<'static> {
    let limit = match view.distinct_limit {
        0 => "-".to_owned(),
        limit => short(limit),
    };
    let share = view.tracked.used as f64 / view.tracked.capacity.max(1) as f64;
    let of = |used: u64, of: &str| format!("{}/{of}", right(&short(used), FIGURE));
    let table = of(view.tracked.used, &short(view.tracked.capacity));
    let blocked = state.per_second.of(state.per_second.counted.syn_fates().blocked);
    let last = if width >= WIDE {
        ("hold", short(view.in_hold), FIGURE)
    } else {
        ("blocked", rate(blocked), FIGURE)
    };
    figures(
        "",
        &[
            ("distinct", left(&of(view.distinct, &limit), 11), 11),
            ("table", format!("{} {:>4}", left(&table, 11), percent(share)), 16),
            last,
        ],
        palette,
    )
}

fn kernel(state: &AppState, view: &TopView, palette: Palette) -> Line<'static> {
    let sysctl = |value: Option<u8>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let [cookies, timestamps] = [view.cookies.sysctl, view.cookies.timestamps].map(sysctl);
    let per_second = &state.per_second;
    let of = |count: u64| {
        if view.listeners.is_some() { rate(per_second.of(count)) } else { "-".to_owned() }
    };
    figures(
        "",
        &[
            ("cookies", left(&view.cookies.mode, 6), 6),
            ("sysctl", format!("{cookies}/{timestamps}"), 3),
            ("drop/s listen", of(per_second.listen_drops), FIGURE),
            ("queue", of(per_second.queue_full), FIGURE),
        ],
        palette,
    )
}

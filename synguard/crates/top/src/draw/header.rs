//! Draws the lines at the top. They answer what an operator asks first: Is there an attack? Who sends it? What is done about it?
//! Are visitors served? What is there to do?

use ratatui::text::{Line, Span};
use synguard_model::{
    attack::Phase,
    instance_name::DEFAULT_NAME,
    situation::{CookieSender, Situation},
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    format::{
        fit, left, rate, right,
        squeeze::{squeeze, squeeze_lines},
        wrap::wrap,
    },
    palette::Palette,
    state::AppState,
    view_model::{InterfaceRow, TopView},
};

/// Width of a label, in columns.
const LABEL: usize = 10;
/// Width of a number, in columns.
const FIGURE: usize = 5;
/// Minimum width, in columns, for the rate of blocked SYNs beside the others.
const BLOCKED_FROM: usize = 76;
/// Minimum width, in columns, for the interfaces in the first line.
const PLACES_FROM: usize = 100;
/// Returns the lines, none of them wider than the screen.
pub(super) fn lines(state: &AppState, width: usize, palette: Palette) -> Vec<Line<'static>> {
    let Some(view) = &state.view else {
        let text = state.error.as_deref().unwrap_or("reading the filter …");
        return wrap(text, width, 4).into_iter().map(Line::raw).collect();
    };
    let situation = &view.situation;
    let mut lines = vec![headline(state, view, width, palette)];
    let answers = [
        ("sources", situation.sources()),
        ("response", situation.response()),
        ("visitors", situation.visitors()),
        ("next", next(situation)),
    ];
    for (label, text) in answers {
        let room = width.saturating_sub(LABEL);
        // A command is never cut.
        let texts = if label == "next" { squeeze_lines(&text, room) } else { vec![squeeze(&text, room)] };
        for (i, text) in texts.into_iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            lines.push(Line::from(vec![Span::styled(left(label, LABEL), palette.label()), Span::raw(text)]));
        }
    }
    for text in [situation.warning().as_ref(), state.error.as_ref()].into_iter().flatten() {
        lines.extend(wrap(text, width, 2).into_iter().map(|line| Line::styled(line, palette.alert())));
    }
    lines
}

/// Returns the answer to what there is to do. A key does it where one exists.
fn next(situation: &Situation) -> String {
    match situation.blockable().as_slice() {
        [] => situation.next(),
        sources => situation.block_step(sources.len(), &format!("press b on {}", sources.join(", "))),
    }
}

/// Returns the first line: the attack, and at the right the interfaces and the time of day where there is room.
fn headline(state: &AppState, view: &TopView, width: usize, palette: Palette) -> Line<'static> {
    let paused = if state.paused { " PAUSED " } else { "" };
    let room = width.saturating_sub(paused.width() + usize::from(state.paused));
    let text = squeeze(&view.situation.headline(), room);
    let phase = view.situation.phase;
    let spans = match text.split_at_checked("ATTACK".len()).filter(|_| phase == Phase::Attack) {
        Some((word, rest)) => vec![
            Span::styled(word.to_owned(), palette.phase(phase)),
            Span::styled(rest.to_owned(), palette.strong()),
        ],
        None => vec![Span::styled(text, palette.phase(phase))],
    };
    let mut line = Line::from(spans);
    if state.paused {
        line.push_span(Span::raw(" "));
        line.push_span(Span::styled(paused, palette.alert()));
    }
    let rest = width.saturating_sub(line.width());
    if width >= PLACES_FROM
        && let Some(place) = places(view).into_iter().find(|place| place.width() + 2 <= rest)
    {
        line.push_span(Span::styled(right(&place, rest), palette.label()));
    }
    line
}

/// Returns the notes at the right of the tabs, the longest first: how the sources are read, or on a narrow screen, what the first
/// line has no room for.
pub(super) fn notes(state: &AppState, width: usize) -> Vec<String> {
    let Some(view) = &state.view else { return Vec::new() };
    if width < PLACES_FROM {
        return places(view);
    }
    let list = view.read_seconds.map(|seconds| format!("list read every {seconds} s"));
    let slow = view.under_pressure.then(|| "sources with few SYNs not listed".to_owned());
    let mut notes: Vec<String> = slow.into_iter().chain(list).collect();
    if notes.len() > 1 {
        notes.insert(0, notes.join("; "));
    }
    notes
}

/// Returns the place of the filter and the time of day, in forms of decreasing length.
fn places(view: &TopView) -> Vec<String> {
    let place = |interface: &InterfaceRow| format!("{} {}", fit(&interface.name, 15), interface.place);
    let instance = if view.instance == DEFAULT_NAME {
        String::new()
    } else {
        format!("{} on ", fit(&view.instance, 16))
    };
    let all = match view.interfaces.as_slice() {
        [] => "on no interface".to_owned(),
        [first] => place(first),
        [first, others @ ..] => format!("{} and {} more", place(first), others.len()),
    };
    let clock = format!("{} {}", view.clock, view.zone);
    vec![format!("{instance}{all}  {clock}"), format!("{all}  {clock}"), clock]
}

/// Returns the line of SYN rates: all, and the parts of them. In monitor mode those that would be dropped or blocked passed, too,
/// but stand apart.
pub(super) fn figures(state: &AppState, width: usize, palette: Palette) -> Option<Line<'static>> {
    let view = state.view.as_ref()?;
    let fates = state.per_second.counted.syn_fates();
    let figure = |count: u64| rate(state.per_second.of(count));
    let values = if view.drops_nothing() {
        vec![
            (figure(fates.total()), "in"),
            (figure(fates.passed - fates.would_drop), "passed"),
            (figure(fates.would_drop), "would drop"),
        ]
    } else {
        let (dropped, blocked) = (figure(fates.dropped), figure(fates.blocked));
        let together = figure(fates.dropped + fates.blocked);
        let is_wide = width >= BLOCKED_FROM;
        let mut values = vec![
            (figure(fates.total()), "in"),
            (figure(fates.passed), "passed"),
            (if is_wide { dropped } else { together }, "dropped"),
            (figure(fates.answered), "answered"),
        ];
        if is_wide {
            values.push((blocked, "blocked"));
        }
        values
    };
    let mut spans = vec![Span::styled(left("SYN/s", LABEL - 3), palette.label())];
    for (value, name) in values {
        spans.push(Span::styled(right(&value, FIGURE), palette.strong()));
        spans.push(Span::styled(format!(" {name} "), palette.label()));
    }
    let mut line = Line::from(spans);
    let cookies = format!("SYN cookies: {}", cookies(view));
    let room = width.saturating_sub(line.width());
    if cookies.width() < room {
        line.push_span(Span::styled(right(&cookies, room), palette.label()));
    }
    Some(line)
}

/// Returns who sends SYN cookies, and when.
const fn cookies(view: &TopView) -> &'static str {
    match (view.situation.cookies, view.syncookies) {
        (CookieSender::Xdp { .. }, _) => "sent by XDP",
        (CookieSender::Kernel, _) | (CookieSender::Unchanged, Some(2..)) => "sent by the kernel",
        (CookieSender::Unchanged, Some(1)) => "on demand, by the kernel",
        (CookieSender::Unchanged, Some(0)) => "off (tcp_syncookies=0)",
        (CookieSender::Unchanged, None) => "not known",
    }
}

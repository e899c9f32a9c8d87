//! Draws the state. Pure: the screen depends on nothing else.

mod chart;
mod dialog;
mod empty;
mod events;
mod header;
pub(crate) mod help;
mod lists;
mod reasons;
mod source_rows;
mod table;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    format::{fit, left, percent, plain, wrap::wrap},
    palette::Palette,
    state::{AppState, InputMode, Tab},
};

/// The smallest supported screen, in columns and lines.
pub(crate) const SIZE_MIN: (u16, u16) = (60, 15);
/// Minimum height, in lines, for charts: below it the rows need the space.
const CHARTS_FROM: u16 = 20;
/// Maximum number of lines of a message.
const MESSAGE_LINES: usize = 4;

/// Draws the whole screen.
pub(crate) fn draw(state: &AppState, frame: &mut Frame<'_>, palette: Palette) {
    let area = frame.area();
    if area.width < SIZE_MIN.0 || area.height < SIZE_MIN.1 {
        let text = format!("top needs {} x {}; q quits", SIZE_MIN.0, SIZE_MIN.1);
        let lines = wrap(&text, area.width.into(), area.height.into());
        frame.render_widget(ratatui::text::Text::from_iter(lines), area);
        return;
    }
    let header = header::lines(state, area.width.into(), palette);
    let footer = footer(state, area.width.into(), palette);
    let charts = match area.height {
        ..CHARTS_FROM => 0,
        CHARTS_FROM..30 => 4,
        30..50 => 6,
        50.. => 10,
    };
    let [head, charts, tabs, body, foot] = Layout::vertical([
        Constraint::Length(header.len() as u16),
        Constraint::Length(charts),
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(footer.len() as u16),
    ])
    .areas(area);
    frame.render_widget(ratatui::text::Text::from(header), head);
    if charts.height > 0 {
        chart::draw(state, frame, charts, palette);
    }
    frame.render_widget(tab_line(state, palette), tabs);
    draw_body(state, frame, body, palette);
    frame.render_widget(ratatui::text::Text::from(footer), foot);
    if let InputMode::Confirm(change, time) = &state.mode {
        dialog::confirm(change, *time, frame, body, palette);
    }
}

fn draw_body(state: &AppState, frame: &mut Frame<'_>, area: Rect, palette: Palette) {
    if state.mode == InputMode::Detail {
        return dialog::detail(state, frame, area, palette);
    }
    let table = match state.tab {
        Tab::Sources => source_rows::sources(state, palette),
        Tab::Prefixes => source_rows::prefixes(state, palette),
        Tab::Lists => lists::lists(state, area.width.into(), palette),
        Tab::Events => events::events(state, area.width.into(), palette),
        Tab::Reasons => reasons::reasons(state, area.width.into(), palette),
        Tab::Help => help::table(),
    };
    table.draw(frame, area, state.chosen[state.tab as usize], palette);
}

fn tab_line(state: &AppState, palette: Palette) -> Line<'static> {
    let mut spans = Vec::new();
    for (i, tab) in Tab::ALL.into_iter().enumerate() {
        let style = if tab == state.tab { palette.chosen() } else { Style::new() };
        spans.push(Span::styled(format!("{} {}", i + 1, tab.label()), style));
        spans.push(Span::raw("  "));
    }
    spans.pop();
    Line::from(spans)
}

/// Draws the bottom lines: the message, the filter being typed or the keys; and the cost of `top`.
fn footer(state: &AppState, width: usize, palette: Palette) -> Vec<Line<'static>> {
    if state.mode == InputMode::Filter {
        let text = format!("filter: {}_  Enter keeps it, Esc clears it", plain(&state.filter));
        return vec![Line::styled(fit(&text, width), palette.strong())];
    }
    if let Some(message) = &state.message {
        let lines = wrap(message, width, MESSAGE_LINES);
        return lines.into_iter().map(|line| Line::styled(line, palette.strong())).collect();
    }
    let right = costs(state);
    let room = width.saturating_sub(right.width() + 2);
    vec![Line::from(vec![
        Span::raw(left(&hints(state, room), room)),
        Span::raw("  "),
        Span::styled(right, palette.label()),
    ])]
}

/// Returns as many key hints as fit.
fn hints(state: &AppState, room: usize) -> String {
    let count = state.line_count();
    let at = if count == 0 { 0 } else { state.chosen[state.tab as usize] + 1 };
    let mut text = format!("{at}/{count}");
    if !state.filter.is_empty() {
        text += &format!("  filter: {} (Esc)", plain(&state.filter));
    }
    let keys: &[&str] = match (&state.mode, state.tab) {
        (InputMode::Detail, Tab::Events | Tab::Reasons) => &["Esc back", "↑ ↓ others"],
        (InputMode::Detail, _) => &["Esc back", "b block", "a allow", "u unlist", "z undo"],
        (_, Tab::Sources) => &[
            "q quit",
            "? help",
            "/ filter",
            "s sort",
            "Enter detail",
            "b block",
            "a allow",
            "u unlist",
            "z undo",
        ],
        (_, Tab::Prefixes) => {
            &["q quit", "? help", "/ filter", "s sort", "Enter detail", "b block", "a allow", "u unlist"]
        }
        (_, Tab::Lists) => &["q quit", "? help", "/ filter", "u unlist", "Enter detail", "z undo"],
        (_, Tab::Events) => &["q quit", "? help", "/ filter", "Enter whole text"],
        (_, Tab::Reasons) => &["q quit", "? help", "Enter meaning", "p pause"],
        (_, Tab::Help) => &["q quit", "1-6 tabs", "p pause"],
    };
    for key in keys {
        if text.width() + 2 + key.width() > room {
            break;
        }
        text += "  ";
        text += key;
    }
    text
}

fn costs(state: &AppState) -> String {
    let Some(view) = &state.view else { return String::new() };
    let under_pressure = if view.under_pressure { "pressure  " } else { "" };
    // One decimal: most readings are below one percent of a core.
    let cpu = (view.cost.cpu * 100.0).clamp(0.0, 999.9);
    format!("{under_pressure}read {:>4}  CPU {cpu:>4.1}%", percent(view.coverage))
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;

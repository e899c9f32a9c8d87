//! Draws the state. Pure: the screen depends on nothing else.

mod ascii;
mod chart;
mod confirm;
mod detail;
mod empty;
mod events;
mod footer;
mod header;
pub(crate) mod help;
mod lists;
mod reasons;
mod side;
mod source_rows;
mod table;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span, Text},
};
use unicode_width::UnicodeWidthStr as _;

use self::table::Viewport;
use crate::{
    format::{right, wrap::wrap},
    palette::Palette,
    state::{AppState, InputMode, Tab},
};

/// The smallest supported screen, in columns and lines.
pub(crate) const SIZE_MIN: (u16, u16) = (60, 15);
/// Minimum height, in lines, for charts: below it the rows need the space.
const CHARTS_FROM: u16 = 20;
/// Minimum width, in columns, for events or an explanation beside the sources.
const SIDE_FROM: u16 = 120;
/// Width of the sources, in columns, where something is beside them: the least, and the greatest.
const LIST_WIDTH: (u16, u16) = (60, 80);

/// Draws the whole screen, and returns the number of lines for rows.
pub(crate) fn draw(state: &AppState, frame: &mut Frame<'_>, palette: Palette) -> usize {
    let area = frame.area();
    let page = if area.width < SIZE_MIN.0 || area.height < SIZE_MIN.1 {
        let text = format!("top needs {} x {}; q quits", SIZE_MIN.0, SIZE_MIN.1);
        let lines = wrap(&text, area.width.into(), area.height.into());
        frame.render_widget(Text::from_iter(lines), area);
        0
    } else {
        draw_whole(state, frame, area, palette)
    };
    if palette.ascii {
        ascii::replace(frame.buffer_mut());
    }
    page
}

fn draw_whole(state: &AppState, frame: &mut Frame<'_>, area: Rect, palette: Palette) -> usize {
    let width = usize::from(area.width);
    let mut header = header::lines(state, width, palette);
    let footer = footer::lines(state, width, palette);
    let charts = match area.height {
        ..CHARTS_FROM => 0,
        CHARTS_FROM..30 => 4,
        30..50 => 7,
        50.. => 10,
    };
    if charts > 0 {
        header.extend(header::figures(state, width, palette));
    }
    let [head, charts, tabs, body, foot] = Layout::vertical([
        Constraint::Length(header.len() as u16),
        Constraint::Length(charts),
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(footer.len() as u16),
    ])
    .areas(area);
    frame.render_widget(Text::from(header), head);
    if charts.height > 0 {
        chart::draw(state, frame, charts, palette);
    }
    frame.render_widget(tab_line(state, width, palette), tabs);
    draw_body(state, frame, body, palette);
    frame.render_widget(Text::from(footer), foot);
    if let InputMode::Confirm(change, time) = &state.mode {
        confirm::draw(change, *time, frame, body, palette);
    }
    usize::from(body.height).saturating_sub(1)
}

fn draw_body(state: &AppState, frame: &mut Frame<'_>, area: Rect, palette: Palette) {
    let has_side = area.width >= SIDE_FROM && matches!(state.tab, Tab::Sources | Tab::Prefixes);
    let is_detail = state.mode == InputMode::Detail;
    let area = if has_side {
        let list = (area.width * 9 / 20).clamp(LIST_WIDTH.0, LIST_WIDTH.1);
        let [list, side] =
            Layout::horizontal([Constraint::Length(list), Constraint::Min(0)]).spacing(2).areas(area);
        side::draw(state, frame, side, palette);
        list
    } else if is_detail {
        return detail::draw(state, frame, area, palette);
    } else {
        area
    };
    let table = match state.tab {
        Tab::Sources => source_rows::sources(state, area.width.into(), palette),
        Tab::Prefixes => source_rows::prefixes(state, area.width.into(), palette),
        Tab::Lists => lists::lists(state, area.width.into(), palette),
        Tab::Events => events::events(state, area.width.into(), palette),
        Tab::Reasons => reasons::reasons(state, area.width.into(), palette),
        Tab::Help => help::table(),
    };
    let viewport = Viewport { first: state.first_row(), chosen: state.chosen[state.tab as usize] };
    table.draw(frame, area, viewport, palette);
}

/// Draws the names of the tabs and, where there is room, how the sources were read.
fn tab_line(state: &AppState, width: usize, palette: Palette) -> Line<'static> {
    let mut spans = Vec::new();
    for (i, tab) in Tab::ALL.into_iter().enumerate() {
        let style = if tab == state.tab { palette.chosen() } else { Style::new() };
        spans.push(Span::styled(format!("{} {}", i + 1, tab.label()), style));
        spans.push(Span::raw("  "));
    }
    let mut line = Line::from(spans);
    let room = width.saturating_sub(line.width());
    let note = header::notes(state, width).into_iter().find(|note| note.width() <= room);
    if let Some(note) = note {
        line.push_span(Span::styled(right(&note, room), palette.label()));
    }
    line
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod course_tests;
#[cfg(test)]
#[path = "flood_tests.rs"]
mod flood_tests;
#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;

//! Draws what stands beside the sources on a wide screen: the latest events and the packets by reason, or the details of the
//! selected row.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span, Text},
};

use super::{detail, events, reasons};
use crate::{
    format::{fit, wrap::wrap_indented},
    palette::Palette,
    state::{AppState, InputMode},
    view_model::EventRow,
};

/// Width of a time and the space behind it, in columns.
const TIME: usize = 15;
/// Maximum number of lines of one event.
const EVENT_LINES: usize = 8;

/// Minimum height, in lines, for the reasons below the events.
const REASONS_FROM: u16 = 16;
/// Maximum number of reasons.
const REASONS_MAX: usize = 10;

/// Draws the details of the row that the user has selected, or else the events.
pub(super) fn draw(state: &AppState, frame: &mut Frame<'_>, area: Rect, palette: Palette) {
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let has_details = state.mode == InputMode::Detail || state.moved[state.tab as usize];
    let (title, width) = (events::title(state), usize::from(area.width));
    let title = if has_details { "DETAILS".to_owned() } else { format!("{title:TIME$}EVENTS") };
    frame.render_widget(Line::styled(fit(&title, width), palette.head()), head);
    if has_details {
        return detail::draw(state, frame, body, palette);
    }
    let body = draw_reasons(state, frame, body, palette);
    let mut lines = Vec::new();
    let events = state.view.as_ref().map_or(&[][..], |view| &view.events);
    let alike = |a: &EventRow, b: &EventRow| (&a.at, &a.kind) == (&b.at, &b.kind);
    for group in events.chunk_by(alike) {
        let [event, others @ ..] = group else { continue };
        // A mark ends an event that has no room.
        let room = usize::from(body.height).saturating_sub(lines.len()).min(EVENT_LINES);
        if room == 0 {
            break;
        }
        let more = match others.len() {
            0 => String::new(),
            others => format!(" (and {others} more like this)"),
        };
        let text = format!("{:TIME$}{}{more}", event.at, event.text);
        for (i, line) in wrap_indented(&text, width, TIME, room).into_iter().enumerate() {
            lines.push(match line.split_at_checked(TIME).filter(|_| i == 0) {
                Some((time, text)) => Line::from(vec![
                    Span::styled(time.to_owned(), palette.label()),
                    Span::raw(text.to_owned()),
                ]),
                None => Line::raw(line),
            });
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled(events::empty(state), palette.label()));
    }
    frame.render_widget(Text::from(lines), body);
}

/// Draws the reasons at the bottom if there is room, and returns the area that is left.
fn draw_reasons(state: &AppState, frame: &mut Frame<'_>, area: Rect, palette: Palette) -> Rect {
    let table = reasons::reasons(state, area.width.into(), palette);
    if area.height < REASONS_FROM || table.count == 0 {
        return area;
    }
    let height = table.count.min(REASONS_MAX) as u16 + 1;
    let [rest, below] =
        Layout::vertical([Constraint::Min(0), Constraint::Length(height)]).spacing(1).areas(area);
    table.draw_first(frame, below, palette);
    rest
}

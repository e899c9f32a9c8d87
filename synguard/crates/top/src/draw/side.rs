//! Draws what stands beside the sources on a wide screen: the latest events, or the details of the selected row.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span, Text},
};

use super::{detail, events};
use crate::{
    format::{fit, wrap::wrap_indented},
    palette::Palette,
    state::{AppState, InputMode},
};

/// Width of a time and the space behind it, in columns.
const TIME: usize = 15;
/// Maximum number of lines of one event.
const EVENT_LINES: usize = 4;

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
    let mut lines = Vec::new();
    for event in state.view.iter().flat_map(|view| &view.events).take(body.height.into()) {
        let text = format!("{:TIME$}{}", event.at, event.text);
        for (i, line) in wrap_indented(&text, width, TIME, EVENT_LINES).into_iter().enumerate() {
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

//! Draws the dialog that confirms a change.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span, Text},
    widgets::{Block, Clear},
};
use synguard_model::{list_entry::Scope, source::SourceStatus};

use crate::{
    format::wrap::wrap,
    keys::offers_times,
    list_edit::{ListEdit, TIMES, time_text},
    palette::Palette,
};

/// Maximum width of the text, in columns.
const WIDTH_MAX: usize = 56;

/// Draws the dialog over the rows.
pub(super) fn draw(change: &ListEdit, time: usize, frame: &mut Frame<'_>, over: Rect, palette: Palette) {
    let inner = usize::from(over.width.saturating_sub(4)).min(WIDTH_MAX);
    let mut lines: Vec<Line<'_>> =
        wrap(&question(change, time), inner, 3).into_iter().map(Line::raw).collect();
    lines.extend(choices(change, time, palette));
    let height = (lines.len() as u16 + 2).min(over.height);
    let width = inner as u16 + 4;
    let area =
        Rect { x: over.x + (over.width - width) / 2, y: over.y + (over.height - height) / 2, width, height };
    frame.render_widget(Clear, area);
    let block = Block::bordered().style(palette.strong());
    let text = Rect { x: area.x + 2, width: inner as u16, ..block.inner(area) };
    frame.render_widget(block, area);
    frame.render_widget(Text::from(lines), text);
}

fn question(change: &ListEdit, time: usize) -> String {
    match change {
        ListEdit::Add { status, target, scope, .. } if offers_times(change, time) => match (status, scope) {
            (SourceStatus::Allowed, Scope::All) => format!("Allow {target}: nothing from it is dropped."),
            (SourceStatus::Allowed, Scope::Syn) => format!("Allow {target}: none of its SYNs is dropped."),
            (_, Scope::Syn) => format!("Block {target}: its SYNs are dropped; connections that exist go on."),
            (_, Scope::All) => {
                format!("Block {target}: all its packets are dropped, also those of connections that exist.")
            }
        },
        _ => {
            let mut text = change.describe();
            if let Some(first) = text.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            text + "?"
        }
    }
}

/// Returns the lines with the choices and their keys.
fn choices(change: &ListEdit, time: usize, palette: Palette) -> Vec<Line<'static>> {
    let ListEdit::Add { status, scope, .. } = change else {
        return vec![Line::raw("Enter do it   Esc cancel")];
    };
    let verb = if *status == SourceStatus::Allowed { "allow" } else { "block" };
    if !offers_times(change, time) {
        return vec![Line::raw(format!("Enter {verb}   Esc cancel"))];
    }
    let choice = |text: String, is_chosen: bool| {
        if is_chosen {
            Span::styled(format!("[{text}]"), palette.chosen())
        } else {
            Span::styled(format!(" {text} "), Style::new())
        }
    };
    let times = TIMES.iter().enumerate().map(|(i, &length)| choice(time_text(length), i == time));
    let scopes = [("SYNs only", Scope::Syn), ("all packets", Scope::All)]
        .map(|(name, this)| choice(name.to_owned(), this == *scope));
    // The key does what is not chosen.
    let other = if *scope == Scope::Syn { "all packets" } else { "SYNs only" };
    vec![
        times.collect(),
        Line::from(scopes.to_vec()),
        Line::raw(format!("← → duration  s {other}  Enter {verb}  Esc cancel")),
    ]
}

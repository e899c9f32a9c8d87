//! Draws the bottom lines: the message, the filter being typed or the keys; and the cost of `top`.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    format::{fit, left, percent, plain, wrap::wrap},
    palette::Palette,
    state::{AppState, InputMode, Tab},
};

/// Maximum number of lines of a message.
const MESSAGE_LINES: usize = 4;

/// Returns the lines, none of them wider than the screen.
pub(super) fn lines(state: &AppState, width: usize, palette: Palette) -> Vec<Line<'static>> {
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
    let mut keys: Vec<&str> = Vec::new();
    if state.mode == InputMode::Browse && state.has_left_top() {
        keys.push("g follow the first row");
    }
    keys.extend(match (&state.mode, state.tab) {
        (InputMode::Detail, Tab::Events | Tab::Reasons) => &["Esc back", "↑ ↓ others"][..],
        (InputMode::Detail, _) => &["Esc back", "b block", "a allow", "u unlist", "z undo"],
        (_, Tab::Sources) => &[
            "q quit",
            "? help",
            "/ filter",
            "s sort",
            "Enter why",
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
    });
    for key in keys {
        if text.width() + 2 + key.width() > room {
            break;
        }
        text += "  ";
        text += key;
    }
    text
}

/// Returns the CPU time of `top` itself, and the share of the table that was read, if not all.
fn costs(state: &AppState) -> String {
    let Some(view) = &state.view else { return String::new() };
    // One decimal: most refreshes need less than one percent of a core.
    let cpu = (view.cost.cpu * 100.0).clamp(0.0, 999.9);
    let unread =
        if view.coverage < 1.0 { format!("list {} read  ", percent(view.coverage)) } else { String::new() };
    format!("{unread}top uses {cpu:>4.1}% CPU")
}

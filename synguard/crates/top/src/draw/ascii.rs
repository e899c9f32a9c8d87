//! Replaces the signs that a terminal without UTF-8 cannot show.

use ratatui::buffer::Buffer;

/// Replaces every sign outside ASCII on the screen.
pub(super) fn replace(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let sign = cell.symbol().chars().next().map_or(' ', substitute);
            cell.set_char(sign);
        }
    }
}

const fn substitute(sign: char) -> char {
    match sign {
        '▼' | '↓' => 'v',
        '▲' | '↑' => '^',
        '←' => '<',
        '→' => '>',
        '…' => '~',
        '█' | '▇' | '▆' | '▅' => '#',
        '▄' | '▃' => '=',
        '▂' | '▁' => '_',
        '─' => '-',
        '│' => '|',
        '┌' | '┐' | '└' | '┘' | '┼' | '├' | '┤' | '┴' => '+',
        _ => '?',
    }
}

//! Draws the charts of the last minutes: SYNs offered, SYNs dropped, distinct sources.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::Sparkline,
};

use crate::{
    format::{fit, short},
    history::Point,
    palette::Palette,
    state::AppState,
};

/// Minimum width, in columns, for the time span of a chart.
const SPAN_FROM: u16 = 37;

struct Chart {
    name: &'static str,
    unit: &'static str,
    value: fn(&Point) -> u64,
    unwanted: bool,
}

const CHARTS: [Chart; 3] = [
    Chart { name: "in", unit: "/s", value: |point| point.offered, unwanted: false },
    Chart { name: "dropped", unit: "/s", value: |point| point.dropped, unwanted: true },
    Chart { name: "distinct", unit: "", value: |point| point.distinct, unwanted: false },
];

/// Draws the charts side by side.
pub(super) fn draw(state: &AppState, frame: &mut Frame<'_>, area: Rect, palette: Palette) {
    let thirds: [Rect; 3] = Layout::horizontal([Constraint::Fill(1); 3]).spacing(1).areas(area);
    for (chart, area) in CHARTS.iter().zip(thirds) {
        let [title, curve] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
        let (columns, span) = state.history.columns(curve.width.into(), chart.value);
        let now = columns.last().copied().flatten().unwrap_or(0);
        let highest = columns.iter().flatten().copied().max().unwrap_or(0);
        let mut text = format!("{} {}{} max {}", chart.name, short(now), chart.unit, short(highest));
        if title.width >= SPAN_FROM {
            text += &format!(", last {} min", span.div_ceil(60));
        }
        frame.render_widget(Line::styled(fit(&text, title.width.into()), palette.label()), title);
        let sparkline =
            Sparkline::default().data(&columns).max(highest.max(1)).style(palette.curve(chart.unwanted));
        frame.render_widget(sparkline, curve);
    }
}

//! A table with columns of fixed width, so that nothing moves sideways when numbers change.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Text},
};

use crate::{
    format::{left, right, wrap::wrap},
    palette::Palette,
};

/// Width, in columns, of the longest source: a full IPv6 address with its prefix length.
const NAME_MAX: usize = 43;

/// Alignment of a cell's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Heading, width and alignment of a column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) title: String,
    /// Width in columns; `None` takes the space that the other columns leave.
    pub(super) width: Option<usize>,
    /// Maximum width where `width` is `None`.
    pub(super) most: usize,
    pub(super) side: Side,
}

impl Column {
    pub(super) fn new(title: impl Into<String>, width: usize, side: Side) -> Self {
        Self { title: title.into(), width: Some(width), most: width, side }
    }

    /// Returns a column that takes the remaining space up to the longest name: numbers far away from it are hard to read.
    pub(super) fn name(title: impl Into<String>) -> Self {
        Self { most: NAME_MAX, ..Self::rest(title) }
    }

    /// Returns a column that takes all remaining space.
    pub(super) fn rest(title: impl Into<String>) -> Self {
        Self { title: title.into(), width: None, most: usize::MAX, side: Side::Left }
    }
}

/// A line between two rows.
#[derive(Clone, Debug)]
pub(super) struct RuleLine {
    /// Number of rows above it.
    pub(super) below: usize,
    pub(super) text: String,
}

/// The rows that the screen shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Viewport {
    /// The first row shown.
    pub(super) first: usize,
    /// The selected row. If it is not among those shown, it is repeated at the bottom.
    pub(super) chosen: usize,
}

/// Headings and a function that renders one row, called only for visible rows.
pub(super) struct ColumnTable<'a> {
    pub(super) columns: Vec<Column>,
    pub(super) count: usize,
    pub(super) row: Box<dyn Fn(usize) -> (Vec<String>, Style) + 'a>,
    /// Lines between rows.
    pub(super) rules: Vec<RuleLine>,
    /// Text shown in place of rows.
    pub(super) empty: String,
}

impl ColumnTable<'_> {
    /// Draws the heading and the rows.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, viewport: Viewport, palette: Palette) {
        self.draw_with(frame, area, palette, |width, height| {
            if self.count == 0 {
                wrap(&self.empty, width, height).into_iter().map(Line::raw).collect()
            } else {
                self.rows(width, height, viewport, palette)
            }
        });
    }

    /// Draws the heading and as many of the first rows as fit, none of which is selected.
    pub(super) fn draw_first(&self, frame: &mut Frame<'_>, area: Rect, palette: Palette) {
        self.draw_with(frame, area, palette, |width, height| {
            self.rows_from(0, width, height, usize::MAX, palette).0
        });
    }

    /// Draws the heading, and below it the lines that `body` returns for this width and height.
    fn draw_with(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        palette: Palette,
        body: impl FnOnce(usize, usize) -> Vec<Line<'static>>,
    ) {
        let width = usize::from(area.width);
        let titles = self.columns.iter().map(|column| column.title.clone()).collect();
        let mut lines = vec![Line::styled(self.line(titles, width, ' '), palette.head())];
        lines.extend(body(width, usize::from(area.height).saturating_sub(1)));
        frame.render_widget(Text::from(lines), area);
    }

    /// Returns the rows from the first one shown on, and the selected row below them if it is not among them.
    fn rows(&self, width: usize, height: usize, viewport: Viewport, palette: Palette) -> Vec<Line<'static>> {
        let Viewport { first, chosen } = viewport;
        let (mut lines, mut last) = self.rows_from(first, width, height, chosen, palette);
        if !(first..last).contains(&chosen) {
            (lines, last) = self.rows_from(first, width, height.saturating_sub(2), chosen, palette);
            let text = format!("the selected row is {} of {}; g: first row", chosen + 1, self.count);
            lines.push(rule(&text, width, palette));
            lines.push(self.row_line(chosen, width, chosen, palette));
        }
        debug_assert!(last <= self.count, "{last} of {}", self.count);
        lines
    }

    /// Returns lines of the given number, and the row after the last one in them.
    fn rows_from(
        &self,
        first: usize,
        width: usize,
        height: usize,
        chosen: usize,
        palette: Palette,
    ) -> (Vec<Line<'static>>, usize) {
        let mut lines = Vec::with_capacity(height);
        if first > 0 && height > 1 {
            let rows = if first == 1 { "row" } else { "rows" };
            lines.push(rule(&format!("↑ {first} {rows} above; g: first row"), width, palette));
        }
        let mut at = first;
        while at < self.count && lines.len() < height {
            for RuleLine { text, .. } in self.rules.iter().filter(|rule| rule.below == at) {
                if lines.len() + 1 < height {
                    lines.push(rule(text, width, palette));
                }
            }
            lines.push(self.row_line(at, width, chosen, palette));
            at += 1;
        }
        (lines, at)
    }

    fn row_line(&self, at: usize, width: usize, chosen: usize, palette: Palette) -> Line<'static> {
        let (cells, style) = (self.row)(at);
        if at == chosen {
            Line::styled(self.line(cells, width, '>'), style.patch(palette.chosen()))
        } else {
            Line::styled(self.line(cells, width, ' '), style)
        }
    }

    /// Returns a line of cells, each exactly as wide as its column.
    fn line(&self, cells: Vec<String>, width: usize, mark: char) -> String {
        let fixed: usize = self.columns.iter().filter_map(|column| column.width).map(|width| width + 1).sum();
        let rest = width.saturating_sub(fixed + 1);
        let mut line = String::from(mark);
        for (i, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            if i > 0 {
                line.push(' ');
            }
            let columns = column.width.unwrap_or(rest.min(column.most));
            line += &match column.side {
                Side::Left => left(&cell, columns),
                Side::Right => right(&cell, columns),
            };
        }
        left(&line, width)
    }
}

/// Returns a line across the table with a text in it.
fn rule(text: &str, width: usize, palette: Palette) -> Line<'static> {
    let text = left(&format!("── {text} "), width).trim_end().to_owned();
    Line::styled(text, palette.label())
}

//! A table with columns of fixed width, so that nothing moves sideways when numbers change.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Text},
};

use crate::{
    format::{left, right},
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

/// Headings and a function that renders one row, called only for visible rows.
pub(super) struct ColumnTable<'a> {
    pub(super) columns: Vec<Column>,
    pub(super) count: usize,
    pub(super) row: Box<dyn Fn(usize) -> (Vec<String>, Style) + 'a>,
    /// Text shown in place of rows.
    pub(super) empty: String,
}

impl ColumnTable<'_> {
    /// Draws the heading and the rows around the selected one.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, chosen: usize, palette: Palette) {
        let width = usize::from(area.width);
        let titles = self.columns.iter().map(|column| column.title.clone()).collect();
        let mut lines = vec![Line::styled(self.line(titles, width, ' '), palette.head())];
        let height = usize::from(area.height).saturating_sub(1);
        let first = (chosen + 1).saturating_sub(height);
        for at in first..self.count.min(first + height) {
            let (cells, style) = (self.row)(at);
            let line = if at == chosen {
                Line::styled(self.line(cells, width, '>'), style.patch(palette.chosen()))
            } else {
                Line::styled(self.line(cells, width, ' '), style)
            };
            lines.push(line);
        }
        if self.count == 0 {
            lines.extend(crate::format::wrap::wrap(&self.empty, width, height).into_iter().map(Line::raw));
        }
        frame.render_widget(Text::from(lines), area);
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

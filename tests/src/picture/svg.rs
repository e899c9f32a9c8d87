//! A screen as a picture. Pure. The escape sequences are understood by vt100; blocks and frames are drawn and not
//! written, since fonts leave gaps between them.

use std::{fmt::Write as _, num::NonZero};

use vt100::{Cell, Color, Parser};

/// Size of a cell, and of the letters in it.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 18.0;
const FONT: f64 = 14.0;
/// Distance from a cell's top to the baseline of letters.
const BASE: f64 = 13.5;
const MARGIN: f64 = 14.0;
/// Above the screen, for the title.
const TITLE: f64 = 34.0;
const FONTS: &str = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace";

const PAPER: Rgb = Rgb(0x16, 0x1a, 0x21);
const INK: Rgb = Rgb(0xd5, 0xda, 0xe1);
/// The sixteen colours that terminals have.
const PALETTE: [Rgb; 16] = [
    Rgb(0x2b, 0x30, 0x3b),
    Rgb(0xe0, 0x6c, 0x75),
    Rgb(0x98, 0xc3, 0x79),
    Rgb(0xe5, 0xc0, 0x7b),
    Rgb(0x61, 0xaf, 0xef),
    Rgb(0xd6, 0x8f, 0xe8),
    Rgb(0x56, 0xb6, 0xc2),
    Rgb(0xd5, 0xda, 0xe1),
    Rgb(0x5c, 0x63, 0x70),
    Rgb(0xe0, 0x6c, 0x75),
    Rgb(0x98, 0xc3, 0x79),
    Rgb(0xf0, 0xd0, 0x8c),
    Rgb(0x7c, 0xb8, 0xf5),
    Rgb(0xd6, 0x8f, 0xe8),
    Rgb(0x56, 0xb6, 0xc2),
    Rgb(0xff, 0xff, 0xff),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rgb(u8, u8, u8);

impl Rgb {
    fn of(colour: Color, default: Self) -> Self {
        match colour {
            Color::Default => default,
            Color::Rgb(red, green, blue) => Self(red, green, blue),
            Color::Idx(index @ 0..=15) => PALETTE[usize::from(index)],
            // A cube of 6 x 6 x 6, and then a scale of greys.
            Color::Idx(index @ 16..=231) => {
                let step = |part: u8| if part == 0 { 0 } else { 55 + part * 40 };
                let index = index - 16;
                Self(step(index / 36), step(index / 6 % 6), step(index % 6))
            }
            Color::Idx(index) => {
                let grey = 8 + (index - 232) * 10;
                Self(grey, grey, grey)
            }
        }
    }

    /// Three fifths of the way from another colour to this one.
    fn dimmed(self, paper: Self) -> Self {
        let mix = |ink: u8, paper: u8| ((u16::from(ink) * 3 + u16::from(paper) * 2) / 5) as u8;
        Self(mix(self.0, paper.0), mix(self.1, paper.1), mix(self.2, paper.2))
    }

    fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// Colours and weight of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CellStyle {
    ink: Rgb,
    paper: Rgb,
    bold: bool,
}

impl CellStyle {
    fn of(cell: &Cell) -> Self {
        let (mut ink, mut paper) = (Rgb::of(cell.fgcolor(), INK), Rgb::of(cell.bgcolor(), PAPER));
        if cell.inverse() {
            (ink, paper) = (paper, ink);
        }
        if cell.dim() {
            ink = ink.dimmed(paper);
        }
        Self { ink, paper, bold: cell.bold() }
    }
}

/// The cells of a screen, row by row.
pub(super) struct Grid(Vec<Vec<(char, CellStyle)>>);

impl Grid {
    /// Understands a screen as tmux hands it out.
    pub(super) fn read(screen: &str, columns: u16, rows: u16) -> Self {
        let mut parser = parser(columns, rows);
        parser.process(screen.trim_end_matches('\n').replace('\n', "\r\n").as_bytes());
        let blank = (' ', CellStyle { ink: INK, paper: PAPER, bold: false });
        let read = |row, column| {
            parser
                .screen()
                .cell(row, column)
                .map_or(blank, |cell| (cell.contents().chars().next().unwrap_or(' '), CellStyle::of(cell)))
        };
        Self((0..rows).map(|row| (0..columns).map(|column| read(row, column)).collect()).collect())
    }
}

/// A terminal of that size; it has at least one cell.
pub(super) fn parser(columns: u16, rows: u16) -> Parser {
    let size = |cells: u16| NonZero::new(cells).unwrap_or(NonZero::<u16>::MIN);
    Parser::new(size(rows), size(columns), 0)
}

/// The picture, in a frame with a title.
pub(super) fn picture(grid: &Grid, title: &str) -> String {
    let columns = grid.0.first().map_or(0, Vec::len);
    let width = WIDTH * columns as f64 + 2.0 * MARGIN;
    let height = HEIGHT * grid.0.len() as f64 + TITLE + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"{FONTS}\" font-size=\"{FONT}\" role=\"img\">\n\
         <title>{title}</title>\n\
         <style>text{{white-space:pre}} rect{{shape-rendering:crispEdges}}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{}\"/>\n",
        PAPER.hex(),
        title = escaped(title),
    );
    for (i, dot) in [1, 3, 2].into_iter().enumerate() {
        let x = MARGIN + 4.0 + 18.0 * i as f64;
        let _ = writeln!(svg, "<circle cx=\"{x:.0}\" cy=\"17\" r=\"5.5\" fill=\"{}\"/>", PALETTE[dot].hex());
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.0}\" y=\"21\" text-anchor=\"middle\" font-size=\"12\" fill=\"{}\">{}</text>",
        width / 2.0,
        INK.dimmed(PAPER).hex(),
        escaped(title)
    );
    for (row, cells) in grid.0.iter().enumerate() {
        draw_row(&mut svg, TITLE + HEIGHT * row as f64, cells);
    }
    svg + "</svg>\n"
}

/// Draws a row: first the background, then the characters, each in runs of one look.
fn draw_row(svg: &mut String, y: f64, cells: &[(char, CellStyle)]) {
    for (at, run) in runs(cells, |a, b| a.1.paper == b.1.paper) {
        if run[0].1.paper != PAPER {
            rectangle(svg, x(at), y, WIDTH * run.len() as f64, HEIGHT, run[0].1.paper);
        }
    }
    let kind = |cell: &(char, CellStyle)| (is_drawn(cell.0), cell.1.ink, cell.1.bold, cell.0 == ' ');
    for (at, run) in runs(cells, |a, b| kind(a) == kind(b)) {
        let style = run[0].1;
        if is_drawn(run[0].0) {
            draw_blocks(svg, at, y, run);
        } else if run[0].0 != ' ' {
            let text: String = run.iter().map(|cell| cell.0).collect();
            let weight = if style.bold { " font-weight=\"bold\"" } else { "" };
            // However wide the letters of a font are, the run is as wide as its cells.
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{weight}>{}</text>",
                x(at),
                y + BASE,
                WIDTH * run.len() as f64,
                style.ink.hex(),
                escaped(&text)
            );
        }
    }
}

/// Blocks of eighths, each run of the same height in one, and the lines of frames.
fn draw_blocks(svg: &mut String, at: usize, y: f64, cells: &[(char, CellStyle)]) {
    for (from, run) in runs(cells, |a, b| a.0 == b.0) {
        let (sign, style) = run[0];
        let (left, width) = (x(at + from), WIDTH * run.len() as f64);
        if let Some(eighths) = eighths(sign) {
            let height = HEIGHT * f64::from(eighths) / 8.0;
            rectangle(svg, left, y + HEIGHT - height, width, height, style.ink);
            continue;
        }
        let (middle, right) = (y + HEIGHT / 2.0, left + width);
        let centre = left + WIDTH / 2.0;
        let path = match sign {
            '─' => format!("M{left:.1} {middle:.1}H{right:.1}"),
            '│' => format!("M{centre:.1} {y:.1}v{HEIGHT}"),
            '┌' => format!("M{centre:.1} {:.1}V{middle:.1}H{right:.1}", y + HEIGHT),
            '┐' => format!("M{left:.1} {middle:.1}H{centre:.1}V{:.1}", y + HEIGHT),
            '└' => format!("M{centre:.1} {y:.1}V{middle:.1}H{right:.1}"),
            _ => format!("M{left:.1} {middle:.1}H{centre:.1}V{y:.1}"),
        };
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.4\"/>",
            style.ink.hex()
        );
    }
}

fn is_drawn(sign: char) -> bool {
    eighths(sign).is_some() || matches!(sign, '─' | '│' | '┌' | '┐' | '└' | '┘')
}

/// Returns the eighths of the cell that a block fills, from below.
fn eighths(sign: char) -> Option<u32> {
    (sign as u32).checked_sub(0x2580).filter(|eighths| (1..=8).contains(eighths))
}

fn rectangle(svg: &mut String, x: f64, y: f64, width: f64, height: f64, fill: Rgb) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{}\"/>",
        fill.hex()
    );
}

fn x(column: usize) -> f64 {
    MARGIN + WIDTH * column as f64
}

/// Neighbours that belong together, with the place of the first.
fn runs<T>(cells: &[T], same: impl Fn(&T, &T) -> bool) -> impl Iterator<Item = (usize, &[T])> {
    let mut at = 0;
    cells.chunk_by(move |a, b| same(a, b)).map(move |run| {
        at += run.len();
        (at - run.len(), run)
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_colours_and_blocks_are_drawn_in_place() {
        let screen = "a<b  \u{1b}[1;33mhold\u{1b}[0m\n\u{1b}[7m>x\u{1b}[0m ▄█┌─\n";
        let svg = picture(&Grid::read(screen, 12, 2), "a & b");
        for part in [
            "<title>a &amp; b</title>",
            "x=\"14.0\" y=\"47.5\" textLength=\"25.2\"",
            ">a&lt;b</text>",
            // Five columns on, in yellow.
            "x=\"56.0\" y=\"47.5\" textLength=\"33.6\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#e5c07b\" font-weight=\"bold\">hold<",
            // Reversed: the paper has the ink's colour.
            "<rect x=\"14.0\" y=\"52.0\" width=\"16.8\" height=\"18.0\" fill=\"#d5dae1\"/>",
            "fill=\"#161a21\">&gt;x<",
            // Half a cell, and a whole one.
            "<rect x=\"39.2\" y=\"61.0\" width=\"8.4\" height=\"9.0\"",
            "<rect x=\"47.6\" y=\"52.0\" width=\"8.4\" height=\"18.0\"",
            "<path d=\"M60.2 70.0V61.0H64.4\"",
        ] {
            assert!(svg.contains(part), "no {part} in\n{svg}");
        }
        assert!(!svg.contains("█") && svg.ends_with("</svg>\n"));
    }
}

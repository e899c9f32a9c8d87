//! Colours and their monochrome substitutes. Nothing is shown by colour alone: every state also has a word.

use ratatui::style::{Color, Modifier, Style};
use synguard_model::{attack::Phase, source::SourceStatus};

/// Styles of the parts of the screen. Nearly everybody can distinguish blue and yellow; red and green are not used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Palette {
    /// Set if colours may be used.
    pub colour: bool,
    /// Set if the terminal shows nothing but ASCII.
    pub ascii: bool,
}

impl Palette {
    fn tinted(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// Returns the style of a label.
    pub fn label(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Returns the style of the most important text.
    #[expect(clippy::unused_self, reason = "every style is a method of the palette")]
    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Returns the style of the selected line, tab or choice.
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Returns the style of a table's heading.
    pub fn head(self) -> Style {
        self.tinted(Color::LightBlue).add_modifier(Modifier::BOLD)
    }

    /// Returns the style of a warning.
    pub(crate) fn alert(self) -> Style {
        self.tinted(Color::Yellow).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// Returns the style of a chart.
    pub(crate) fn curve(self, unwanted: bool) -> Style {
        self.tinted(if unwanted { Color::Yellow } else { Color::LightBlue })
    }

    /// Returns the style of a phase.
    pub fn phase(self, phase: Phase) -> Style {
        match phase {
            Phase::Calm => self.strong(),
            Phase::Attack => self.alert(),
            Phase::Recovering => self.tinted(Color::Yellow).add_modifier(Modifier::BOLD),
        }
    }

    /// Returns the style of a source by its status.
    pub fn status(self, status: SourceStatus) -> Style {
        match status {
            SourceStatus::Ok => Style::new(),
            SourceStatus::Hold => self.tinted(Color::Yellow),
            SourceStatus::Blocked => self.tinted(Color::Magenta).add_modifier(Modifier::BOLD),
            SourceStatus::Allowed => self.tinted(Color::LightBlue),
        }
    }
}

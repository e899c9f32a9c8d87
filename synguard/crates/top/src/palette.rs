//! Colours, and how to do without. Nothing is told by colour alone: every state has its word.

use ratatui::style::{Color, Modifier, Style};
use synguard_model::{attack::Phase, source::SourceStatus};

/// How parts of the screen look. Blue and yellow are told apart by nearly everybody; red and green are not used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Palette {
    /// Whether colours may be used at all.
    pub colour: bool,
}

impl Palette {
    fn tinted(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// What names something.
    pub fn label(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What matters most.
    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The chosen line, tab or answer.
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The head of a table.
    pub fn head(self) -> Style {
        self.tinted(Color::LightBlue).add_modifier(Modifier::BOLD)
    }

    /// Something that should not be overlooked.
    pub(crate) fn alert(self) -> Style {
        self.tinted(Color::Yellow).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// The curve of a chart.
    pub(crate) fn curve(self, unwanted: bool) -> Style {
        self.tinted(if unwanted { Color::Yellow } else { Color::LightBlue })
    }

    /// A phase.
    pub fn phase(self, phase: Phase) -> Style {
        match phase {
            Phase::Calm => self.strong(),
            Phase::Attack => self.alert(),
            Phase::Recovering => self.tinted(Color::Yellow).add_modifier(Modifier::BOLD),
        }
    }

    /// A source by its standing.
    pub fn standing(self, standing: SourceStatus) -> Style {
        match standing {
            SourceStatus::Ok => Style::new(),
            SourceStatus::Hold => self.tinted(Color::Yellow),
            SourceStatus::Blocked => self.tinted(Color::Magenta).add_modifier(Modifier::BOLD),
            SourceStatus::Allowed => self.tinted(Color::LightBlue),
        }
    }
}

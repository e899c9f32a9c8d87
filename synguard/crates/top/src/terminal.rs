//! The terminal: taken over on opening, given back however the program ends.

use std::io::{self, Stdout};

use ratatui::{Frame, Terminal, backend::CrosstermBackend};

/// The whole screen. Dropping it gives the terminal back; so does a panic, on whatever thread, before its
/// message is printed.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over: no echo, no line editing, a screen of its own.
    ///
    /// # Errors
    ///
    /// If there is no terminal, or it cannot do that.
    pub(super) fn open() -> io::Result<Self> {
        let terminal = ratatui::try_init().inspect_err(|_| {
            // It may have been taken over by half.
            let _ = ratatui::try_restore();
        })?;
        Ok(Self { terminal })
    }

    /// Draws.
    ///
    /// # Errors
    ///
    /// If the terminal is gone.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that has gone away needs nothing back.
        let _ = ratatui::try_restore();
        let _ = self.terminal.show_cursor();
    }
}

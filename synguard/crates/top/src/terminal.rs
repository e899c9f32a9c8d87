//! The terminal: set up on opening, restored however the program ends.

use std::io::{self, Stdout};

use ratatui::{Frame, Terminal, backend::CrosstermBackend};

/// The whole screen. Dropping it restores the terminal; so does a panic, on any thread, before its
/// message is printed.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Sets the terminal up: no echo, no line editing, the alternate screen.
    ///
    /// # Errors
    ///
    /// If there is no terminal, or it cannot do that.
    pub(super) fn open() -> io::Result<Self> {
        let terminal = ratatui::try_init().inspect_err(|_| {
            // The terminal may be set up only in part.
            let _ = ratatui::try_restore();
        })?;
        Ok(Self { terminal })
    }

    /// Draws one frame.
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
        // A terminal that has vanished needs no restoring.
        let _ = ratatui::try_restore();
        let _ = self.terminal.show_cursor();
    }
}

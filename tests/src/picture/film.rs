//! Films a terminal: records the screen whenever it changes.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{interrupt, terminal::Terminal};

/// Interval between two reads of the screen.
const STEP: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(15);

/// The screen from some moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scene {
    /// Since the film began.
    pub(super) at: Duration,
    /// The screen with its colours, as tmux has it.
    pub(super) screen: String,
}

/// A film under way.
pub(super) struct Film<'a> {
    terminal: &'a Terminal,
    begun: Instant,
    scenes: Vec<Scene>,
}

impl<'a> Film<'a> {
    pub(super) fn new(terminal: &'a Terminal) -> Self {
        Self { terminal, begun: Instant::now(), scenes: Vec::new() }
    }

    /// Films for this time.
    pub(super) fn watch(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        loop {
            self.look()?;
            if Instant::now() >= until {
                return Ok(());
            }
            thread::sleep(STEP);
        }
    }

    /// Films until the screen shows something.
    pub(super) fn wait(&mut self, sign: &str) -> Result<()> {
        let begun = Instant::now();
        while !self.look()?.contains(sign) {
            if begun.elapsed() > PATIENCE {
                bail!("the screen does not show `{sign}`:\n{}", self.terminal.screen()?);
            }
            thread::sleep(STEP);
        }
        Ok(())
    }

    /// Presses keys and films the effect.
    pub(super) fn press(&mut self, keys: &[&str], then: Duration) -> Result<()> {
        self.terminal.press(keys)?;
        self.watch(then)
    }

    pub(super) fn develop(self) -> Vec<Scene> {
        self.scenes
    }

    fn look(&mut self) -> Result<&str> {
        interrupt::check()?;
        let screen = self.terminal.coloured()?;
        if self.scenes.last().is_none_or(|last| last.screen != screen) {
            self.scenes.push(Scene { at: self.begun.elapsed(), screen });
        }
        Ok(self.scenes.last().map_or("", |last| &last.screen))
    }
}

//! A user of `top` at a terminal.

use std::{process::Command, time::Duration};

use synguard_tests::{program::Synguard, terminal::Terminal};

/// Whatever a user waits for comes sooner.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Text of the screen.
pub(super) struct Screen {
    pub(super) text: String,
}

impl Screen {
    /// The cells of the rows below the table's head, without the lines between them.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let below =
            self.text.lines().skip_while(|line| !line.contains("SYN/s") || !line.contains("state")).skip(1);
        let cells = |line: &str| -> Vec<String> {
            line.trim_start_matches('>').split_whitespace().map(str::to_owned).collect()
        };
        below.filter(|line| !line.starts_with("──")).map(cells).take_while(|row| row.len() == 6).collect()
    }

    /// Reports whether the first five rows, which have sent packets in the last second, are as wanted.
    pub(super) fn is_led_by(&self, wanted: impl Fn(&str) -> bool) -> bool {
        let rows = self.rows();
        rows.len() >= 5 && rows.iter().take(5).all(|row| wanted(&row[0]) && row[1] != "0")
    }

    /// The address that would be blocked, if that is asked.
    pub(super) fn asked_about(&self) -> Option<String> {
        let (_, rest) = self.text.split_once("Block ")?;
        rest.split_once(": its SYNs").map(|(address, _)| address.to_owned())
    }
}

/// `top` in a terminal.
pub(super) struct Session {
    pub(super) terminal: Terminal,
}

impl Session {
    pub(super) fn start(synguard: &Synguard, columns: u16, rows: u16) -> Self {
        Self { terminal: Terminal::start(&synguard.command(["top"]), columns, rows).unwrap() }
    }

    /// Starts `top` with a variable in its environment.
    pub(super) fn start_with(synguard: &Synguard, variable: &str, columns: u16, rows: u16) -> Self {
        let top = synguard.command(["top"]);
        let mut command = Command::new("env");
        command.arg(variable).arg(top.get_program()).args(top.get_args());
        Self { terminal: Terminal::start(&command, columns, rows).unwrap() }
    }

    pub(super) fn press(&self, keys: &[&str]) {
        self.terminal.press(keys).unwrap();
    }

    /// Waits for a screen that is as wanted.
    pub(super) fn wait(&self, what: &str, wanted: impl Fn(&Screen) -> bool) -> Screen {
        let is_wanted = |text: &str| wanted(&Screen { text: text.to_owned() });
        let text = self
            .terminal
            .wait_for(PATIENCE, is_wanted)
            .unwrap_or_else(|error| panic!("no {what}: {error:#}"));
        Screen { text }
    }

    /// Presses a key and waits until the screen shows something.
    pub(super) fn press_and_wait(&self, key: &str, sign: &str) {
        self.press(&[key]);
        self.wait(&format!("{sign} after {key}"), |screen| unwrapped(&screen.text).contains(sign));
    }

    /// Waits for the end, and returns the exit code.
    pub(super) fn ended(&self) -> i32 {
        let screen = self.wait("end", |screen| screen.text.lines().any(|line| line.starts_with("ended ")));
        let code = screen.text.lines().find_map(|line| line.strip_prefix("ended ")).unwrap();
        code.trim().parse().unwrap()
    }
}

/// Returns the screen with continued lines joined.
fn unwrapped(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

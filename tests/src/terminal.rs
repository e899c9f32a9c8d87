//! A real terminal: tmux on a socket of its own, with one program in it.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::{bpffs::temp_dir, command::run, usage::cpu_time};

const POLL: Duration = Duration::from_millis(20);

/// The terminal. Dropping it ends the program in it by SIGHUP, as closing a window does.
#[derive(Debug)]
pub struct Terminal {
    dir: TempDir,
}

impl Terminal {
    /// Opens a terminal of this size, and starts a command in it. When the command ends, the terminal stays and shows
    /// a line that begins with `ended` and has its exit code.
    ///
    /// # Errors
    /// Without tmux.
    pub fn start(command: &Command, columns: u16, rows: u16) -> Result<Self> {
        let terminal = Self { dir: temp_dir()? };
        let mut words = vec![quoted(command.get_program())];
        words.extend(command.get_args().map(quoted));
        // A shell stays behind the command, so that the test can see the state in which it leaves the terminal.
        let script = terminal.dir.path().join("script");
        let text = format!("{}\necho \"ended $?\"\nexec sleep 1000\n", words.join(" "));
        fs::write(&script, text).context("write the script")?;
        let size = [columns.to_string(), rows.to_string()];
        let mut tmux = terminal.tmux();
        // Nothing of the caller's own: colours, language and size are the same everywhere.
        tmux.env_remove("NO_COLOR").env("LC_ALL", "C.UTF-8").env("TERM", "screen-256color");
        tmux.args(["new-session", "-d", "-x", &size[0], "-y", &size[1], "sh"]).arg(&script);
        run(&mut tmux).context("start tmux")?;
        run(terminal.tmux().args(["set-option", "-g", "status", "off"]))
            .context("take tmux's own line away")?;
        Ok(terminal)
    }

    fn tmux(&self) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.args(["-u", "-f", "/dev/null", "-S"]).arg(self.dir.path().join("socket"));
        tmux
    }

    /// Presses keys, by tmux's names: letters as they are, `Enter`, `Escape`, `Down`, `C-c`.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        run(self.tmux().args(["send-keys", "-t", "0"]).args(keys)).map(drop)
    }

    /// Resizes the terminal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        let size = [columns.to_string(), rows.to_string()];
        run(self.tmux().args(["resize-window", "-t", "0", "-x", &size[0], "-y", &size[1]])).map(drop)
    }

    /// Returns the screen's text, a line for each row.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn screen(&self) -> Result<String> {
        run(self.tmux().args(["capture-pane", "-p", "-t", "0"]))
    }

    /// Returns the screen's text with the escape sequences that colour it.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn coloured(&self) -> Result<String> {
        run(self.tmux().args(["capture-pane", "-e", "-p", "-t", "0"]))
    }

    /// Waits until the screen is as wanted, and returns its text.
    ///
    /// # Errors
    /// When it is not within the given time; the message has the screen.
    pub fn wait_for(&self, within: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let begun = Instant::now();
        loop {
            let screen = self.screen()?;
            if wanted(&screen) {
                return Ok(screen);
            }
            if begun.elapsed() > within {
                bail!("not within {within:?}; the screen is:\n{screen}");
            }
            thread::sleep(POLL);
        }
    }

    /// Reports whether a program has taken over the screen: the alternate screen is active, or the cursor is hidden.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn is_taken_over(&self) -> Result<bool> {
        let flags =
            run(self.tmux().args(["display-message", "-p", "-t", "0", "#{alternate_on}#{cursor_flag}"]))?;
        Ok(flags.trim() != "01")
    }

    /// Returns the process id of the running command: the first child of the terminal's shell.
    ///
    /// # Errors
    /// When it has ended.
    pub fn program_pid(&self) -> Result<u32> {
        let shell = run(self.tmux().args(["display-message", "-p", "-t", "0", "#{pane_pid}"]))?;
        let shell = shell.trim();
        let path = format!("/proc/{shell}/task/{shell}/children");
        let children = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let child = children.split_ascii_whitespace().next().context("nothing runs in the terminal")?;
        child.parse().with_context(|| format!("understand {children}"))
    }

    /// Returns the CPU time that the running command has used so far, in steps of 10 ms.
    ///
    /// # Errors
    /// When it has ended.
    pub fn program_cpu_time(&self) -> Result<Duration> {
        cpu_time(self.program_pid()?)
    }

    /// Appends the program's output to a file, as it comes.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn record(&self, into: &Path) -> Result<()> {
        let command = format!("cat >> {}", quoted(into.as_os_str()));
        run(self.tmux().args(["pipe-pane", "-o", "-t", "0", &command])).map(drop)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = run(self.tmux().arg("kill-server"));
    }
}

/// A word as the shell reads it back.
fn quoted(word: &std::ffi::OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', "'\\''"))
}

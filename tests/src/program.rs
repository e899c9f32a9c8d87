//! The synguard binary, run inside the lab's server with directories of its own.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{
    bpffs::Dirs,
    command::end_with_parent,
    json_schema,
    lab::{DEVICE, Lab},
    netns::Netns,
};

/// The environment variable that names the binary; without it, the one beside the calling program is used.
pub const BINARY_VARIABLE: &str = "SYNGUARD_BIN";

/// A command that takes longer hangs.
const RUN_MAX: Duration = Duration::from_secs(30);
/// Attaching loads and verifies the program, which takes a while on a busy machine.
const ATTACH_MAX: Duration = Duration::from_secs(15);
const EXIT_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// Exit code and output of a command.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; `None` if a signal ended the command.
    pub code: Option<i32>,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
}

/// The binary and its directories. Dropping it releases whatever is still pinned.
#[derive(Debug)]
pub struct Synguard {
    server: Netns,
    dirs: Arc<Dirs>,
    binary: PathBuf,
}

impl Synguard {
    /// Finds the binary and makes its directories.
    ///
    /// # Errors
    /// When it has not been built, or without root.
    pub fn new(lab: &Lab) -> Result<Self> {
        Ok(Self { server: lab.server.clone(), dirs: Arc::new(Dirs::new()?), binary: binary()? })
    }

    /// Returns another build of the program with the same directories.
    pub fn with_binary(&self, binary: PathBuf) -> Self {
        Self { server: self.server.clone(), dirs: Arc::clone(&self.dirs), binary }
    }

    /// Returns the directories.
    pub fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// The binary with its directories and further arguments, in the server's namespace.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.server.command(&self.binary);
        command.arg("--bpffs").arg(self.dirs.bpffs());
        command.arg("--run-dir").arg(self.dirs.run_dir());
        command.arg("--state-dir").arg(self.dirs.state_dir());
        command.args(args);
        command
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be started, or does not end.
    pub fn run(&self, args: &[&str]) -> Result<Output> {
        self.run_with_input(args, "")
    }

    /// Runs a command to its end with `input` on its standard input.
    ///
    /// # Errors
    /// When it cannot be started, or does not end.
    pub fn run_with_input(&self, args: &[&str], input: &str) -> Result<Output> {
        let dir = tempfile::tempdir_in(self.dirs.root()).context("make a directory for the output")?;
        let path = |name| dir.path().join(name);
        fs::write(path("in"), input).context("write the input")?;
        let mut command = self.command(args);
        command.stdin(File::open(path("in")).context("open the input")?);
        command.stdout(File::create(path("out")).context("make a file for the output")?);
        command.stderr(File::create(path("err")).context("make a file for the output")?);
        let mut process = Running { process: spawn(&mut command)?, stderr: path("err") };
        let status = process.wait(RUN_MAX).with_context(|| format!("synguard {}", args.join(" ")))?;
        let read = |name| fs::read(path(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Output {
            code: status.code(),
            stdout: read("out").context("read the output")?,
            stderr: read("err").context("read the output")?,
        })
    }

    /// Returns the output of `status --json`, as [`Self::run_json`] does. Fails while nothing is attached.
    pub fn status_json(&self) -> Result<Value> {
        self.run_json(&["status", "--json"])
    }

    /// Runs a reading command with `--json` and returns the object that it prints. Fails if the command does, or if the
    /// output does not match the command's schema.
    pub fn run_json(&self, args: &[&str]) -> Result<Value> {
        let output = self.run(args)?;
        if output.code != Some(0) {
            bail!("synguard {} failed ({:?}): {}", args.join(" "), output.code, output.stderr.trim());
        }
        let value =
            serde_json::from_str(&output.stdout).with_context(|| format!("parse {}", output.stdout))?;
        let schema = match args {
            ["block" | "allow", "add" | "del" | "import" | "flush", ..] => "change",
            ["block" | "allow", verb, ..] => verb,
            [verb, ..] => verb,
            [] => bail!("no command"),
        };
        // The schemas describe the program under test, not a former one.
        if self.binary == binary()? {
            json_schema::validate(schema, &value)?;
        }
        Ok(value)
    }

    /// Starts `attach` on the server's device and waits until `status` reports that it is attached and that its
    /// controller runs. It also ends with the calling thread.
    ///
    /// # Errors
    /// When it ends instead; the message has its standard error.
    pub fn attach(&self, args: &[&str]) -> Result<Running> {
        let mut running = self.start(&[&["attach", DEVICE], args].concat())?;
        let start = Instant::now();
        loop {
            if let Some(status) = running.process.try_wait().context("look after synguard")? {
                bail!("synguard attach ended ({status}): {}", running.stderr().trim());
            }
            let is_late = start.elapsed() > ATTACH_MAX;
            // Before anything is pinned the answer is known. In an emulated machine, whose CPUs share a thread, the command
            // would take half of the time that the kernel needs to verify the program.
            if !is_late && !self.has_pins() {
                thread::sleep(POLL);
                continue;
            }
            let status = self.status_json();
            if status.as_ref().is_ok_and(|s| s["attached"] == true && s["controller"]["running"] == true) {
                return Ok(running);
            }
            if is_late {
                bail!(
                    "synguard did not attach; status: {status:?}; its standard error: {}",
                    running.stderr().trim()
                );
            }
            thread::sleep(POLL);
        }
    }

    /// Reports whether some instance of the program has pins.
    fn has_pins(&self) -> bool {
        fs::read_dir(self.dirs.bpffs().join("synguard")).is_ok_and(|mut pins| pins.next().is_some())
    }

    /// Starts a command that runs until it is ended. It also ends with the calling thread.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, args: &[&str]) -> Result<Running> {
        self.start_through(&[], args)
    }

    /// Starts the program as [`Self::start`] does, through another command, which gets the program and its arguments
    /// as its last arguments and has to replace itself by it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_through(&self, prefix: &[&str], args: &[&str]) -> Result<Running> {
        let plain = self.command(args);
        self.start_command(match prefix {
            [] => plain,
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(plain.get_program()).args(plain.get_args());
                command
            }
        })
    }

    /// Starts a command made by [`Self::command`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_command(&self, mut command: Command) -> Result<Running> {
        let stderr = tempfile::Builder::new()
            .prefix("stderr-")
            .tempfile_in(self.dirs.root())
            .context("make a file for the output")?;
        let (file, stderr) = stderr.keep().context("keep the file for the output")?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        Ok(Running { process: spawn(&mut command)?, stderr })
    }
}

/// A synguard that runs. Dropping it ends it, by SIGTERM, or by SIGKILL if it does not heed that.
#[derive(Debug)]
pub struct Running {
    process: Child,
    stderr: PathBuf,
}

impl Running {
    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Returns the standard error written so far.
    pub fn stderr(&self) -> String {
        fs::read(&self.stderr).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Sends a signal, as `libc::SIGHUP`.
    ///
    /// # Errors
    /// When it has ended and was waited for.
    pub fn signal(&self, signal: libc::c_int) -> Result<()> {
        // SAFETY: the call has no precondition. The process has not been waited for (`Child` would know), so
        // the id is still its own.
        if unsafe { libc::kill(self.process.id() as libc::pid_t, signal) } != 0 {
            return Err(std::io::Error::last_os_error()).context("signal synguard");
        }
        Ok(())
    }

    /// Ends it by SIGTERM and waits until it has cleaned up.
    ///
    /// # Errors
    /// When it does not end.
    pub fn terminate(mut self) -> Result<Output> {
        self.signal(libc::SIGTERM)?;
        self.end()
    }

    /// Ends it by SIGKILL: it cleans nothing up.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(mut self) -> Result<Output> {
        self.signal(libc::SIGKILL)?;
        self.end()
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not within the given time.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().context("look after synguard")? {
                return Ok(status);
            }
            if start.elapsed() > within {
                bail!("synguard did not end within {within:?}; its standard error: {}", self.stderr().trim());
            }
            thread::sleep(POLL);
        }
    }

    fn end(&mut self) -> Result<Output> {
        let code = self.wait(EXIT_MAX)?.code();
        Ok(Output { code, stdout: String::new(), stderr: self.stderr() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(Some(_))) {
            return;
        }
        if self.signal(libc::SIGTERM).and_then(|()| self.wait(EXIT_MAX)).is_err() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

fn spawn(command: &mut Command) -> Result<Child> {
    end_with_parent(command, libc::SIGTERM);
    command.spawn().with_context(|| format!("start {command:?}"))
}

/// Returns the binary: the one that the environment names, or the one built with the calling program.
fn binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os(BINARY_VARIABLE) {
        let path = PathBuf::from(path);
        return path.canonicalize().with_context(|| format!("{BINARY_VARIABLE}={}", path.display()));
    }
    let this = env::current_exe().context("find the running program")?;
    // Programs lie beside it; tests are one folder further down.
    let mut candidates = this.ancestors().skip(1).take(2).map(|dir| dir.join("synguard"));
    candidates.find(|path| path.is_file()).with_context(|| {
        format!(
            "no synguard binary beside {}: build it with the same profile (`cargo build`, with `--release` if \
             need be), or name it in {BINARY_VARIABLE}",
            this.display()
        )
    })
}

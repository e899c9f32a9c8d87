//! Other programs: finding them, running them with the privilege they need, reading their output.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

/// Returns the workspace's root. Found at run time, so that a checkout that was moved still works.
pub(crate) fn workspace_root() -> PathBuf {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest = manifest.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    manifest.parent().map_or_else(|| manifest.clone(), Path::to_path_buf)
}

/// Returns a command that runs in the workspace's root.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace_root());
    command
}

/// Returns a command for the cargo that started xtask.
pub(crate) fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Finds the first executable of that name on PATH or in Debian's folders for root's programs.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(system).map(|dir| dir.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The way to run a command as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// This process is root already.
    Root,
    Sudo,
    /// Neither root nor sudo.
    None,
}

impl Privilege {
    pub(crate) fn get() -> Self {
        if fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0) {
            Self::Root
        } else if find("sudo").is_some() {
            Self::Sudo
        } else {
            Self::None
        }
    }

    /// Returns a command that runs as root.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Result<Command> {
        let program = program.as_ref();
        match self {
            Self::Root => Ok(command(program)),
            Self::Sudo => {
                let mut sudo = command("sudo");
                sudo.arg(program);
                Ok(sudo)
            }
            Self::None => bail!("{} needs root, and there is no sudo: run this as root", program.display()),
        }
    }

    /// Returns a command that runs a program of this repository as root, with the environment of the caller.
    pub(crate) fn program(self, program: &Path) -> Result<Command> {
        if self != Self::Sudo {
            return self.command(program);
        }
        let mut sudo = command("sudo");
        sudo.args(["-E", "env", &path_assignment()?]).arg(program);
        Ok(sudo)
    }

    /// Returns arguments that make `cargo test` start their programs as root. Cargo itself still runs
    /// as the user, so that no file in `target` belongs to root.
    pub(crate) fn cargo_runner(self) -> Result<Vec<String>> {
        match self {
            Self::Root => Ok(Vec::new()),
            Self::Sudo => {
                let runner =
                    format!("target.'cfg(unix)'.runner=['sudo', '-E', 'env', {:?}]", path_assignment()?);
                Ok(vec!["--config".into(), runner])
            }
            Self::None => {
                bail!("this needs root (CAP_BPF, CAP_NET_ADMIN), and there is no sudo: run it as root")
            }
        }
    }
}

/// Returns an argument of `env` that keeps PATH: sudo replaces it even with -E, and the programs under test are looked
/// up in it.
fn path_assignment() -> Result<String> {
    Ok(format!("PATH={}", env::var("PATH").context("PATH")?))
}

/// Runs the command; an exit status other than 0 is an error that names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("start {}", line(command)))?;
    ensure!(status.success(), "{} failed ({status})", line(command));
    Ok(())
}

/// Runs the command, and shows its output only if it fails.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::inherit()).output().with_context(|| format!("start {}", line(command)))?;
    if !output.status.success() {
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        bail!("{} failed ({})\n{stdout}{stderr}", line(command), output.status);
    }
    Ok(())
}

/// Returns the command's standard output if it succeeded. Its standard error is discarded.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns the command's standard output. Its standard error is passed on, so that a failure explains itself.
pub(crate) fn output_or_error(command: &mut Command) -> Result<String> {
    let child = command.stderr(Stdio::inherit()).output();
    let output = child.with_context(|| format!("start {}", line(command)))?;
    ensure!(output.status.success(), "{} failed ({})", line(command), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs the command, prints its standard output line by line, and returns it.
pub(crate) fn tee(command: &mut Command) -> Result<(ExitStatus, String)> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("start {}", line(command)))?;
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        for bytes in BufReader::new(stdout).split(b'\n') {
            let line = String::from_utf8_lossy(&bytes.context("read a test's output")?).into_owned();
            println!("{line}");
            text.push_str(&line);
            text.push('\n');
        }
    }
    Ok((child.wait()?, text))
}

/// Returns the command line as typed in a shell, without quoting.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

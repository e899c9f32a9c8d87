//! Network namespaces that are deleted with their guard, and code and commands that run inside them.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    process::{Command, id},
    sync::{
        Arc, Once,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result, anyhow};

use crate::{
    bpffs,
    command::{is_alive, run, run_with_input},
};

/// Prefix of the names, `PREFIX-PID-COUNTER-LABEL`: the process id shows which ones belong to a killed process.
const PREFIX: &str = "sglab";
const DIR: &str = "/run/netns";

/// A network namespace. Clones share it; the last one deletes it.
#[derive(Clone, Debug)]
pub struct Netns(Arc<Owned>);

#[derive(Debug)]
struct Owned {
    name: String,
    path: PathBuf,
}

impl Netns {
    /// Makes a namespace with a unique name that ends in `label`, and brings its loopback device up. The first call
    /// in a process also deletes the namespaces that killed processes left behind.
    ///
    /// # Errors
    /// Without root, or without the tool `ip`.
    pub fn new(label: &str) -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        static SWEEP: Once = Once::new();
        crate::command::require_root()?;
        SWEEP.call_once(sweep);
        bpffs::SWEEP.call_once(bpffs::sweep);
        let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{counter}-{label}", id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let path = Path::new(DIR).join(&name);
        let netns = Self(Arc::new(Owned { name, path }));
        netns.ip("link set lo up")?;
        Ok(netns)
    }

    /// The namespace's name under `/run/netns`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The file that stands for the namespace.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns a command that runs inside, with this process's own mounts (`ip netns exec` would remount /sys, and
    /// the command would see no pins). It keeps the process id with which it is started.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.0.path.display())).arg("--").arg(program);
        command
    }

    /// Runs `ip` inside; the arguments are separated by blanks.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn ip(&self, args: &str) -> Result<String> {
        run(Command::new("ip").args(["-n", &self.0.name]).args(args.split_whitespace()))
    }

    /// Runs many commands of `ip` inside, one a line.
    ///
    /// # Errors
    /// When one of them fails.
    pub fn ip_batch(&self, lines: &str) -> Result<()> {
        let mut ip = Command::new("ip");
        run_with_input(ip.args(["-n", &self.0.name, "-batch", "-"]), lines).map(drop)
    }

    /// Adds these rules to the packet filter inside, in nft's language.
    ///
    /// # Errors
    /// Without nft or what the rules need of the kernel.
    pub fn add_rules(&self, rules: &str) -> Result<()> {
        run_with_input(self.command("nft").args(["-f", "-"]), rules).map(drop)
    }

    /// Runs a closure inside and waits for its result. It has a thread of its own, which ends with it: no
    /// other code ever runs in the namespace by accident.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or the closure panics.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let work = scope.spawn(|| self.enter().map(|()| f()));
            work.join().map_err(|_| anyhow!("a thread in namespace {} panicked", self.0.name))?
        })
    }

    /// Starts a thread inside that outlives the call. The namespace stays until the thread ends.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let netns = self.clone();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || netns.enter().map(|()| f()))
            .with_context(|| format!("start thread {name}"))
    }

    /// Sets a sysctl of this namespace, as `net.ipv4.tcp_syncookies`.
    ///
    /// # Errors
    /// When there is no such sysctl, or it does not accept the value.
    pub fn set_sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = sysctl_path(key)?;
        self.run(|| fs::write(&path, value))?
            .with_context(|| format!("set {key}={value} in namespace {}", self.0.name))
    }

    /// Reads a sysctl of this namespace, without the line's end.
    ///
    /// # Errors
    /// When there is no such sysctl.
    pub fn sysctl(&self, key: &str) -> Result<String> {
        let path = sysctl_path(key)?;
        let value = self
            .run(|| fs::read_to_string(&path))?
            .with_context(|| format!("read {key} in namespace {}", self.0.name))?;
        Ok(value.trim().to_owned())
    }

    /// The index of a device of this namespace.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn ifindex(&self, device: &str) -> Result<u32> {
        let name = std::ffi::CString::new(device).context("device name")?;
        // SAFETY: the name is a C string that outlives the call.
        let index = self.run(|| unsafe { libc::if_nametoindex(name.as_ptr()) })?;
        if index == 0 { Err(anyhow!("no device {device} in namespace {}", self.0.name)) } else { Ok(index) }
    }

    /// Moves the calling thread into the namespace.
    fn enter(&self) -> Result<()> {
        let file = File::open(&self.0.path).with_context(|| format!("open {}", self.0.path.display()))?;
        // SAFETY: the descriptor is open; a thread may change its own network namespace.
        if unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
            return Err(std::io::Error::last_os_error())
                .with_context(|| format!("enter namespace {}", self.0.name));
        }
        Ok(())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        delete(&self.name);
    }
}

/// Returns the path of a sysctl of the namespace; any other sysctl would be the machine's.
fn sysctl_path(key: &str) -> Result<PathBuf> {
    if !key.starts_with("net.") || key.contains('/') {
        return Err(anyhow!("{key} is no sysctl of a network namespace"));
    }
    Ok(Path::new("/proc/sys").join(key.replace('.', "/")))
}

/// Deletes the namespaces of processes that no longer live.
fn sweep() {
    for entry in fs::read_dir(DIR).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut parts = name.split('-');
        if parts.next() != Some(PREFIX) {
            continue;
        }
        if let Some(pid) = parts.next().and_then(|pid| pid.parse().ok())
            && !is_alive(pid)
        {
            delete(&name);
        }
    }
}

fn delete(name: &str) {
    // A destructor cannot return an error, and a panic would hide the first one.
    if let Err(error) = run(Command::new("ip").args(["netns", "del", name])) {
        eprintln!("namespace {name} could not be deleted: {error:#}");
    }
}

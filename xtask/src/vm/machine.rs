//! A test machine: qemu, emulating a computer on any host, with a kernel, a file system in memory and two
//! serial lines.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    process::{command, line as command_line},
    vm::console::Report,
};

/// The emulator.
const QEMU: &str = "qemu-system-x86_64";
/// How the kernel is started. Its warnings and worse go to the first serial line; the complaints that are only
/// about time are off, for the time in an emulator on a busy machine is not the kernel's fault.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 loglevel=5 panic=-1 oops=panic nowatchdog \
     rcupdate.rcu_cpu_stall_suppress=1 hung_task_timeout_secs=0";
/// A machine that has not finished by then is switched off.
const RUN_MAX: Duration = Duration::from_secs(1500);
/// How long a machine that has finished may take to switch itself off.
const OFF_MAX: Duration = Duration::from_secs(20);

/// What a machine is made of.
pub(super) struct Machine {
    /// What its lines begin with when they are shown.
    pub(super) name: String,
    /// The kernel.
    pub(super) kernel: PathBuf,
    /// The first file system.
    pub(super) initramfs: PathBuf,
    /// Where the kernel's messages are written.
    pub(super) log: PathBuf,
}

impl Machine {
    /// The command that is the machine.
    pub(super) fn command(&self) -> Command {
        let mut qemu = command(QEMU);
        // Nothing of the host's is needed, not even KVM. Both processors take turns on one thread: with one
        // each, qemu does not keep the kernel's patching of its own code in order, which BPF_PROG_TEST_RUN
        // makes it do all the time, and now and then the kernel dies of "Oops: int3".
        qemu.args(["-accel", "tcg,thread=single", "-smp", "2", "-m", "3G", "-nodefaults", "-no-reboot"]);
        qemu.args(["-display", "none", "-monitor", "none"]);
        qemu.arg("-serial").arg(format!("file:{}", self.log.display())).args(["-serial", "stdio"]);
        qemu.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initramfs);
        qemu.args(["-append", KERNEL_ARGUMENTS]);
        qemu
    }

    /// The command as one would type it.
    pub(super) fn command_line(&self) -> String {
        command_line(&self.command()).replace(KERNEL_ARGUMENTS, &format!("'{KERNEL_ARGUMENTS}'"))
    }

    /// Switches the machine on, shows what its tests say, and reports on them once it is off.
    pub(super) fn run(&self) -> Result<Report> {
        let mut qemu = self.command();
        qemu.stdin(Stdio::null()).stdout(Stdio::piped());
        let start = Instant::now();
        let mut running = Running(qemu.spawn().with_context(|| format!("start {QEMU}"))?);
        let lines = lines(running.0.stdout.take().context("the machine has no second serial line")?);
        let mut report = Report::default();
        let mut end = start + RUN_MAX;
        // Until its time is up, or it is off.
        while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            println!("{} | {line}", self.name);
            report.line(&line, start.elapsed());
            if report.is_finished() {
                end = end.min(Instant::now() + OFF_MAX);
            }
        }
        drop(running);
        let mut log = Vec::new();
        File::open(&self.log)
            .and_then(|mut file| file.read_to_end(&mut log))
            .context("read the kernel's log")?;
        report.kernel_log(&String::from_utf8_lossy(&log));
        Ok(report)
    }
}

/// The emulator, which ends with its guard.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

/// The lines that come out of a pipe, until it is closed.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for bytes in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

//! A test machine: qemu emulates a computer with a kernel, a file system in memory and two serial lines.

use std::{
    fs,
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
    vm::console::MachineReport,
};

/// The emulator.
const QEMU: &str = "qemu-system-x86_64";
/// The kernel's command line. Warnings and worse go to the first serial line. Watchdogs of time are off: an emulator
/// on a busy host is slow, and that is no fault of the kernel's.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 loglevel=5 panic=-1 oops=panic nowatchdog \
     rcupdate.rcu_cpu_stall_suppress=1 hung_task_timeout_secs=0";
/// The longest run of a machine; after it the machine is switched off.
const RUN_MAX: Duration = Duration::from_secs(1500);
/// The longest time from the end of the tests until the machine switches itself off.
const OFF_MAX: Duration = Duration::from_secs(20);

/// The parts of a test machine.
pub(super) struct TestMachine {
    /// The prefix of its lines in the output.
    pub(super) name: String,
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
    /// The file for the kernel's messages.
    pub(super) log: PathBuf,
}

impl TestMachine {
    /// Returns the command that runs the machine.
    pub(super) fn command(&self) -> Command {
        let mut qemu = command(QEMU);
        // The host needs no KVM. Both virtual CPUs share one thread: with a thread each, qemu does not keep the
        // kernel's patching of its own code in order, which BPF_PROG_TEST_RUN causes all the time, and now and then
        // the kernel dies of "Oops: int3".
        qemu.args(["-accel", "tcg,thread=single", "-smp", "2", "-m", "3G", "-nodefaults", "-no-reboot"]);
        qemu.args(["-display", "none", "-monitor", "none"]);
        qemu.arg("-serial").arg(format!("file:{}", self.log.display())).args(["-serial", "stdio"]);
        qemu.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initramfs);
        qemu.args(["-append", KERNEL_ARGUMENTS]);
        qemu
    }

    /// Returns the command as typed in a shell.
    pub(super) fn command_line(&self) -> String {
        command_line(&self.command()).replace(KERNEL_ARGUMENTS, &format!("'{KERNEL_ARGUMENTS}'"))
    }

    /// Switches the machine on, prints the output of its tests, and reports on them once it is off.
    pub(super) fn run(&self) -> Result<MachineReport> {
        let mut qemu = self.command();
        qemu.stdin(Stdio::null()).stdout(Stdio::piped());
        let start = Instant::now();
        let mut emulator = KillOnDrop(qemu.spawn().with_context(|| format!("start {QEMU}"))?);
        let lines = lines(emulator.0.stdout.take().context("the machine has no second serial line")?);
        let mut report = MachineReport::default();
        let mut end = start + RUN_MAX;
        // The loop ends when the time is up, or the machine is off.
        while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            println!("{} | {line}", self.name);
            report.line(&line, start.elapsed());
            if report.is_finished() {
                end = end.min(Instant::now() + OFF_MAX);
            }
        }
        drop(emulator);
        let log = fs::read(&self.log).context("read the kernel's log")?;
        report.kernel_log(&String::from_utf8_lossy(&log));
        Ok(report)
    }
}

/// A process that is killed when this guard is dropped.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

/// Returns the lines that come out of a pipe, until it is closed.
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

//! Runs the tools the lab is built from, with errors that name the failure and the package to install.

use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// The remedy that errors name when a tool is missing.
pub const REMEDY: &str = "run `cargo xtask setup`, which installs what the lab is built from";

/// The lab makes namespaces, mounts and loads BPF programs.
///
/// # Errors
/// Without root.
pub fn require_root() -> Result<()> {
    // SAFETY: the call has no precondition and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        bail!("the lab needs root (it makes network namespaces and loads BPF programs): run it under sudo");
    }
    Ok(())
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// When it cannot be started, or fails; the message has its standard error.
pub fn run(command: &mut Command) -> Result<String> {
    run_with_input(command, "")
}

/// Runs a command to its end with `input` on its standard input and returns its standard output.
///
/// # Errors
/// When it cannot be started, or fails; the message has its standard error.
pub fn run_with_input(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}: {REMEDY}", command.get_program().display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input closes it: only its exit code matters.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| format!("wait for {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reports whether a process exists.
pub fn is_alive(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// Pins the calling thread to one CPU.
///
/// # Errors
/// When the machine has no such CPU, or this process may not use it.
pub fn pin_to_cpu(cpu: usize) -> std::io::Result<()> {
    pin_thread(0, cpu)
}

/// Pins a thread, 0 for the calling one, to one CPU.
pub(crate) fn pin_thread(id: libc::pid_t, cpu: usize) -> std::io::Result<()> {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(std::io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: the set is valid, and `cpu` is below its capacity.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the pointer and the size describe the set.
    let result = unsafe { libc::sched_setaffinity(id, size_of::<libc::cpu_set_t>(), &raw const set) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Makes the kernel signal the command when the thread that starts it ends, for whatever reason: a killed test leaves
/// no process behind. The starting thread must outlive the command's guard.
pub(crate) fn end_with_parent(command: &mut Command, signal: libc::c_int) {
    // SAFETY: between fork and exec only one system call is made.
    unsafe {
        command.pre_exec(move || match libc::prctl(libc::PR_SET_PDEATHSIG, signal) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

/// Raises this process's limit of open files to its maximum: every visitor under way needs one.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn raise_file_limit() -> std::io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a limit that outlives the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Gives the calling thread precedence over others (as `nice -n -15`): a measurement should not include the machine's
/// other work. All threads of a measurement have it, with and without a flood.
pub(crate) fn take_precedence() -> std::io::Result<()> {
    // SAFETY: the call has no precondition; 0 is the calling thread.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -15) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Makes the calling thread wake up on time, not up to 50 µs later together with others.
pub(crate) fn sleep_exactly() -> std::io::Result<()> {
    // SAFETY: the call has no precondition.
    match unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Gives a thread, 0 for the calling one, a real-time priority: it runs as soon as the kernel can switch to it,
/// whatever else wants its CPU.
pub(crate) fn preempt_everything(id: libc::pid_t) -> std::io::Result<()> {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the pointer is to a parameter that outlives the call.
    match unsafe { libc::sched_setscheduler(id, libc::SCHED_FIFO, &raw const priority) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

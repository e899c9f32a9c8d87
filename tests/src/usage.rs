//! What a command takes: time, and memory at its peak.

use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// What a command took.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// From its start to its end.
    pub time: Duration,
    /// Bytes of memory that it had at most; at least what the calling process has, which it begins as.
    pub memory: u64,
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be started or waited for.
pub fn measure(command: &mut Command) -> Result<(ExitStatus, Usage)> {
    let begun = Instant::now();
    let child = command.spawn().with_context(|| format!("start {command:?}"))?;
    let pid = child.id() as libc::pid_t;
    let mut status = 0;
    // SAFETY: all zeros is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the child is ours and was not waited for; both pointers are to values that outlive the call.
    if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } != pid {
        return Err(io::Error::last_os_error()).with_context(|| format!("wait for {command:?}"));
    }
    let memory = usage.ru_maxrss as u64 * 1024;
    Ok((ExitStatus::from_raw(status), Usage { time: begun.elapsed(), memory }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_memory_and_status_are_the_commands() {
        let mut command = Command::new("sh");
        let (status, usage) =
            measure(command.args(["-c", "x=$(head -c 60000000 /dev/zero | tr '\\0' x); exit 3"]))
                .expect("sh");
        assert_eq!(status.code(), Some(3));
        assert!(usage.memory > 60_000_000, "{}", usage.memory);
        assert!(usage.time > Duration::ZERO);
    }
}

//! Resource usage of a program: CPU time and peak memory.

use std::{
    fs, io,
    os::unix::process::ExitStatusExt as _,
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// Resource usage of a command.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Time from the start to the end.
    pub time: Duration,
    /// Peak memory in bytes; at least that of the calling process, as which it begins.
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

/// Time that a running program has had of the CPUs so far, in steps of 10 ms.
///
/// # Errors
/// When it has ended.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = read(pid, "stat")?;
    // The fields behind the name, which may hold any character: user and system time are the 14th and 15th of all.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    let ticks: Option<Vec<u64>> = fields.skip(11).take(2).map(|field| field.parse().ok()).collect();
    let ticks: u64 = ticks.with_context(|| format!("understand {stat}"))?.iter().sum();
    Ok(Duration::from_millis(10 * ticks))
}

/// Bytes of memory that a running program has had at most.
///
/// # Errors
/// When it has ended.
pub fn peak_memory(pid: u32) -> Result<u64> {
    let status = read(pid, "status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let kib: u64 = peak.and_then(|peak| peak.parse().ok()).with_context(|| format!("understand {status}"))?;
    Ok(kib * 1024)
}

fn read(pid: u32, what: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{what}");
    fs::read_to_string(&path).with_context(|| format!("read {path}"))
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

    #[test]
    fn a_running_programs_too() {
        let (me, begun) = (std::process::id(), Instant::now());
        while cpu_time(me).expect("time") < Duration::from_millis(30) {
            assert!(begun.elapsed() < Duration::from_secs(10), "no time passes");
        }
        assert!(peak_memory(me).expect("memory") > 1 << 20);
        cpu_time(u32::MAX).unwrap_err();
    }
}

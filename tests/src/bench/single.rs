//! Measuring a program on one packet, by `BPF_PROG_TEST_RUN`: for what costs so little that a live flood's noise
//! would hide it.

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd as _},
    ptr,
};

use anyhow::{Context as _, Result, ensure};
use aya::programs::{ProgramInfo, loaded_programs};
use aya_obj::generated::{bpf_attr, bpf_cmd};

use crate::xdp::{Loaded, Program};

/// Runs of the check that nobody else has run statistics on.
const PROBE_RUNS: u32 = 1000;

/// Mean nanoseconds of this thread's CPU time a run. The kernel's own figure is in whole nanoseconds, and counts
/// the time when something else has the CPU.
///
/// # Errors
/// When the kernel does not run the program.
pub(super) fn cpu_ns_a_run(program: impl AsFd, packet: &[u8], repeat: u32) -> Result<f64> {
    let start = thread_cpu_ns()?;
    test_run(program, packet, repeat).context("BPF_PROG_TEST_RUN")?;
    Ok((thread_cpu_ns()? - start) as f64 / f64::from(repeat))
}

/// # Errors
/// When somebody on this machine has run statistics on, which slow every program.
pub(super) fn require_stats_off() -> Result<()> {
    let empty = Loaded::new(Program::DropEmpty)?;
    test_run(empty.xdp()?.fd()?.as_fd(), &[0; 64], PROBE_RUNS).context("BPF_PROG_TEST_RUN")?;
    let runs = empty.xdp()?.info()?.run_count();
    ensure!(
        runs == 0,
        "BPF run statistics are on (kernel.bpf_stats_enabled, or another tool): switch them off"
    );
    Ok(())
}

fn test_run(program: impl AsFd, packet: &[u8], repeat: u32) -> io::Result<()> {
    let mut attr = zeroed();
    attr.test.prog_fd = program.as_fd().as_raw_fd() as u32;
    attr.test.data_in = packet.as_ptr() as u64;
    attr.test.data_size_in = packet.len() as u32;
    attr.test.repeat = repeat;
    bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr).map(drop)
}

/// The all-zero argument, which every command takes to mean its defaults.
pub(super) fn zeroed() -> bpf_attr {
    // SAFETY: bpf_attr is a union of structs of integers, for which all zeros is a value.
    unsafe { mem::zeroed() }
}

/// Calls bpf(2).
pub(super) fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: `attr` is a whole bpf_attr, and callers keep alive what its fields point to.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command as u32, ptr::from_mut(attr), size_of::<bpf_attr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn thread_cpu_ns() -> Result<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that outlives the call.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error()).context("read the thread's CPU time");
    }
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// A loaded program.
///
/// # Errors
/// When there is none of that id.
pub(super) fn program_by_id(id: u32) -> Result<ProgramInfo> {
    loaded_programs().flatten().find(|program| program.id() == id).with_context(|| format!("no program {id}"))
}

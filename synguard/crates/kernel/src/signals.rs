//! Signals as a queue that also says who sent each, which a handler of tokio's does not.

use std::{
    io::{self, ErrorKind},
    mem,
    os::fd::{FromRawFd as _, OwnedFd},
    ptr,
};

use libc::signalfd_siginfo;
use rustix::process::Signal;
use tokio::io::unix::AsyncFd;

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedSignal {
    pub signal: Signal,
    /// True if the kernel sent it by itself, as for the keys of a terminal and for its end.
    pub is_from_kernel: bool,
    /// The process that sent it; 0 if that is the kernel, or a process outside this PID namespace.
    pub pid: u32,
    /// User of that process.
    pub uid: u32,
}

/// The signals that this process handles itself. They no longer end the process.
pub struct SignalQueue(AsyncFd<OwnedFd>);

impl SignalQueue {
    /// Begins to queue these signals. Must be called inside the tokio runtime, and before other threads are started, which
    /// would still receive them.
    pub fn open(signals: &[Signal]) -> io::Result<Self> {
        let mut set = mem::MaybeUninit::uninit();
        // SAFETY: `sigemptyset` initialises the set that `set` has room for, and the other calls use it afterwards.
        let descriptor = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), signal.as_raw());
            }
            let error = libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
            if error != 0 {
                return Err(io::Error::from_raw_os_error(error));
            }
            libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        // SAFETY: the descriptor is owned here, and nothing closes or replaces it before it is dropped.
        let registered = unsafe { AsyncFd::register(descriptor) };
        Ok(Self(registered.map_err(io::Error::from)?))
    }

    /// Waits for the next signal.
    pub async fn next(&self) -> io::Result<ReceivedSignal> {
        loop {
            let mut guard = self.0.readable().await?;
            match read(guard.get_inner()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => guard.clear_ready(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

fn read(descriptor: &OwnedFd) -> io::Result<ReceivedSignal> {
    let mut buffer = [0; size_of::<signalfd_siginfo>()];
    let length = rustix::io::read(descriptor, &mut buffer)?;
    if length != buffer.len() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    // SAFETY: every pattern of bytes is a valid `signalfd_siginfo`, which has integers only; the read needs no alignment.
    let info = unsafe { ptr::read_unaligned(buffer.as_ptr().cast::<signalfd_siginfo>()) };
    let signal = Signal::from_named_raw(info.ssi_signo.cast_signed()).ok_or(ErrorKind::InvalidData)?;
    Ok(ReceivedSignal {
        signal,
        is_from_kernel: info.ssi_code == libc::SI_KERNEL,
        pid: info.ssi_pid,
        uid: info.ssi_uid,
    })
}

#[cfg(test)]
mod tests {
    use rustix::process::{getpid, getuid};

    use super::*;

    #[test]
    fn signal_names_its_sender() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            // The test's threads share the process: this signal does nothing elsewhere.
            let queue = SignalQueue::open(&[Signal::WINCH]).expect("a queue");
            // SAFETY: the call has no precondition. The signal is for this thread, which has blocked it.
            unsafe { libc::raise(libc::SIGWINCH) };
            let signal = queue.next().await.expect("a signal");
            let (pid, uid) = (getpid().as_raw_nonzero().get().cast_unsigned(), getuid().as_raw());
            assert_eq!((signal.signal, signal.pid, signal.uid), (Signal::WINCH, pid, uid));
            assert!(!signal.is_from_kernel);
        });
    }
}

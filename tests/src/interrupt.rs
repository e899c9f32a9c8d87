//! Ctrl-C ends the demo, the bench or the picture at the next second, with everything cleaned up.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Makes SIGINT and SIGTERM set a flag instead of ending the process.
pub(crate) fn watch() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        #[expect(
            clippy::fn_to_numeric_cast_any,
            reason = "signal(2) takes the address of the handler as a number"
        )]
        let handler = note as *const () as libc::sighandler_t;
        // SAFETY: the handler only stores to an atomic, which is safe at any point of the program.
        unsafe { libc::signal(signal, handler) };
    }
}

/// # Errors
/// After a signal.
pub(crate) fn check() -> Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        bail!("interrupted; everything was cleaned up");
    }
    Ok(())
}

/// Sleeps.
///
/// # Errors
/// After a signal.
pub(crate) fn sleep(time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        check()?;
        thread::sleep(Duration::from_millis(100));
    }
    check()
}

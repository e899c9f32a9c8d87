//! Options that a connection's two ends have negotiated, as `TCP_INFO` gives them.

use std::{
    io::{Error, Result},
    os::fd::AsRawFd,
};

/// The options negotiated when a connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Timestamps.
    pub timestamps: bool,
    /// Selective acknowledgements.
    pub sack: bool,
    /// Window scales: that of windows received, and that of windows sent.
    pub scales: Option<(u8, u8)>,
    /// Explicit congestion notification.
    pub ecn: bool,
}

impl Negotiated {
    /// Reads the options from this end of a connection.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(socket: &impl AsRawFd) -> Result<Self> {
        // State, congestion state, retransmits, probes, backoff, options, window scales.
        let mut info = [0_u8; 8];
        let mut len = info.len() as libc::socklen_t;
        let fd = socket.as_raw_fd();
        // SAFETY: pointers and length describe buffers that outlive the call; the kernel fills in what fits.
        let result = unsafe {
            libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut len)
        };
        if result != 0 {
            return Err(Error::last_os_error());
        }
        let (options, scales) = (info[5], info[6]);
        Ok(Self {
            timestamps: options & 1 != 0,
            sack: options & 2 != 0,
            scales: (options & 4 != 0).then_some((scales & 0xf, scales >> 4)),
            ecn: options & 8 != 0,
        })
    }

    /// Returns the options as the other end must see them.
    #[must_use]
    pub fn mirrored(self) -> Self {
        Self { scales: self.scales.map(|(theirs, ours)| (ours, theirs)), ..self }
    }
}

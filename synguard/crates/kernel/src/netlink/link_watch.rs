//! Notifications about interfaces from the kernel.

use std::io;

use anyhow::{Context as _, Result};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use tokio::io::unix::AsyncFd;

/// The multicast group for links (`RTMGRP_LINK`), as a bit.
const LINKS: u32 = 1;
/// Bytes read at once. The rest of a longer notification is cut off: only its arrival matters.
const BUFFER_BYTES: usize = 4096;

/// A subscription to interfaces being added, removed or changed in the process's network namespace.
pub struct LinkWatch(AsyncFd<Socket>);

impl LinkWatch {
    /// Subscribes. Must be called inside the tokio runtime.
    pub fn open() -> Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE).context("open a netlink socket")?;
        socket.bind(&SocketAddr::new(0, LINKS)).context("subscribe to interface changes")?;
        socket.set_non_blocking(true).context("subscribe to interface changes")?;
        // SAFETY: the socket owns its descriptor, and nothing here closes or replaces the descriptor before the socket is dropped.
        let registered = unsafe { AsyncFd::register(socket) };
        Ok(Self(registered.map_err(io::Error::from).context("subscribe to interface changes")?))
    }

    /// Waits for a change. Several changes may be reported as one, and the caller has to find out which they are.
    pub async fn changed(&self) {
        loop {
            let Ok(mut guard) = self.0.readable().await else { return std::future::pending().await };
            let mut is_changed = false;
            loop {
                let mut buffer = Vec::with_capacity(BUFFER_BYTES);
                match guard.get_inner().recv(&mut buffer, 0) {
                    Ok(_) => is_changed = true,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // Notifications were lost (ENOBUFS): there was a change, too.
                    Err(_) => {
                        is_changed = true;
                        break;
                    }
                }
            }
            guard.clear_ready();
            if is_changed {
                return;
            }
        }
    }
}

//! News of interfaces, as the kernel tells them.

use std::io;

use anyhow::{Context as _, Result};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use tokio::io::unix::AsyncFd;

/// The group of news about links (RTMGRP_LINK), as a bit.
const LINKS: u32 = 1;
/// Bytes read at once. What does not fit is cut off: that there are news is all that matters.
const BUFFER: usize = 4096;

/// Hears of interfaces that come, go or change in the process's network namespace.
pub struct LinkWatch(AsyncFd<Socket>);

impl LinkWatch {
    /// Begins to listen. Needs the runtime.
    ///
    /// # Errors
    ///
    /// If there is no socket to be had.
    pub fn open() -> Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE).context("open a netlink socket")?;
        socket.bind(&SocketAddr::new(0, LINKS)).context("listen for news of interfaces")?;
        socket.set_non_blocking(true).context("listen for news of interfaces")?;
        // SAFETY: the socket owns its descriptor, and nothing here closes or replaces it before it is dropped.
        let registered = unsafe { AsyncFd::register(socket) };
        Ok(Self(registered.map_err(io::Error::from).context("listen for news of interfaces")?))
    }

    /// Waits for news. Many at once count as one; which they are has to be looked at.
    pub async fn changed(&self) {
        loop {
            let Ok(mut guard) = self.0.readable().await else { return std::future::pending().await };
            let mut heard = false;
            loop {
                let mut buffer = Vec::with_capacity(BUFFER);
                match guard.get_inner().recv(&mut buffer, 0) {
                    Ok(_) => heard = true,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // Some were lost (ENOBUFS): that is news as well.
                    Err(_) => {
                        heard = true;
                        break;
                    }
                }
            }
            guard.clear_ready();
            if heard {
                return;
            }
        }
    }
}

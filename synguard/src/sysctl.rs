//! The only reader of `/proc/sys`. The kernel resolves `net` to the namespace of the process.

use std::fs;

/// `net.ipv4.tcp_syncookies`: 0 never, 1 when a listener's queue is full, 2 always. `None` if it cannot be
/// read, as in a kernel without SYN cookies.
pub fn tcp_syncookies() -> Option<u8> {
    fs::read_to_string("/proc/sys/net/ipv4/tcp_syncookies").ok()?.trim().parse().ok()
}

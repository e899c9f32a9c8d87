//! The options that the kernel's TCP accepts with a SYN cookie.

use std::path::Path;

use super::read_number;

const IPV4: &str = "/proc/sys/net/ipv4";

/// The options of connections that the kernel accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpStack {
    /// Set if the kernel accepts both window scaling and SACK; otherwise it refuses a cookie that grants one of them.
    pub accepts_options: bool,
    /// Set if the kernel accepts ECN (`net.ipv4.tcp_ecn` is not 0).
    pub accepts_ecn: bool,
}

/// Reads the properties of the network namespace of the process.
pub fn tcp_stack() -> TcpStack {
    let number = |name: &str| read_number(&Path::new(IPV4).join(name));
    TcpStack {
        accepts_options: number("tcp_window_scaling") == Some(1) && number("tcp_sack") == Some(1),
        accepts_ecn: number("tcp_ecn").is_some_and(|ecn| ecn != 0),
    }
}

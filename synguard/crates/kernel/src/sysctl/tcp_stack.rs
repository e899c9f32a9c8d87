//! The properties that the kernel's TCP announces in a SYN-ACK, for SYN-ACKs that XDP sends in its place.

use std::{fs, path::Path};

use super::read_number;

const IPV4: &str = "/proc/sys/net/ipv4";

/// The largest window scale (RFC 7323).
const SCALE_MAX: u32 = 14;
/// Bits of an unscaled window, less one because the logarithm counts from 0.
const UNSCALED_BITS: u32 = 15;
/// The kernel's default hop limit.
const HOP_LIMIT: u8 = 64;

/// The properties of the kernel's SYN-ACKs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpStack {
    /// Time to live, or hop limit, 1 to 255 (`net.ipv4.ip_default_ttl`).
    pub hop_limit: u8,
    /// Window scale that the kernel would announce, 0 to 14. Unknown inputs make it lower, which is safe: the peer then
    /// sees a smaller window than there is.
    pub window_scale: u8,
    /// Set if the kernel accepts both window scaling and SACK; otherwise it refuses a cookie that grants one of them.
    pub accepts_options: bool,
    /// Set if the kernel accepts ECN (`net.ipv4.tcp_ecn` is not 0).
    pub accepts_ecn: bool,
}

/// Reads the properties of the network namespace of the process.
pub fn tcp_stack() -> TcpStack {
    let ipv4 = |name: &str| fs::read_to_string(Path::new(IPV4).join(name)).unwrap_or_default();
    // Some kernels have this file in the initial namespace only.
    let rmem_max = fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap_or_default();
    let number = |name: &str| read_number(&Path::new(IPV4).join(name));
    TcpStack {
        hop_limit: number("ip_default_ttl").filter(|&hops| hops > 0).unwrap_or(HOP_LIMIT),
        window_scale: window_scale(&ipv4("tcp_rmem"), &rmem_max),
        accepts_options: number("tcp_window_scaling") == Some(1) && number("tcp_sack") == Some(1),
        accepts_ecn: number("tcp_ecn").is_some_and(|ecn| ecn != 0),
    }
}

/// Returns the scale that the kernel chooses for the largest receive buffer (`tcp_select_initial_window`).
fn window_scale(tcp_rmem: &str, rmem_max: &str) -> u8 {
    let largest = tcp_rmem.split_ascii_whitespace().nth(2).and_then(|max| max.parse::<u32>().ok());
    let space = largest.unwrap_or(0).max(rmem_max.trim().parse().unwrap_or(0));
    space.checked_ilog2().unwrap_or(0).saturating_sub(UNSCALED_BITS).min(SCALE_MAX) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_scale_is_that_of_the_kernel() {
        for (tcp_rmem, rmem_max, expected) in [
            ("4096\t131072\t6291456\n", "212992\n", 7),
            ("4096 131072 33554432", "212992", 10),
            ("4096 131072 65535", "", 0),
            ("4096 131072 65536", "", 1),
            ("4096 131072 1000", "67108864", 11),
            ("4096 131072 2147483647", "", 14),
            ("4096 131072 4294967295", "", 14),
            ("", "", 0),
            ("4096 131072", "garbage", 0),
        ] {
            assert_eq!(window_scale(tcp_rmem, rmem_max), expected, "{tcp_rmem:?} {rmem_max:?}");
        }
    }

    #[test]
    fn running_kernel_is_read() {
        let stack = tcp_stack();
        assert!(stack.hop_limit > 0 && u32::from(stack.window_scale) <= SCALE_MAX, "{stack:?}");
    }
}

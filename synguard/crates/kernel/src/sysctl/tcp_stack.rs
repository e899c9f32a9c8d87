//! What the kernel's TCP would say of itself in an answer, for who answers in its place.

use std::{fs, path::Path};

use super::{IPV4, read_number};

/// The largest shift of a window (RFC 7323).
const SCALE_MAX: u32 = 14;
/// Bits of a window without one, less the one that counts down to it.
const UNSCALED_BITS: u32 = 15;
/// What the kernel sets hop limits to unless told otherwise.
const HOP_LIMIT: u8 = 64;

/// How the kernel would answer a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Time to live, or hop limit, 1 to 255 (`net.ipv4.ip_default_ttl`).
    pub hop_limit: u8,
    /// The window scale that it would announce, 0 to 14. What is not known makes it lower, which is safe: the peer
    /// then sees a smaller window than there is.
    pub window_scale: u8,
    /// Whether it accepts both window scaling and SACK: a cookie that says one of them is refused otherwise.
    pub takes_options: bool,
    /// Whether it accepts ECN (`net.ipv4.tcp_ecn` is not 0).
    pub takes_ecn: bool,
}

/// Reads how the kernel would answer, in the network namespace of the process.
pub fn stack() -> Stack {
    let ipv4 = |name: &str| fs::read_to_string(Path::new(IPV4).join(name)).unwrap_or_default();
    // Not in every namespace of every kernel.
    let rmem_max = fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap_or_default();
    let number = |name: &str| read_number(&Path::new(IPV4).join(name));
    Stack {
        hop_limit: number("ip_default_ttl").filter(|&hops| hops > 0).unwrap_or(HOP_LIMIT),
        window_scale: window_scale(&ipv4("tcp_rmem"), &rmem_max),
        takes_options: number("tcp_window_scaling") == Some(1) && number("tcp_sack") == Some(1),
        takes_ecn: number("tcp_ecn").is_some_and(|ecn| ecn != 0),
    }
}

/// The scale that the kernel chooses for what it may use for a connection at most (`tcp_select_initial_window`).
fn window_scale(tcp_rmem: &str, rmem_max: &str) -> u8 {
    let largest = tcp_rmem.split_ascii_whitespace().nth(2).and_then(|max| max.parse::<u32>().ok());
    let space = largest.unwrap_or(0).max(rmem_max.trim().parse().unwrap_or(0));
    space.checked_ilog2().unwrap_or(0).saturating_sub(UNSCALED_BITS).min(SCALE_MAX) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_scale_is_the_kernels() {
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
    fn this_kernel_says_how_it_answers() {
        let stack = stack();
        assert!(stack.hop_limit > 0 && u32::from(stack.window_scale) <= SCALE_MAX, "{stack:?}");
    }
}

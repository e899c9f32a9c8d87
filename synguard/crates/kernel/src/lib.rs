//! What the kernel says and is told, without BPF: clocks, capabilities, locks, netlink, sysctls, TCP's counters.

pub mod capabilities;
pub mod clock;
pub mod instance;
pub mod lock;
pub mod netlink;
pub mod preflight;
pub mod protected;
pub mod sysctl;
pub mod tcp_counters;

//! The kernel's side of synguard except BPF: clocks, capabilities, locks, durable files, netlink, sysctls, TCP counters.

pub mod capabilities;
pub mod clock;
pub mod connections;
pub mod durable_file;
pub mod instance;
pub mod lock;
pub mod netlink;
pub mod preflight;
pub mod process;
pub mod protected;
pub mod signals;
pub mod sysctl;
pub mod tcp_counters;
pub mod terminal;

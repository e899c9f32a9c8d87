//! Verdicts of the real program, in the kernel: tables of packet and set-up against action, every counter and the
//! source's entry. One module for each topic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]

mod held;
mod ipv4;
mod ipv6;
mod link;
mod parallel;
mod rate;
mod settings;
mod sources;
mod table;
mod tcp;
mod vlan;

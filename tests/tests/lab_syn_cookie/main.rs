//! SYN cookies between real or crafted clients and a real server: the negotiated options, the data that arrives, and
//! the behaviour under a flood. The tests write the settings; there is no controller.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]

mod acks;
mod crafted;
mod download;
mod flooded;
mod negotiated;
mod repeated;
mod testbed;
mod ways;

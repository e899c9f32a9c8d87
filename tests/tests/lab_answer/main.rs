//! Real clients and crafted ones against a real server whose SYNs the program answers: what both ends agree on, what
//! arrives, and what becomes of it under a flood. The settings are written by the tests; the controller is not there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]

mod acks;
mod agreed;
mod crafted;
mod download;
mod flooded;
mod stand;
mod ways;

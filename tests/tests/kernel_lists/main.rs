//! The operator's lists in the kernel: every prefix length against a naive model, and changes under a flood without a
//! packet slipping through.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]

mod change;
mod kept_hits;
mod listed;
mod prefixes;
mod setup;

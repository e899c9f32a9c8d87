//! SYN cookies of the real program, in the kernel: each row compares a SYN, settings and sockets with the reason, the
//! counters and, where the program replies, the frame, which an independent reader takes apart. One module for each
//! topic. Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]

mod acks;
mod first_syn;
mod fuzz;
mod limits;
mod listeners;
mod no_cookie;
mod shapes;
mod testbed;
mod unsupported;

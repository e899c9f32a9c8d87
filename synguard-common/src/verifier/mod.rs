//! Code in the form that the BPF verifier, LLVM's BPF backend, and a machine without conditional moves need.

pub mod barrier;
pub mod branchless;

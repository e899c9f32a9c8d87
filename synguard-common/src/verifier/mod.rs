//! Code shaped for the verifier and for LLVM's BPF backend.

pub mod barrier;
pub mod branchless;

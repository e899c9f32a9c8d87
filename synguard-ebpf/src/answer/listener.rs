//! Which listeners were looked up lately, see `synguard_common::listener`.

use synguard_common::{abi::Config, answer::Answering, listener::Listener};

use crate::maps;

/// Whether a listener was looked up so lately that it need not be again.
#[inline(always)]
pub(super) fn is_known(config: &Config, answering: &Answering, listener: &Listener, now_ns: u64) -> bool {
    maps::listeners(listener.index(config.hash_seed))
        .is_some_and(|pair| pair.knows(listener, answering.listener_ns, now_ns))
}

/// Remembers that a listener was looked up.
#[inline(always)]
pub(super) fn remember(config: &Config, listener: &Listener, now_ns: u64) {
    if let Some(pair) = maps::listeners(listener.index(config.hash_seed)) {
        pair.remember(listener, now_ns);
    }
}

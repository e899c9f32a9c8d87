//! This CPU's cache of listeners, see `synguard_common::syn_cookie::listener_cache`.

use synguard_common::{
    abi::Config,
    syn_cookie::{config::SynCookieConfig, listener_cache::ListenerKey},
};

use crate::maps;

/// Reports whether this CPU has looked a listener up so recently that it need not do so again.
#[inline(always)]
pub(super) fn hit(config: &Config, cookies: &SynCookieConfig, listener: &ListenerKey, now_ns: u64) -> bool {
    maps::listener_pair(listener.index(config.hash_seed))
        .is_some_and(|pair| pair.hit(listener, cookies.listener_ns, now_ns))
}

/// Records a lookup of a listener.
#[inline(always)]
pub(super) fn insert(config: &Config, listener: &ListenerKey, now_ns: u64) {
    if let Some(pair) = maps::listener_pair(listener.index(config.hash_seed)) {
        pair.insert(listener, now_ns);
    }
}

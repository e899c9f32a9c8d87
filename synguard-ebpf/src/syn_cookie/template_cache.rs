//! This CPU's cache of templates, see `synguard_common::syn_cookie::template_cache`.

use synguard_common::{
    abi::Config,
    syn_cookie::{config::SynCookieConfig, template_cache},
};

use super::scratch::SynScratch;
use crate::maps;

/// Puts the template of the scratch space's path into the scratch space, if this CPU has looked it up so recently that it
/// need not do so again.
#[inline(always)]
pub(super) fn load(
    config: &Config,
    cookies: &SynCookieConfig,
    scratch: &mut SynScratch,
    now_ns: u64,
) -> bool {
    scratch.pair = template_cache::index(&scratch.class, config.hash_seed) as u32;
    let Some(pair) = maps::template_pair(scratch.pair) else { return false };
    let Some(slot) = pair.hit(&scratch.class, cookies.listener_ns, now_ns) else { return false };
    scratch.shape = copied(&pair.slots[slot].shape);
    scratch.slot = slot as u32;
    true
}

/// Caches the template of the scratch space. Returns the cookies that this CPU had sent on the path and not yet added to its
/// state.
#[inline(always)]
pub(super) fn insert(scratch: &mut SynScratch, now_ns: u64) -> u64 {
    let Some(pair) = maps::template_pair(scratch.pair) else { return 0 };
    let (class, shape) = (copied(&scratch.class), copied(&scratch.shape));
    let (slot, sent) = pair.insert(&class, shape, now_ns);
    scratch.slot = slot as u32;
    sent
}

/// Counts a cookie that was sent with the template of the scratch space.
#[inline(always)]
pub(super) fn count_sent(scratch: &SynScratch) {
    if let Some(pair) = maps::template_pair(scratch.pair) {
        pair.slots[scratch.slot as usize & 1].sent += 1;
    }
}

/// Returns a copy on the stack. From one map value to another the compiler would copy by a function call (memmove), which the
/// verifier refuses.
#[inline(always)]
pub(super) fn copied<T: Copy>(value: &T) -> T {
    // SAFETY: the reference is valid.
    unsafe { (&raw const *value).read_volatile() }
}

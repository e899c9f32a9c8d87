//! SYN cookies in XDP: sends them to SYNs, and checks the ACKs that return them.
//!
//! The kernel does not see the exchange of SYN and SYN-ACK. It generates the cookie, and accepts the ACK that returns it
//! like one to a cookie of its own. A SYN that XDP cannot handle is passed to the kernel, which sends its own cookie.
//! Only SYNs over a rate are dropped, and first SYNs while a retransmission is required.

mod ack;
pub(crate) mod cookie_helpers;
pub(crate) mod headers;
mod limits;
mod options;
pub(crate) mod paths;
pub(crate) mod scratch;
mod syn;
mod syn_ack;
mod template_cache;
mod validated_sources;

use aya_ebpf::programs::XdpContext;
use synguard_common::{reason::Reason, syn_cookie::config::SYN_COOKIE_ON};

use self::headers::HeaderOffsets;
use crate::{
    maps,
    parse::{self, Packet},
};

/// Handles a packet that has passed every other check for `reason`. Returns the final reason, and the length that the
/// packet arrived with: a SYN-ACK may have replaced it.
#[inline(always)]
pub fn handle(ctx: &XdpContext, packet: &Packet, reason: Reason) -> (Reason, u64) {
    if matches!(reason, Reason::SynPassed | Reason::Untracked) && is_enabled() {
        return syn::handle(ctx, HeaderOffsets::of(packet), reason);
    }
    if matches!(reason, Reason::NotSyn) && packet.is_ack() && is_enabled() {
        return (ack::check(ctx, HeaderOffsets::of(packet)), parse::length(ctx));
    }
    (reason, parse::length(ctx))
}

/// Reports whether userspace has switched SYN cookies in XDP on. Their lease may have expired nevertheless.
#[inline(always)]
pub fn is_enabled() -> bool {
    maps::syn_cookies().has(SYN_COOKIE_ON)
}

//! ACKs to listeners: what returns a cookie passes and proves its source; what belongs to no connection is dropped, if
//! that is set.

use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use synguard_common::{answer::ANSWER_CHECK_ACKS, verdict::Reason};

use crate::{
    answer::{
        cookie, source,
        syn::{self, Place, Plain},
    },
    filter::{clock, is_guarded, is_watching},
    maps, proven,
};

/// How long a source may send on behalf of a connection that the kernel has not made yet, in nanoseconds: what comes
/// in one go with the ACK is looked at before the kernel has seen that.
const GRACE_NS: u64 = 2_000_000_000;

/// The index of the reason for what becomes of an ACK.
#[inline(always)]
pub(crate) fn judge(ctx: &XdpContext, place: Place) -> u32 {
    synguard_ack(ctx.ctx, place.0)
}

/// See [`judge`]. A global function: the verifier examines it once, for any arguments, see `lists`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_ack(ctx: *mut xdp_md, place: u64) -> u32 {
    let (ctx, place) = (XdpContext::new(ctx), Place(place));
    // What the sockets cannot be asked about in this simple way passes.
    let reason = match place.plain() {
        None => None,
        Some(_) if place.is_v6() => reason::<true>(&ctx, Plain::at(place)),
        Some(_) => reason::<false>(&ctx, Plain::at(place)),
    };
    reason.unwrap_or(Reason::NotSyn).index()
}

/// `None`: what becomes of every other packet that is no SYN.
#[inline(always)]
fn reason<const V6: bool>(ctx: &XdpContext, place: Plain<V6>) -> Option<Reason> {
    let (config, answering) = (maps::config(), maps::answering());
    let now_ns = clock();
    if !answering.is_on(now_ns) {
        return None;
    }
    let seen = syn::read(ctx, place)?;
    if !is_guarded(seen.port() as u16, config) {
        return None;
    }
    // Without a socket the kernel answers with a reset; if it is not a listener, there is a connection.
    let socket = cookie::socket(ctx, place)?;
    let listening = cookie::is_listening(socket);
    cookie::release(socket);
    if !listening {
        return None;
    }
    let source = source::<V6>(config, &seen);
    let proven_ns = answering.proven_ns.max(GRACE_NS);
    if cookie::is_returned(ctx, place) {
        proven::remember(&source, config.hash_seed, now_ns + proven_ns);
        return Some(Reason::CookieAck);
    }
    if !answering.has(ANSWER_CHECK_ACKS) {
        return None;
    }
    // A wildcard listener seems to listen at any address, also at those that packets are only forwarded to.
    if proven::is(&source, config.hash_seed, proven_ns, now_ns) || !maps::is_local(seen.destination) {
        return None;
    }
    Some(if is_watching(config, || now_ns) { Reason::WouldBadAck } else { Reason::BadAck })
}

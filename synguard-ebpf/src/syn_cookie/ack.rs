//! Checks ACKs to listeners. An ACK that returns a valid cookie passes and validates its source. If the setting says so,
//! an ACK that belongs to no connection is dropped.

use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use synguard_common::{reason::Reason, syn_cookie::config::SYN_COOKIE_CHECK_ACKS};

use super::{
    cookie_helpers,
    headers::{HeaderOffsets, PlainHeaders, SynHeaders},
    validated_sources,
};
use crate::{clock, maps, settings};

/// Shortest time for which a returned cookie validates its source, in nanoseconds. Packets that arrive in one batch with
/// the ACK are checked before the kernel has processed it and made the connection.
const GRACE_NS: u64 = 2_000_000_000;

/// Returns the reason for an ACK.
#[inline(always)]
pub(super) fn check(ctx: &XdpContext, offsets: HeaderOffsets) -> Reason {
    Reason::from_index(synguard_cookie_ack(ctx.ctx, offsets.0)).unwrap_or(Reason::NotSyn)
}

/// The body of [`check`]; returns the index of the reason. A global function: the verifier examines it once, for any
/// arguments, see `ip_lists`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_cookie_ack(ctx: *mut xdp_md, offsets: u64) -> u32 {
    let (ctx, offsets) = (XdpContext::new(ctx), HeaderOffsets(offsets));
    // Only plain headers allow this simple socket lookup; every other ACK passes.
    let reason = match offsets.plain_ip_length() {
        None => None,
        Some(_) if offsets.is_v6() => reason::<true>(&ctx, PlainHeaders::at(offsets)),
        Some(_) => reason::<false>(&ctx, PlainHeaders::at(offsets)),
    };
    reason.unwrap_or(Reason::NotSyn).index()
}

/// Returns the reason for an ACK, or `None` if it is treated like every other packet that is no SYN.
#[inline(always)]
fn reason<const V6: bool>(ctx: &XdpContext, headers: PlainHeaders<V6>) -> Option<Reason> {
    let (config, cookies) = (maps::config(), maps::syn_cookies());
    let now_ns = clock::now_ns();
    if !cookies.is_on(now_ns) {
        return None;
    }
    let ack = SynHeaders::read(ctx, headers)?;
    if !settings::is_guarded(ack.port() as u16, config) {
        return None;
    }
    // Without a socket the kernel replies with a reset; a socket other than a listener is a connection.
    let socket = cookie_helpers::socket(ctx, headers)?;
    let listening = cookie_helpers::is_listening(socket);
    cookie_helpers::release(socket);
    if !listening {
        return None;
    }
    let source = ack.source_key::<V6>(config);
    let validated_ns = cookies.validated_ns.max(GRACE_NS);
    if cookie_helpers::is_returned(ctx, headers) {
        validated_sources::insert(&source, config.hash_seed, now_ns + validated_ns);
        return Some(Reason::CookieAck);
    }
    if !cookies.has(SYN_COOKIE_CHECK_ACKS) {
        return None;
    }
    // A wildcard listener matches any address, including those of hosts that packets are only forwarded to.
    if validated_sources::is_validated(&source, config.hash_seed, validated_ns, now_ns)
        || !maps::is_local(ack.destination)
    {
        return None;
    }
    Some(if settings::is_monitoring(config, || now_ns) {
        Reason::WouldAckWithoutConnection
    } else {
        Reason::AckWithoutConnection
    })
}

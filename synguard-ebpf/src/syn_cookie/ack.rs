//! Checks ACKs to listeners. An ACK that returns a valid cookie passes and validates its source. If the setting says so,
//! an ACK that belongs to no connection is dropped.

use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use synguard_common::{reason::Reason, syn_cookie::config::SYN_COOKIE_CHECK_ACKS};

use super::{
    cookie_helpers,
    headers::{HeaderOffsets, PlainHeaders},
    limits, paths,
    scratch::SynHeaders,
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
    let now_ns = clock::now_ns();
    // Only plain headers allow this simple socket lookup; every other ACK passes.
    let finding = match offsets.plain_ip_length() {
        None => None,
        Some(_) if offsets.is_v6() => look_up::<true>(&ctx, PlainHeaders::at(offsets), now_ns),
        Some(_) => look_up::<false>(&ctx, PlainHeaders::at(offsets), now_ns),
    };
    finding.and_then(|finding| reason(finding, offsets.is_v6(), now_ns)).unwrap_or(Reason::NotSyn).index()
}

/// The finding about an ACK to a guarded port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// The ACK belongs to a connection.
    Connection = 1,
    /// The ACK returns a valid cookie to a listener.
    Returned = 2,
    /// Neither: a listener knows nothing of the ACK.
    Unknown = 3,
}

/// Looks up the socket of an ACK, and puts the ACK's headers and path into the scratch space. Returns `None` for an ACK that is
/// treated like every other packet that is no SYN.
#[inline(always)]
fn look_up<const V6: bool>(ctx: &XdpContext, headers: PlainHeaders<V6>, now_ns: u64) -> Option<u64> {
    let (config, cookies, scratch) = (maps::config(), maps::syn_cookies(), maps::syn_scratch()?);
    if !cookies.is_on(now_ns) {
        return None;
    }
    let ack = SynHeaders::read(ctx, headers)?;
    if !settings::is_guarded(ack.port() as u16, config) {
        return None;
    }
    scratch.path = ack.path(ctx.ingress_ifindex() as u32);
    scratch.syn = ack;
    // Without a socket the kernel replies with a reset; a socket other than a listener is a connection.
    let socket = cookie_helpers::socket(ctx, headers)?;
    let listening = cookie_helpers::is_listening(socket);
    cookie_helpers::release(socket);
    let finding = if !listening {
        Finding::Connection
    } else if cookie_helpers::is_returned(ctx, headers) {
        Finding::Returned
    } else {
        Finding::Unknown
    };
    Some(maps::make_unknown(maps::cpu_state()?, finding as u64))
}

/// Returns the reason for an ACK, or `None` if it is treated like every other packet that is no SYN.
#[inline(always)]
fn reason(finding: u64, is_v6: bool, now_ns: u64) -> Option<Reason> {
    let (config, cookies, scratch) = (maps::config(), maps::syn_cookies(), maps::syn_scratch()?);
    let (ack, path) = (&scratch.syn, &scratch.path);
    // The client's first data has the number that follows its SYN, as the ACK that returns a cookie has.
    let tag = ack.tag(ack.fields.sequence.wrapping_sub(1), config);
    if finding == Finding::Connection as u64 {
        paths::accepted(path, tag, now_ns);
        return None;
    }
    let source = if is_v6 { ack.source_key::<true>(config) } else { ack.source_key::<false>(config) };
    let validated_ns = cookies.validated_ns.max(GRACE_NS);
    if finding == Finding::Returned as u64 {
        validated_sources::insert(&source, config.hash_seed, now_ns + validated_ns);
        paths::returned(path, tag, now_ns);
        return Some(Reason::CookieAck);
    }
    if !cookies.has(SYN_COOKIE_CHECK_ACKS) {
        return None;
    }
    // A wildcard listener matches any address, including those of hosts that packets are only forwarded to. A port that
    // the packet filter redirects has connections elsewhere; its path is never verified.
    if validated_sources::is_validated(&source, config.hash_seed, validated_ns, now_ns)
        || !maps::is_local(ack.destination)
        || paths::verified(path, now_ns).is_none()
    {
        return None;
    }
    if limits::takes_reset(cookies, now_ns) {
        return Some(Reason::AckForReset);
    }
    Some(if settings::is_monitoring(config, || now_ns) {
        Reason::WouldAckWithoutConnection
    } else {
        Reason::AckWithoutConnection
    })
}

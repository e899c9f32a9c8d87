//! The kernel's SYN cookies: given out, and checked.
//!
//! A cookie depends on addresses, ports, sequence number and MSS, so the helpers are shown a header made of just those,
//! and need not be shown the options.

use aya_ebpf::{
    bindings::{BPF_F_CURRENT_NETNS, bpf_sock, bpf_sock_tuple, tcphdr},
    helpers::generated::{
        bpf_sk_release, bpf_skc_lookup_tcp, bpf_tcp_gen_syncookie, bpf_tcp_raw_check_syncookie_ipv4,
        bpf_tcp_raw_check_syncookie_ipv6, bpf_tcp_raw_gen_syncookie_ipv4, bpf_tcp_raw_gen_syncookie_ipv6,
    },
    programs::XdpContext,
};
use network_types::{
    ip::{Ipv4Hdr, Ipv6Hdr},
    tcp::TcpHdr,
};
use synguard_common::verdict::Reason;

use super::syn::{Plain, Seen};
use crate::maps;

/// What became of looking the listener up.
pub(super) enum Looked {
    /// It is there, and the kernel takes its cookies from now on: this one, and for two minutes others.
    Cookie(u32),
    /// It is not, or will not.
    Otherwise(Reason),
}

/// Looks up the socket that a SYN is for, and has it give a cookie.
#[inline(always)]
pub(super) fn look_up<const V6: bool>(ctx: &XdpContext, place: Plain<V6>, seen: &Seen, mss: u16) -> Looked {
    // A wildcard listener listens at any address, also at those that packets are only forwarded to.
    if !maps::is_local(seen.destination) {
        return Looked::Otherwise(Reason::NoListener);
    }
    let Some(socket) = socket(ctx, place) else { return Looked::Otherwise(Reason::NoListener) };
    let found = if is_listening(socket) {
        cookie_of(socket, ctx, place, seen, mss)
            .map_or(Looked::Otherwise(Reason::CookieRefused), Looked::Cookie)
    } else {
        // There is a connection already, or was a moment ago. Only the kernel knows whether this SYN may end it.
        Looked::Otherwise(Reason::OddSyn)
    };
    release(socket);
    found
}

/// The socket that a packet is for, to be released.
#[inline(always)]
pub(crate) fn socket<const V6: bool>(ctx: &XdpContext, place: Plain<V6>) -> Option<*mut bpf_sock> {
    let addresses = if V6 { 32 } else { 8 };
    let length = addresses + 4;
    // Addresses and ports lie in a packet as in the tuple.
    let tuple: *mut bpf_sock_tuple = place.headers(ctx)?.pointer(Plain::<V6>::IP - addresses, length);
    // SAFETY: the tuple lies in the frame, as far as it is long.
    let socket = unsafe {
        bpf_skc_lookup_tcp(ctx.ctx.cast(), tuple, length as u32, BPF_F_CURRENT_NETNS as i64 as u64, 0)
    };
    (!socket.is_null()).then_some(socket)
}

/// Whether a socket is a listener.
#[inline(always)]
pub(crate) fn is_listening(socket: *mut bpf_sock) -> bool {
    const LISTEN: u32 = 10;
    // SAFETY: a socket that was looked up and not released; the verifier turns this into a load of the real field.
    unsafe { (&raw const (*socket).state).read() == LISTEN }
}

/// Gives a socket back.
#[inline(always)]
pub(crate) fn release(socket: *mut bpf_sock) {
    // SAFETY: a socket that was looked up, and is not used any more.
    unsafe { bpf_sk_release(socket.cast()) };
}

/// A cookie of a listener; `None` if it gives none. It marks the listener.
#[inline(always)]
fn cookie_of<const V6: bool>(
    socket: *mut bpf_sock,
    ctx: &XdpContext,
    place: Plain<V6>,
    seen: &Seen,
    mss: u16,
) -> Option<u32> {
    let mut tcp = tcp(seen, mss);
    let length = Plain::<V6>::IP;
    let ip = place.headers(ctx)?.pointer(0, length);
    // SAFETY: the socket is held; the headers are as long as it is said.
    let cookie = unsafe {
        bpf_tcp_gen_syncookie(socket.cast(), ip, length as u32, tcp.as_mut_ptr().cast(), TCP_BYTES)
    };
    found(cookie)
}

/// A cookie from no socket. The kernel takes it if the listener was marked in the last two minutes.
#[inline(always)]
pub(super) fn raw<const V6: bool>(ctx: &XdpContext, place: Plain<V6>, seen: &Seen, mss: u16) -> Option<u32> {
    let mut tcp = tcp(seen, mss);
    let tcp = tcp.as_mut_ptr().cast::<tcphdr>();
    let headers = place.headers(ctx)?;
    // SAFETY: the headers are as long as it is said.
    found(unsafe {
        if V6 {
            bpf_tcp_raw_gen_syncookie_ipv6(headers.pointer(0, Ipv6Hdr::LEN), tcp, TCP_BYTES)
        } else {
            bpf_tcp_raw_gen_syncookie_ipv4(headers.pointer(0, Ipv4Hdr::LEN), tcp, TCP_BYTES)
        }
    })
}

/// Whether an ACK returns a cookie of this host.
#[inline(always)]
pub(crate) fn is_returned<const V6: bool>(ctx: &XdpContext, place: Plain<V6>) -> bool {
    let Some(headers) = place.headers(ctx) else { return false };
    let tcp = headers.pointer(Plain::<V6>::IP, TcpHdr::LEN);
    // SAFETY: the headers are as long as the helper takes them to be.
    let result = unsafe {
        if V6 {
            bpf_tcp_raw_check_syncookie_ipv6(headers.pointer(0, Ipv6Hdr::LEN), tcp)
        } else {
            bpf_tcp_raw_check_syncookie_ipv4(headers.pointer(0, Ipv4Hdr::LEN), tcp)
        }
    };
    result == 0
}

/// Bytes of the header that [`tcp`] makes.
const TCP_BYTES: u32 = 24;

/// A SYN with an MSS and nothing else.
#[inline(always)]
fn tcp(seen: &Seen, mss: u16) -> [u32; 6] {
    const SYN: u32 = 6 << 28 | 2 << 16;
    let option = 0x0204 << 16 | u32::from(mss);
    [seen.syn.ports.to_be(), seen.syn.sequence.to_be(), 0, SYN.to_be(), 0, option.to_be()]
}

/// The low half of what a helper returns, unless it is an error.
#[inline(always)]
fn found(cookie: i64) -> Option<u32> {
    (cookie >= 0).then_some(cookie as u32)
}

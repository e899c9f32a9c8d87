//! SYN cookies in the kernel's format: generates and checks them through the kernel's helpers.
//!
//! A cookie depends on addresses, ports, sequence number and MSS, so the helpers get a header with just those, and need
//! not see the options.

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
use synguard_common::reason::Reason;

use super::headers::{PlainHeaders, SynHeaders};
use crate::maps;

/// The result of looking up the listener of a SYN.
pub(super) enum CookieLookup {
    /// The listener's cookie. The kernel accepts this one, and for two minutes further ones without a socket.
    Cookie(u32),
    /// XDP must not reply, for this reason.
    Refused(Reason),
}

/// Looks up the listener of a SYN and makes it generate a cookie.
#[inline(always)]
pub(super) fn look_up<const V6: bool>(
    ctx: &XdpContext,
    headers: PlainHeaders<V6>,
    syn: &SynHeaders,
    mss: u16,
) -> CookieLookup {
    // A wildcard listener matches any address, including those of hosts that packets are only forwarded to.
    if !maps::is_local(syn.destination) {
        return CookieLookup::Refused(Reason::NoListener);
    }
    let Some(socket) = socket(ctx, headers) else { return CookieLookup::Refused(Reason::NoListener) };
    let lookup = if is_listening(socket) {
        generate(socket, ctx, headers, syn, mss)
            .map_or(CookieLookup::Refused(Reason::CookieUnavailable), CookieLookup::Cookie)
    } else {
        // A connection exists, or did a moment ago. Only the kernel knows whether this SYN may end it.
        CookieLookup::Refused(Reason::SynUnsupported)
    };
    release(socket);
    lookup
}

/// Looks up the socket of a packet. The caller must release it.
#[inline(always)]
pub(super) fn socket<const V6: bool>(ctx: &XdpContext, headers: PlainHeaders<V6>) -> Option<*mut bpf_sock> {
    let addresses = if V6 { 32 } else { 8 };
    let length = addresses + 4;
    // Addresses and ports have the same layout in a packet as in the tuple.
    let tuple: *mut bpf_sock_tuple =
        headers.read(ctx)?.pointer(PlainHeaders::<V6>::IP_LENGTH - addresses, length);
    // SAFETY: the frame holds `length` bytes of the tuple.
    let socket = unsafe {
        bpf_skc_lookup_tcp(ctx.ctx.cast(), tuple, length as u32, BPF_F_CURRENT_NETNS as i64 as u64, 0)
    };
    (!socket.is_null()).then_some(socket)
}

/// Reports whether a socket is a listener.
#[inline(always)]
pub(super) fn is_listening(socket: *mut bpf_sock) -> bool {
    const LISTEN: u32 = 10;
    // SAFETY: a looked-up socket that is not released yet; the verifier turns this into a load of the real field.
    unsafe { (&raw const (*socket).state).read() == LISTEN }
}

/// Releases a socket.
#[inline(always)]
pub(super) fn release(socket: *mut bpf_sock) {
    // SAFETY: a looked-up socket that nothing uses from here on.
    unsafe { bpf_sk_release(socket.cast()) };
}

/// Generates a cookie with a listener, which marks it; `None` if the kernel gives none.
#[inline(always)]
fn generate<const V6: bool>(
    socket: *mut bpf_sock,
    ctx: &XdpContext,
    headers: PlainHeaders<V6>,
    syn: &SynHeaders,
    mss: u16,
) -> Option<u32> {
    let mut tcp = tcp_header(syn, mss);
    let length = PlainHeaders::<V6>::IP_LENGTH;
    let ip = headers.read(ctx)?.pointer(0, length);
    // SAFETY: the caller holds the socket; the headers have the given lengths.
    let cookie = unsafe {
        bpf_tcp_gen_syncookie(socket.cast(), ip, length as u32, tcp.as_mut_ptr().cast(), TCP_BYTES)
    };
    cookie_of(cookie)
}

/// Generates a cookie without a socket. The kernel accepts it if the listener was marked within the last two minutes.
#[inline(always)]
pub(super) fn raw<const V6: bool>(
    ctx: &XdpContext,
    headers: PlainHeaders<V6>,
    syn: &SynHeaders,
    mss: u16,
) -> Option<u32> {
    let mut tcp = tcp_header(syn, mss);
    let tcp = tcp.as_mut_ptr().cast::<tcphdr>();
    let headers = headers.read(ctx)?;
    // SAFETY: the headers have the given lengths.
    cookie_of(unsafe {
        if V6 {
            bpf_tcp_raw_gen_syncookie_ipv6(headers.pointer(0, Ipv6Hdr::LEN), tcp, TCP_BYTES)
        } else {
            bpf_tcp_raw_gen_syncookie_ipv4(headers.pointer(0, Ipv4Hdr::LEN), tcp, TCP_BYTES)
        }
    })
}

/// Reports whether an ACK returns a valid cookie of this host.
#[inline(always)]
pub(super) fn is_returned<const V6: bool>(ctx: &XdpContext, headers: PlainHeaders<V6>) -> bool {
    let Some(headers) = headers.read(ctx) else { return false };
    let tcp = headers.pointer(PlainHeaders::<V6>::IP_LENGTH, TcpHdr::LEN);
    // SAFETY: the headers have the lengths that the helper assumes.
    let result = unsafe {
        if V6 {
            bpf_tcp_raw_check_syncookie_ipv6(headers.pointer(0, Ipv6Hdr::LEN), tcp)
        } else {
            bpf_tcp_raw_check_syncookie_ipv4(headers.pointer(0, Ipv4Hdr::LEN), tcp)
        }
    };
    result == 0
}

/// Length of the header that [`tcp_header`] makes, in bytes.
const TCP_BYTES: u32 = 24;

/// Makes the TCP header of a SYN with an MSS and no other option.
#[inline(always)]
fn tcp_header(syn: &SynHeaders, mss: u16) -> [u32; 6] {
    const SYN: u32 = 6 << 28 | 2 << 16;
    let option = 0x0204 << 16 | u32::from(mss);
    [syn.fields.ports.to_be(), syn.fields.sequence.to_be(), 0, SYN.to_be(), 0, option.to_be()]
}

/// Returns the low half of a helper's result, unless the result is an error.
#[inline(always)]
fn cookie_of(result: i64) -> Option<u32> {
    (result >= 0).then_some(result as u32)
}

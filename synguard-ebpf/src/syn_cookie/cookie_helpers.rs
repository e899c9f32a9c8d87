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
use synguard_common::{
    addr::Addr,
    reason::Reason,
    syn_cookie::{
        syn_ack::SynFields,
        template::{COOKIE_MSS_V4, COOKIE_MSS_V6},
    },
};

use super::{headers::PlainHeaders, scratch::SynHeaders};
use crate::maps;

/// Looks up the listener of a SYN and makes it generate a cookie, which marks it: the kernel then accepts cookies for it for
/// two minutes, also those made without a socket.
///
/// # Errors
///
/// The reason for which XDP must not reply.
#[inline(always)]
pub(super) fn look_up<const V6: bool>(
    ctx: &XdpContext,
    headers: PlainHeaders<V6>,
    syn: &SynHeaders,
    mss: u16,
) -> Result<(), Reason> {
    // A wildcard listener matches any address, including those of hosts that packets are only forwarded to.
    if !maps::is_local(syn.destination) {
        return Err(Reason::NoListener);
    }
    let socket = socket(ctx, headers).ok_or(Reason::NoListener)?;
    let result = if is_listening(socket) {
        generate(socket, ctx, headers, syn, mss).map(|_| ()).ok_or(Reason::CookieUnavailable)
    } else {
        // A connection exists, or did a moment ago. Only the kernel knows whether this SYN may end it.
        Err(Reason::SynUnsupported)
    };
    release(socket);
    result
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
    let mut tcp = tcp_header(&syn.fields, mss);
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
    let mut tcp = tcp_header(&syn.fields, mss);
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

/// Returns the highest MSS below `offered` with which this host makes `cookie` for a SYN with these fields.
#[inline(always)]
pub(crate) fn lower_mss(addresses: [Addr; 2], syn: &SynFields, offered: u16, cookie: u32) -> Option<u16> {
    let is_v6 = !addresses[0].is_v4();
    let [first, second, third, _] = if is_v6 { COOKIE_MSS_V6 } else { COOKIE_MSS_V4 };
    let encodes = |mss: u16| mss < offered && raw_between(is_v6, addresses, syn, mss) == Some(cookie);
    if encodes(third) {
        Some(third)
    } else if encodes(second) {
        Some(second)
    } else {
        encodes(first).then_some(first)
    }
}

/// Generates a cookie as [`raw`] does, for a SYN that is no longer at hand.
#[inline(always)]
pub(crate) fn raw_between(is_v6: bool, [from, to]: [Addr; 2], syn: &SynFields, mss: u16) -> Option<u32> {
    let mut tcp = tcp_header(syn, mss);
    let tcp = tcp.as_mut_ptr().cast::<tcphdr>();
    // SAFETY: the headers have the lengths that the helpers assume; they read only the addresses of the IP header.
    cookie_of(unsafe {
        if is_v6 {
            let mut ip = [0, from.0[0], from.0[1], to.0[0], to.0[1]];
            bpf_tcp_raw_gen_syncookie_ipv6(ip.as_mut_ptr().cast(), tcp, TCP_BYTES)
        } else {
            let mut ip = [0, 0, 0, from.v4(), to.v4()];
            bpf_tcp_raw_gen_syncookie_ipv4(ip.as_mut_ptr().cast(), tcp, TCP_BYTES)
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
fn tcp_header(syn: &SynFields, mss: u16) -> [u32; 6] {
    const SYN: u32 = 6 << 28 | 2 << 16;
    let option = 0x0204 << 16 | u32::from(mss);
    [syn.ports.to_be(), syn.sequence.to_be(), 0, SYN.to_be(), 0, option.to_be()]
}

/// Returns the low half of a helper's result, unless the result is an error.
#[inline(always)]
fn cookie_of(result: i64) -> Option<u32> {
    (result >= 0).then_some(result as u32)
}

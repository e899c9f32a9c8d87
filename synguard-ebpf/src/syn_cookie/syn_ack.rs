//! Turns a SYN into its SYN-ACK in place, see `synguard_common::syn_cookie::syn_ack`.

use core::mem::offset_of;

use aya_ebpf::{
    helpers::generated::{bpf_xdp_adjust_tail, bpf_xdp_get_buff_len},
    programs::XdpContext,
};
use network_types::{
    eth::EthHdr,
    ip::{Ipv4Hdr, Ipv6Hdr},
};
use synguard_common::{
    reason::Reason,
    syn_cookie::{
        syn_ack::{self, NegotiatedOptions},
        template::{SynAckShape, TCP_WORDS, TCP_WORDS_MSS_ONLY},
    },
};

use super::{headers::PlainHeaders, scratch::SynHeaders};
use crate::{
    frame::{Header, header},
    parse,
};

/// Writes the SYN-ACK over the SYN. A frame that cannot get the SYN-ACK's length stays unchanged.
#[inline(always)]
pub(super) fn write<const V6: bool>(
    ctx: &XdpContext,
    headers: PlainHeaders<V6>,
    syn: &SynHeaders,
    options: &NegotiatedOptions,
    shape: &SynAckShape,
    cookie: u32,
    now_ns: u64,
) -> Reason {
    let words = options.words();
    if !resize(ctx, (headers.ip_offset() + PlainHeaders::<V6>::IP_LENGTH) + 4 * words) {
        return Reason::SynUnsupported;
    }
    let tcp = syn_ack::tcp_header(&syn.fields, options, cookie, now_ns);
    let checksum = syn_ack::tcp_checksum(&tcp, words, [syn.source, syn.destination]);
    let tcp = syn_ack::with_checksum(tcp, checksum);
    match write_headers(ctx, headers, syn, (&tcp, words), shape, cookie) {
        Some(()) => Reason::SynCookieSent,
        // Unreachable, as the frame has just got this length.
        None => Reason::SynUnsupported,
    }
}

/// Gives the frame the length of the SYN-ACK. A frame that was padded for Ethernet stays padded.
#[inline(always)]
fn resize(ctx: &XdpContext, syn_ack: usize) -> bool {
    /// The shortest frame on a wire, without its checksum.
    const FRAME_MIN: usize = 60;
    /// A frame in several buffers fills the first one, so a shorter frame has only one.
    const ONE_BUFFER: usize = 512;
    let length = parse::length(ctx) as usize;
    // SAFETY: the helper only reads the frame's length.
    if length > ONE_BUFFER && unsafe { bpf_xdp_get_buff_len(ctx.ctx) } != length as u64 {
        return false;
    }
    let wanted = syn_ack.max(length.min(FRAME_MIN));
    // SAFETY: the code below uses no pointer into the frame that was made before this call.
    wanted == length || unsafe { bpf_xdp_adjust_tail(ctx.ctx, wanted as i32 - length as i32) } == 0
}

#[inline(always)]
fn write_headers<const V6: bool>(
    ctx: &XdpContext,
    headers: PlainHeaders<V6>,
    syn: &SynHeaders,
    (words, count): (&[u32; TCP_WORDS], usize),
    shape: &SynAckShape,
    cookie: u32,
) -> Option<()> {
    let ethernet = header(ctx, 0, EthHdr::LEN)?;
    let tcp_offset = headers.ip_offset() + PlainHeaders::<V6>::IP_LENGTH;
    let tcp = header(ctx, tcp_offset, 4 * TCP_WORDS_MSS_ONLY)?;
    if count > TCP_WORDS_MSS_ONLY {
        const LAST: usize = TCP_WORDS - 1;
        let rest = header(ctx, tcp_offset, 4 * LAST)?;
        // Written out: the compiler does not unroll a loop over a part in the middle.
        rest.write(4 * TCP_WORDS_MSS_ONLY, words[TCP_WORDS_MSS_ONLY]);
        rest.write(4 * (TCP_WORDS_MSS_ONLY + 1), words[TCP_WORDS_MSS_ONLY + 1]);
        rest.write(4 * (TCP_WORDS_MSS_ONLY + 2), words[TCP_WORDS_MSS_ONLY + 2]);
        if count == TCP_WORDS {
            header(ctx, tcp_offset, 4 * TCP_WORDS)?.write(4 * LAST, words[LAST]);
        }
    }
    for (at, &word) in words.iter().enumerate().take(TCP_WORDS_MSS_ONLY) {
        tcp.write(4 * at, word);
    }
    let length = 4 * count as u32;
    if V6 {
        write_ipv6(header(ctx, headers.ip_offset(), Ipv6Hdr::LEN)?, syn, length, shape, cookie);
    } else {
        write_ipv4(header(ctx, headers.ip_offset(), Ipv4Hdr::LEN)?, syn, length, shape, cookie);
    }
    if headers.ip_offset() > EthHdr::LEN {
        write_priority(header(ctx, EthHdr::LEN, 2)?, shape.priority);
    }
    swap_macs(ethernet);
    Some(())
}

#[inline(always)]
fn write_ipv4(ip: Header, syn: &SynHeaders, length: u32, shape: &SynAckShape, cookie: u32) {
    let [first, second, third] = syn_ack::ipv4_header(length, shape, cookie, [syn.source, syn.destination]);
    ip.write(0, first);
    ip.write(4, second);
    ip.write(8, third);
    ip.write(offset_of!(Ipv4Hdr, src_addr), syn.destination.v4());
    ip.write(offset_of!(Ipv4Hdr, dst_addr), syn.source.v4());
}

#[inline(always)]
fn write_ipv6(ip: Header, syn: &SynHeaders, length: u32, shape: &SynAckShape, cookie: u32) {
    const SOURCE: usize = offset_of!(Ipv6Hdr, src_addr);
    const DESTINATION: usize = offset_of!(Ipv6Hdr, dst_addr);
    let [first, second] = syn_ack::ipv6_header(length, shape, cookie);
    ip.write(0, first);
    ip.write(4, second);
    ip.write(SOURCE, syn.destination.0[0]);
    ip.write(SOURCE + 8, syn.destination.0[1]);
    ip.write(DESTINATION, syn.source.0[0]);
    ip.write(DESTINATION + 8, syn.source.0[1]);
}

/// Gives the outermost VLAN tag the priority that the kernel's SYN-ACK has; the identifier stays unchanged.
#[inline(always)]
fn write_priority(tag: Header, priority: u16) {
    const IDENTIFIER: u16 = 0xfff;
    let control = u16::from_be(tag.read(0));
    tag.write(0, (control & IDENTIFIER | priority & !IDENTIFIER).to_be());
}

/// Swaps the MAC addresses, so that the frame returns to its sender; VLAN tags stay unchanged.
#[inline(always)]
fn swap_macs(ethernet: Header) {
    const TO: usize = offset_of!(EthHdr, dst_addr);
    const FROM: usize = offset_of!(EthHdr, src_addr);
    let (to, to_end): (u32, u16) = (ethernet.read(TO), ethernet.read(TO + 4));
    let (from, from_end): (u32, u16) = (ethernet.read(FROM), ethernet.read(FROM + 4));
    ethernet.write(TO, from);
    ethernet.write(TO + 4, from_end);
    ethernet.write(FROM, to);
    ethernet.write(FROM + 4, to_end);
}

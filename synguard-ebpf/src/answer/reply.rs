//! Turns a SYN into its answer, where it lies, see `synguard_common::syn_ack`.

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
    prefix,
    syn_ack::{self, Terms, WORDS, WORDS_PLAIN},
    verdict::Reason,
};

use super::syn::{Plain, Seen};
use crate::{
    bytes::{Header, header},
    packet,
};

/// Writes the answer over the SYN. A frame that cannot be given the answer's length stays what it was.
#[inline(always)]
pub(super) fn send<const V6: bool>(
    ctx: &XdpContext,
    place: Plain<V6>,
    seen: &Seen,
    terms: &Terms,
    hop_limit: u8,
    cookie: u32,
    now_ns: u64,
) -> Reason {
    let words = terms.words();
    if !resize(ctx, (place.network() + Plain::<V6>::IP) + 4 * words) {
        return Reason::OddSyn;
    }
    let header = syn_ack::tcp(&seen.syn, terms, cookie, now_ns);
    let checksum = syn_ack::tcp_checksum(&header, words, [seen.source, seen.destination]);
    let header = syn_ack::with_checksum(header, checksum);
    match write(ctx, place, seen, &header, words, hop_limit) {
        Some(()) => Reason::Answered,
        // The frame is as long as it was made.
        None => Reason::OddSyn,
    }
}

/// Gives the frame the length of the answer; one that was padded for Ethernet stays padded.
#[inline(always)]
fn resize(ctx: &XdpContext, answer: usize) -> bool {
    /// The shortest frame on a wire, without its checksum.
    const FRAME_MIN: usize = 60;
    /// A frame spread over several buffers fills the first.
    const ONE_BUFFER: usize = 512;
    let length = packet::length(ctx) as usize;
    // SAFETY: the helper only reads the frame's length.
    if length > ONE_BUFFER && unsafe { bpf_xdp_get_buff_len(ctx.ctx) } != length as u64 {
        return false;
    }
    let wanted = answer.max(length.min(FRAME_MIN));
    // SAFETY: no pointer into the frame is used after this that was made before it.
    wanted == length || unsafe { bpf_xdp_adjust_tail(ctx.ctx, wanted as i32 - length as i32) } == 0
}

#[inline(always)]
fn write<const V6: bool>(
    ctx: &XdpContext,
    place: Plain<V6>,
    seen: &Seen,
    words: &[u32; WORDS],
    count: usize,
    hop_limit: u8,
) -> Option<()> {
    let ethernet = header(ctx, 0, EthHdr::LEN)?;
    let tcp = header(ctx, place.network() + Plain::<V6>::IP, 4 * WORDS_PLAIN)?;
    if count > WORDS_PLAIN {
        let rest = header(ctx, place.network() + Plain::<V6>::IP, 4 * WORDS)?;
        for (at, &word) in words.iter().enumerate().skip(WORDS_PLAIN) {
            rest.write(4 * at, word);
        }
    }
    for (at, &word) in words.iter().enumerate().take(WORDS_PLAIN) {
        tcp.write(4 * at, word);
    }
    let length = 4 * count as u32;
    if V6 {
        write_v6(header(ctx, place.network(), Ipv6Hdr::LEN)?, seen, length, hop_limit);
    } else {
        write_v4(header(ctx, place.network(), Ipv4Hdr::LEN)?, seen, length, hop_limit);
    }
    swap_stations(ethernet);
    Some(())
}

#[inline(always)]
fn write_v4(ip: Header, seen: &Seen, length: u32, hop_limit: u8) {
    let [first, second, third] = syn_ack::ipv4(length, hop_limit, [seen.source, seen.destination]);
    ip.write(0, first);
    ip.write(4, second);
    ip.write(8, third);
    ip.write(offset_of!(Ipv4Hdr, src_addr), prefix::v4(seen.destination));
    ip.write(offset_of!(Ipv4Hdr, dst_addr), prefix::v4(seen.source));
}

#[inline(always)]
fn write_v6(ip: Header, seen: &Seen, length: u32, hop_limit: u8) {
    const SOURCE: usize = offset_of!(Ipv6Hdr, src_addr);
    const DESTINATION: usize = offset_of!(Ipv6Hdr, dst_addr);
    let [first, second] = syn_ack::ipv6(length, hop_limit);
    ip.write(0, first);
    ip.write(4, second);
    ip.write(SOURCE, seen.destination[0]);
    ip.write(SOURCE + 8, seen.destination[1]);
    ip.write(DESTINATION, seen.source[0]);
    ip.write(DESTINATION + 8, seen.source[1]);
}

/// Sends the frame back to the station that it came from; VLAN tags stay as they are.
#[inline(always)]
fn swap_stations(ethernet: Header) {
    const TO: usize = offset_of!(EthHdr, dst_addr);
    const FROM: usize = offset_of!(EthHdr, src_addr);
    let (to, to_end): (u32, u16) = (ethernet.read(TO), ethernet.read(TO + 4));
    let (from, from_end): (u32, u16) = (ethernet.read(FROM), ethernet.read(FROM + 4));
    ethernet.write(TO, from);
    ethernet.write(TO + 4, from_end);
    ethernet.write(FROM, to);
    ethernet.write(FROM + 4, to_end);
}

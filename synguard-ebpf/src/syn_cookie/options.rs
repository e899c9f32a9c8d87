//! Reads the TCP options of a SYN from the frame, see `synguard_common::syn_cookie::tcp_options`.

use core::mem::MaybeUninit;

use aya_ebpf::{bindings::xdp_md, helpers::generated::bpf_xdp_load_bytes, programs::XdpContext};
use network_types::tcp::TcpHdr;
use synguard_common::{
    syn_cookie::tcp_options::{self, OPTIONS_MAX, TcpOptions},
    verifier::barrier::barrier_var_usize,
};

use super::headers::HeaderOffsets;
use crate::{frame::header, maps};

/// Mask above every offset of a plain TCP header.
const OFFSET_MASK: usize = 0x7f;
/// Mask above every position in the options.
const POSITION_MASK: usize = 0x3f;

/// Reads the TCP options of a SYN. Returns [`TcpOptions::UNSUPPORTED`] unless its headers are plain (see
/// [`HeaderOffsets::plain_ip_length`]).
#[inline(always)]
pub(super) fn read(ctx: &XdpContext, offsets: HeaderOffsets) -> TcpOptions {
    TcpOptions(synguard_tcp_options(ctx.ctx, offsets.0))
}

/// The body of [`read`]. A global function: the verifier examines it once, for any arguments, see `ip_lists`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_tcp_options(ctx: *mut xdp_md, offsets: u64) -> u64 {
    let ctx = XdpContext::new(ctx);
    try_read(&ctx, HeaderOffsets(offsets)).unwrap_or(TcpOptions::UNSUPPORTED).0
}

#[inline(always)]
fn try_read(ctx: &XdpContext, offsets: HeaderOffsets) -> Option<TcpOptions> {
    const DATA_OFFSET: usize = 12;
    offsets.plain_ip_length()?;
    let at = offsets.tcp() & OFFSET_MASK;
    let tcp = header(ctx, at, TcpHdr::LEN)?;
    // The data offset is at least 5, or the packet would not be of class TCP. The barrier keeps the compiler from
    // duplicating all that follows.
    let words = barrier_var_usize(usize::from(tcp.read::<u8>(DATA_OFFSET) >> 4).saturating_sub(5));
    let at = at + TcpHdr::LEN;
    if words == 5
        && let Some(options) = header(ctx, at, 20)
        && let Some(options) = tcp_options::read_linux([
            options.read(0),
            options.read(4),
            options.read(8),
            options.read(12),
            options.read(16),
        ])
    {
        return Some(options);
    }
    if words == 0 { Some(TcpOptions::NONE) } else { read_any(ctx, at, words) }
}

/// Reads `words` words of options from a copy, which needs no check against the frame's end at each access.
#[inline(always)]
fn read_any(ctx: &XdpContext, at: usize, words: usize) -> Option<TcpOptions> {
    let cpu = maps::cpu_state()?;
    const WORDS: usize = (POSITION_MASK + 1) / 8;
    const { assert!(OPTIONS_MAX <= POSITION_MASK) };
    let mut copy = MaybeUninit::<[u64; WORDS]>::uninit();
    let start = copy.as_mut_ptr().cast::<u64>();
    for word in 0..WORDS {
        // Separate volatile stores: the compiler would otherwise call a function (memset), which the verifier refuses.
        // SAFETY: within the copy.
        unsafe { start.add(word).write_volatile(0) };
    }
    // Unknown to the verifier, which would otherwise examine the loop once for each path that leads here. Without the
    // first word, which is always present: Linux 6.1 does not derive from a comparison that a length is above 0, but does
    // so from a sum.
    let rest = maps::make_unknown(cpu, (words as u64).wrapping_sub(1) * 4) as usize;
    let rest = barrier_var_usize(rest & POSITION_MASK);
    if rest > OPTIONS_MAX - 4 {
        return None;
    }
    let length = barrier_var_usize(rest) + 4;
    // SAFETY: the copy is longer.
    if unsafe { bpf_xdp_load_bytes(ctx.ctx, at as u32, start.cast(), length as u32) } != 0 {
        return None;
    }
    let start = start.cast::<u8>();
    // SAFETY: the mask keeps the position within the copy.
    let byte = |from: usize| Some(unsafe { start.add(from & POSITION_MASK).read() });
    const WORD_MAX: usize = POSITION_MASK + 1 - 4;
    // SAFETY: as above; the kernel lets programs read at any alignment where the hardware can. No option has a word
    // further on.
    let word = |from: usize| Some(unsafe { start.add(from.min(WORD_MAX)).cast::<u32>().read_unaligned() });
    Some(tcp_options::read_options(length, byte, word, |value| maps::make_unknown(cpu, value)))
}

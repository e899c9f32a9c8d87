//! Reads the TCP options of a SYN from the frame, see `synguard_common::offer`.

use core::mem::MaybeUninit;

use aya_ebpf::{bindings::xdp_md, helpers::generated::bpf_xdp_load_bytes, programs::XdpContext};
use network_types::tcp::TcpHdr;
use synguard_common::offer::{self, OPTIONS_MAX, Offer};

use super::syn::Place;
use crate::{
    bytes::{header, opaque},
    maps,
};

/// Above all positions of a plain TCP header.
const AT_MASK: usize = 0x7f;
/// Above all positions in the options.
const POSITION_MASK: usize = 0x3f;

/// What a SYN offers, if it is plain (see [`Place::plain`]).
#[inline(always)]
pub(super) fn of(ctx: &XdpContext, place: Place) -> Offer {
    Offer(synguard_offer(ctx.ctx, place.0))
}

/// See [`of`]. A global function: the verifier examines it once, for any arguments, see `lists`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_offer(ctx: *mut xdp_md, place: u64) -> u64 {
    let ctx = XdpContext::new(ctx);
    read(&ctx, Place(place)).unwrap_or(Offer::UNREADABLE).0
}

#[inline(always)]
fn read(ctx: &XdpContext, place: Place) -> Option<Offer> {
    const DATA_OFFSET: usize = 12;
    place.plain()?;
    let at = place.transport() & AT_MASK;
    let tcp = header(ctx, at, TcpHdr::LEN)?;
    // At least 5, or the packet would not be TCP.
    // Opaque, or the compiler would make two of all that follows.
    let words = opaque(usize::from(tcp.read::<u8>(DATA_OFFSET) >> 4).saturating_sub(5));
    let at = at + TcpHdr::LEN;
    if words == 5
        && let Some(options) = header(ctx, at, 20)
        && let Some(offer) = offer::usual([
            options.read(0),
            options.read(4),
            options.read(8),
            options.read(12),
            options.read(16),
        ])
    {
        return Some(offer);
    }
    if words == 0 { Some(Offer::NOTHING) } else { read_any(ctx, at, words) }
}

/// Reads so many words of options. From a copy, which can be read without asking each time where the frame ends.
#[inline(always)]
fn read_any(ctx: &XdpContext, at: usize, words: usize) -> Option<Offer> {
    let cpu = maps::cpu_state()?;
    const WORDS: usize = (POSITION_MASK + 1) / 8;
    const { assert!(OPTIONS_MAX <= POSITION_MASK) };
    let mut copy = MaybeUninit::<[u64; WORDS]>::uninit();
    let start = copy.as_mut_ptr().cast::<u64>();
    for word in 0..WORDS {
        // As single stores: the compiler would call a function, which the verifier does not take for one of a program.
        // SAFETY: within the copy.
        unsafe { start.add(word).write_volatile(0) };
    }
    // Forgotten, or the verifier would examine the loop for each way to get here, too. Without the first word, which is
    // there in any case: to Linux 6.1 a length is not above 0 because it was compared with that, but because of a sum.
    let rest = opaque(maps::forget(cpu, (words as u64).wrapping_sub(1) * 4) as usize & POSITION_MASK);
    if rest > OPTIONS_MAX - 4 {
        return None;
    }
    let length = opaque(rest) + 4;
    // SAFETY: the copy has room for more.
    if unsafe { bpf_xdp_load_bytes(ctx.ctx, at as u32, start.cast(), length as u32) } != 0 {
        return None;
    }
    let start = start.cast::<u8>();
    // SAFETY: the mask keeps within the copy.
    let byte = |from: usize| Some(unsafe { start.add(from & POSITION_MASK).read() });
    const WORD_MAX: usize = POSITION_MASK + 1 - 4;
    // SAFETY: as above; the kernel lets programs read at any alignment where the hardware can. No word of interest lies
    // further on.
    let word = |from: usize| Some(unsafe { start.add(from.min(WORD_MAX)).cast::<u32>().read_unaligned() });
    Some(offer::read(length, byte, word, |value| maps::forget(cpu, value)))
}

//! The entry points: the XDP program, the pipeline from a packet to its reason, its counter and its action; and the egress
//! program, which watches the kernel's own SYN-ACKs.
#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(target_arch = "bpf", no_main)]

use aya_ebpf::{
    bindings::{TC_ACT_UNSPEC, xdp_action},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use synguard_common::reason::{Reason, Verdict};
use synguard_ebpf::{counters, egress, ip_lists, parse, rate_limit, syn_cookie};

/// The XDP program. `frags` declares support for packets in several buffers, so that a driver with jumbo frames
/// accepts the program. Headers always lie in the first buffer.
#[xdp(frags)]
fn synguard(ctx: XdpContext) -> u32 {
    if let Some(bytes) = fast_path_ack(&ctx) {
        counters::count(Reason::NotSyn, bytes);
        return xdp_action::XDP_PASS;
    }
    let packet = parse::packet(&ctx);
    let reason = match ip_lists::lookup(&packet) {
        Some(reason) => reason,
        None => rate_limit::check(&packet),
    };
    let (reason, bytes) = syn_cookie::handle(&ctx, &packet, reason);
    counters::count(reason, bytes);
    match reason.verdict() {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Transmit => xdp_action::XDP_TX,
    }
}

/// The egress program, attached only while XDP sends SYN cookies: it sees the kernel's own SYN-ACKs leave. It has no say: the
/// packet goes on to the next program and leaves.
#[classifier]
fn synguard_egress(ctx: TcContext) -> i32 {
    let _ = egress::observe(&ctx);
    TC_ACT_UNSPEC
}

/// Returns the length of a plain ACK while both lists are empty and SYN cookies are off. The full pipeline would also
/// end in [`Reason::NotSyn`], but collecting the fields that it needs doubles the cost of an established packet.
#[inline(always)]
fn fast_path_ack(ctx: &XdpContext) -> Option<u64> {
    parse::plain_ack(ctx).filter(|_| ip_lists::are_empty() && !syn_cookie::is_enabled())
}

/// The kernel offers the cookie and socket helpers only to programs under a GPL-compatible licence.
#[cfg(target_arch = "bpf")]
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Never linked in: the verifier would refuse an endless loop.
    loop {}
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}

//! The entry point of the XDP program: one packet in, one reason, one counter, one action out.
#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(target_arch = "bpf", no_main)]

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use synguard_common::verdict::{Reason, Verdict};
use synguard_ebpf::{account, answer, filter, packet};

/// `frags`: packets spread over several buffers are accepted, so that jumbo frames do not keep the program
/// from a driver. Headers always lie in the first buffer.
#[xdp(frags)]
fn synguard(ctx: XdpContext) -> u32 {
    if let Some(bytes) = filter::expected(&ctx) {
        account::count(Reason::NotSyn, bytes);
        return xdp_action::XDP_PASS;
    }
    let packet = packet::parse(&ctx);
    let (reason, bytes) = answer::judge(&ctx, &packet, filter::judge(&ctx, &packet, filter::clock));
    account::count(reason, bytes);
    match reason.verdict() {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Transmit => xdp_action::XDP_TX,
    }
}

/// The kernel offers the cookie and socket helpers only to programs under a GPL-compatible licence.
#[cfg(target_arch = "bpf")]
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Never linked in: the verifier refuses the endless loop this would be.
    loop {}
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}

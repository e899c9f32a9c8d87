//! The XDP programs of the lab: the flood generator, and reference programs to receive it.
#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(target_arch = "bpf", no_main)]

use aya_ebpf::{
    bindings::xdp_action,
    btf_maps::{Array, PerCpuArray},
    helpers::{bpf_get_prandom_u32, bpf_xdp_adjust_tail},
    macros::{btf_map, xdp},
    programs::XdpContext,
};
use synguard_tests_ebpf::{Layout, Template, add_u32, finish};

/// The frame that `generate` sends.
#[btf_map]
static TEMPLATE: Array<Template, 1> = Array::new();

/// Frames that `generate` handed to the kernel, per CPU.
#[btf_map]
static GENERATED: PerCpuArray<u64, 1> = PerCpuArray::new();

/// Frames that `drop` received, per CPU.
#[btf_map]
static DROPPED: PerCpuArray<u64, 1> = PerCpuArray::new();

/// Hands every packet to the network stack. A veth device delivers XDP_TX frames only to a peer that has a
/// program, and this is the one with no effect.
#[xdp(frags)]
fn pass(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Drops and counts every packet.
#[xdp(frags)]
fn drop(_ctx: XdpContext) -> u32 {
    count(&DROPPED);
    xdp_action::XDP_DROP
}

/// Drops every packet and does nothing else: the floor that other programs are measured against.
#[xdp(frags)]
fn drop_empty(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_DROP
}

/// Writes one frame of the flood over whatever the buffer holds, and sends it. Run by BPF_PROG_TEST_RUN with
/// live frames, which come back with the bytes and the length their last receiver gave them.
#[xdp]
fn generate(ctx: XdpContext) -> u32 {
    let Some(template) = TEMPLATE.get(0) else { return xdp_action::XDP_ABORTED };
    let written = match template.layout {
        0 => write::<{ Layout::V4 as u32 }>(&ctx, template),
        1 => write::<{ Layout::V4Vlan as u32 }>(&ctx, template),
        2 => write::<{ Layout::V6 as u32 }>(&ctx, template),
        _ => write::<{ Layout::V6Vlan as u32 }>(&ctx, template),
    };
    if written.is_none() {
        return xdp_action::XDP_ABORTED;
    }
    count(&GENERATED);
    xdp_action::XDP_TX
}

/// The layout of a number: a const generic can be a number, but not an enum.
const fn layout(number: u32) -> Layout {
    match number {
        0 => Layout::V4,
        1 => Layout::V4Vlan,
        2 => Layout::V6,
        _ => Layout::V6Vlan,
    }
}

#[inline(always)]
fn write<const LAYOUT: u32>(ctx: &XdpContext, template: &Template) -> Option<()> {
    let layout = const { layout(LAYOUT) };
    let frame = ctx.data();
    if frame + const { self::layout(LAYOUT).words() } * 8 > ctx.data_end() {
        return None;
    }
    for (i, &word) in template.words.iter().enumerate().take(layout.words()) {
        // SAFETY: within the bounds checked above; a live frame starts on an 8-byte boundary.
        unsafe { (frame as *mut u64).add(i).write(word) };
    }
    // SAFETY: the helper has no precondition.
    let (random, sequence) = unsafe { (bpf_get_prandom_u32(), bpf_get_prandom_u32()) };
    let offset = (u64::from(random) * u64::from(template.sources)) >> 32;
    let source = template.source_base.wrapping_add(offset as u32);
    let port = if template.source_port == 0 {
        // Mixed, so that the port does not give the sequence number away, nor the other way round.
        (sequence.wrapping_mul(0x9e37_79b1) >> 16) | 1024
    } else {
        template.source_port
    };

    let source_at = layout.source_at();
    match (layout.is_v4(), template.source_word) {
        (true, _) => store_u32(frame + source_at, source),
        (false, 4) => store_u32(frame + source_at + 4, source),
        (false, _) => store_u32(frame + source_at + 12, source),
    }
    let tcp = frame + layout.tcp_at();
    store_u16(tcp, (port as u16).to_be());
    store_u32(tcp + 4, sequence);
    let sum = add_u32(add_u32(add_u32(template.tcp_sum, source), sequence), port << 16);
    store_u16(tcp + 16, finish(sum));
    if layout.is_v4() {
        store_u16(frame + layout.ip_at() + 10, finish(add_u32(template.ip_sum, source)));
    }
    let surplus = (layout.words() * 8 - layout.frame_len()) as i32;
    // SAFETY: the context is the one the program was called with; no packet pointer is used after this.
    let done = unsafe { bpf_xdp_adjust_tail(ctx.ctx, -surplus) };
    (done == 0).then_some(())
}

/// Stores a field whose bytes are already in memory order.
#[inline(always)]
fn store_u16(at: usize, value: u16) {
    // SAFETY: called with offsets inside the frame that `write` checked; all of them are even.
    unsafe { (at as *mut u16).write(value) };
}

/// Stores a value in network order at an address that may be a multiple of two only.
#[inline(always)]
fn store_u32(at: usize, value: u32) {
    let [a, b, c, d] = value.to_be_bytes();
    store_u16(at, u16::from_ne_bytes([a, b]));
    store_u16(at + 2, u16::from_ne_bytes([c, d]));
}

#[inline(always)]
fn count(counter: &PerCpuArray<u64, 1>) {
    // SAFETY: the slot is this CPU's own and lives as long as the program; the kernel runs XDP programs with
    // softirqs off, so nothing else on this CPU holds a reference to it.
    if let Some(count) = unsafe { counter.get_ptr_mut(0).and_then(|slot| slot.as_mut()) } {
        *count += 1;
    }
}

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

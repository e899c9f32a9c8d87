//! The XDP programs of the lab: the flood generator, and reference programs to receive it.
#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(target_arch = "bpf", no_main)]

use aya_ebpf::{
    bindings::xdp_action,
    btf_maps::{Array, LruHashMap, PerCpuArray},
    helpers::{bpf_get_prandom_u32, bpf_xdp_adjust_tail, generated::bpf_ktime_get_coarse_ns},
    macros::{btf_map, xdp},
    programs::XdpContext,
};
use synguard_tests_ebpf::{
    ETHERNET_LEN, GATEWAY_MAC_END, IPV4_LEN, Layout, MAC_END, PLAIN_LIMIT, PLAIN_WINDOW_SHIFT, PlainSource,
    SHARE_WHOLE, Template, add_u32, finish,
};

/// The frame that `generate` sends.
#[btf_map]
static TEMPLATE: Array<Template, 1> = Array::new();

/// Frames that `generate` handed to the kernel, per CPU.
#[btf_map]
static GENERATED: PerCpuArray<u64, 1> = PerCpuArray::new();

/// Frames that `drop` received, per CPU.
#[btf_map]
static DROPPED: PerCpuArray<u64, 1> = PerCpuArray::new();

/// Sources that `plain_lru` counts, by IPv4 address as it lies in the packet. The loader sets the capacity.
#[btf_map]
static PLAIN_SOURCES: LruHashMap<u32, PlainSource, 1024> = LruHashMap::new();

/// Hands every packet to the network stack. A veth device delivers `XDP_TX` frames only to a peer that has a program,
/// and this is the one with no effect.
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

/// Drops and counts packets for the gateway, and passes the rest: replies to forged sources end here, at no more cost
/// to the CPU that sent them than if they had left the machine.
#[xdp(frags)]
fn sink(ctx: XdpContext) -> u32 {
    let frame = ctx.data();
    if frame + ETHERNET_LEN > ctx.data_end() {
        return xdp_action::XDP_PASS;
    }
    // SAFETY: within the bounds checked above, and a byte has no alignment.
    if unsafe { ((frame + MAC_END) as *const u8).read() } != GATEWAY_MAC_END {
        return xdp_action::XDP_PASS;
    }
    count(&DROPPED);
    xdp_action::XDP_DROP
}

/// The limiter that other products use: every source of a SYN has an entry in an LRU table and a count of SYNs in a
/// fixed window. It parses only IPv4 without options, which makes it faster than a real one.
#[xdp(frags)]
fn plain_lru(ctx: XdpContext) -> u32 {
    match plain_verdict(&ctx) {
        Some(true) => xdp_action::XDP_DROP,
        Some(false) | None => xdp_action::XDP_PASS,
    }
}

/// Reports whether a packet's source is over its limit; `None` if the packet is not a SYN over IPv4.
#[inline(always)]
fn plain_verdict(ctx: &XdpContext) -> Option<bool> {
    const TCP_AT: usize = ETHERNET_LEN + IPV4_LEN;
    let frame = ctx.data();
    if frame + TCP_AT + 20 > ctx.data_end() {
        return None;
    }
    // SAFETY: within the bounds checked above; the kernel's frames leave IP headers on a 4-byte boundary or the
    // machine can read unaligned words, and read_unaligned is right either way.
    let (ethertype, protocol, source, flags) = unsafe {
        (
            ((frame + 12) as *const u16).read_unaligned(),
            ((frame + ETHERNET_LEN + 9) as *const u8).read(),
            ((frame + ETHERNET_LEN + 12) as *const u32).read_unaligned(),
            ((frame + TCP_AT + 13) as *const u8).read(),
        )
    };
    if ethertype != 0x0800_u16.to_be() || protocol != 6 || flags & 0x17 != 0x02 {
        return None;
    }
    // SAFETY: the helper takes no arguments and only reads a clock.
    let window = unsafe { bpf_ktime_get_coarse_ns() } >> PLAIN_WINDOW_SHIFT;
    if let Some(entry) = PLAIN_SOURCES.get_ptr_mut(source) {
        // SAFETY: the pointer is to the map's entry, which stays readable and writable for the rest of the run;
        // both fields are plain integers. Counts that CPUs lose to each other do not matter to a reference.
        let entry = unsafe { &mut *entry };
        if entry.window == window {
            entry.syns += 1;
        } else {
            *entry = PlainSource { window, syns: 1 };
        }
        return Some(entry.syns > PLAIN_LIMIT);
    }
    let _ = PLAIN_SOURCES.insert(source, PlainSource { window, syns: 1 }, 0);
    Some(false)
}

/// Writes one frame of the flood over the buffer's contents, and sends it. Run by `BPF_PROG_TEST_RUN` with live
/// frames, which come back with the bytes and the length that their last receiver gave them.
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
    let source = source(template, random, sequence);
    let port = if template.source_port == 0 {
        // Mixed, so that neither the port nor the sequence number reveals the other.
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

/// The varying word of the frame's source address.
#[inline(always)]
fn source(template: &Template, random: u32, sequence: u32) -> u32 {
    // The bits of `sequence` decide whether the frame is an offender's; `random` decides which offender.
    if sequence % SHARE_WHOLE < template.offender_share {
        return template.offender_base.wrapping_add(scale(random, template.offenders));
    }
    if template.in_turn == 0 {
        return template.source_base.wrapping_add(scale(random, template.sources));
    }
    let sent = GENERATED.get(0).copied().unwrap_or(0);
    // At least 1: otherwise the compiler emits a panic here, which cannot be loaded.
    template.source_base.wrapping_add((sent % u64::from(template.sources.max(1))) as u32)
}

/// Maps 32 random bits onto 0 to `below` - 1.
#[inline(always)]
fn scale(random: u32, below: u32) -> u32 {
    ((u64::from(random) * u64::from(below)) >> 32) as u32
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

//! The program's parser on the host, against the model, with every frame ending where the memory ends: a read
//! past the end of a frame kills the test.
//!
//! Only on x86-64, where a mapping can be had that an `xdp_md`'s 32-bit addresses reach (`MAP_32BIT`).
#![expect(clippy::print_stdout, reason = "what the test harness shows of a failed test")]

use std::{collections::HashMap, net::IpAddr, ptr};

use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use synguard_common::addr::Addr;
use synguard_ebpf::parse::{self, Family, Packet, PacketClass};
use synguard_tests::{
    fuzz::{self, Frames},
    model::{self, FrameClass, ParsedFrame},
};

/// Random frames.
const FRAMES: usize = 300_000;
/// Bytes before the guard page: more than any frame.
const ROOM: usize = 8192;
const PAGE: usize = 4096;

/// Memory of which the last page must not be touched.
struct Guarded {
    start: *mut u8,
    /// Frames that were plain ACKs.
    plain_acks: usize,
}

impl Guarded {
    fn new() -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        // SAFETY: a new mapping at a place that the kernel chooses touches nothing that exists.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), ROOM + PAGE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
        };
        assert_ne!(start, libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
        let start = start.cast::<u8>();
        // SAFETY: the last page of the mapping made above, which nothing refers to yet.
        let status = unsafe { libc::mprotect(start.add(ROOM).cast(), PAGE, libc::PROT_NONE) };
        assert_eq!(status, 0, "mprotect: {}", std::io::Error::last_os_error());
        Self { start, plain_acks: 0 }
    }

    /// Parses a frame that ends where the guard page begins; also reports whether it is a plain ACK.
    fn parse(&mut self, frame: &[u8]) -> (Packet, Option<u64>) {
        assert!(frame.len() <= ROOM);
        // SAFETY: the frame fits before the guard page, and no reference into the mapping exists.
        let data = unsafe {
            let data = self.start.add(ROOM - frame.len());
            ptr::copy_nonoverlapping(frame.as_ptr(), data, frame.len());
            data
        };
        // Exposes the address, which the parser makes pointers from.
        let data =
            u32::try_from(data.expose_provenance()).unwrap_or_else(|_| panic!("{data:p} is over 4 GiB"));
        let mut md = xdp_md {
            data,
            data_end: data + frame.len() as u32,
            data_meta: data,
            ingress_ifindex: 1,
            rx_queue_index: 0,
            egress_ifindex: 0,
        };
        let ctx = XdpContext::new(&raw mut md);
        (parse::packet(&ctx), parse::plain_ack(&ctx))
    }

    /// Compares the parser's result with the model's, and returns the frame's class.
    fn check(&mut self, frame: &[u8]) -> FrameClass {
        let ((parsed, plain_ack), seen) = (self.parse(frame), model::parse(frame));
        assert_eq!(parsed, expected(&seen), "{} bytes: {}", frame.len(), hex(frame));
        // An ACK over IPv4 without tags, options or fragments.
        let plain = parsed.class == PacketClass::Tcp
            && (parsed.family, parsed.ip_offset, parsed.tcp_offset) == (Family::V4, 14, 34)
            && (frame[20] & 0x3f, frame[21]) == (0, 0);
        let length = (plain && parsed.is_ack()).then_some(frame.len() as u64);
        assert_eq!(plain_ack, length, "{} bytes: {}", frame.len(), hex(frame));
        self.plain_acks += usize::from(plain_ack.is_some());
        seen.class
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, made by `new`; no reference into it outlives a call of `parse`.
        unsafe { libc::munmap(self.start.cast(), ROOM + PAGE) };
    }
}

/// Returns the packet that the parser should make of a frame that the model saw this way.
fn expected(seen: &ParsedFrame) -> Packet {
    let (class, port, flags) = match seen.class {
        FrameClass::NotIp => (PacketClass::NotIp, 0, 0),
        FrameClass::Malformed => (PacketClass::Malformed, 0, 0),
        FrameClass::NotTcp => (PacketClass::NotTcp, 0, 0),
        FrameClass::Fragment => (PacketClass::Fragment, 0, 0),
        FrameClass::Tcp { port, flags } => (PacketClass::Tcp, port, flags),
        FrameClass::PossibleSyn => (PacketClass::PossibleSyn, 0, 0),
    };
    let (family, bytes) = match seen.source {
        None => (Family::None, [0; 16]),
        Some(IpAddr::V4(address)) => (Family::V4, address.to_ipv6_mapped().octets()),
        Some(IpAddr::V6(address)) => (Family::V6, address.octets()),
    };
    // The offsets of the headers are defined for TCP only.
    let whole = |offset: usize| if class == PacketClass::Tcp { offset as u16 } else { 0 };
    let [ip_offset, tcp_offset] = [seen.network, seen.transport].map(whole);
    Packet { class, family, flags, port, ip_offset, tcp_offset, source: Addr::from_bytes(bytes) }
}

fn hex(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Names the class of a frame, without the details.
fn label(class: FrameClass) -> &'static str {
    match class {
        FrameClass::NotIp => "not IP",
        FrameClass::Malformed => "malformed",
        FrameClass::NotTcp => "not TCP",
        FrameClass::Fragment => "fragment",
        FrameClass::Tcp { .. } => "TCP",
        FrameClass::PossibleSyn => "possible SYN",
    }
}

/// A test of one kind of frame only would show nothing.
fn assert_all_kinds(counts: &HashMap<&str, usize>, at_least: usize) {
    println!("{counts:?}");
    assert_eq!(counts.len(), 6, "a kind of frame did not occur: {counts:?}");
    assert!(counts.values().all(|&count| count >= at_least), "a kind of frame hardly occurred: {counts:?}");
}

#[test]
fn runts_without_whole_ethernet_header_are_malformed() {
    let mut memory = Guarded::new();
    for byte in [0, 0x08, 0xff] {
        for length in 0..=14 {
            let expected = if length < 14 { FrameClass::Malformed } else { FrameClass::NotIp };
            assert_eq!(memory.check(&vec![byte; length]), expected, "{length} bytes");
        }
    }
}

#[test]
fn every_cut_shape_is_parsed_as_in_the_model() {
    let mut memory = Guarded::new();
    let mut counts = HashMap::new();
    for shape in fuzz::shapes() {
        let frame = shape.build();
        for length in 0..=frame.len() {
            *counts.entry(label(memory.check(&frame[..length]))).or_default() += 1;
        }
    }
    assert_all_kinds(&counts, 50);
}

#[test]
fn random_frames_are_parsed_as_the_model_says() {
    let mut memory = Guarded::new();
    let mut frames = Frames::new(fuzz::seed(), 0);
    let mut counts = HashMap::new();
    for _ in 0..FRAMES {
        *counts.entry(label(memory.check(&frames.make()))).or_default() += 1;
    }
    assert_all_kinds(&counts, 1000);
    assert!(memory.plain_acks > 100, "{} plain ACKs", memory.plain_acks);
}

#[test]
fn every_flag_combination_is_classed_as_in_the_model() {
    for flags in 0..=u8::MAX {
        let packet = Packet {
            class: PacketClass::Tcp,
            family: Family::V4,
            flags,
            port: 1,
            ip_offset: 14,
            tcp_offset: 34,
            source: Addr::UNSPECIFIED,
        };
        assert_eq!(packet.is_syn(), model::is_syn(flags), "{flags:#04x}");
        assert_eq!(packet.has_bad_flags(), model::is_impossible(flags), "{flags:#04x}");
    }
}

//! Tests of reading the kernel's SYN-ACKs. `syn_ack_tests` reads what XDP writes.

use super::*;

/// The options of a SYN from Linux: MSS 1460, window scale 7, SACK permitted, a timestamp.
const LINUX: TcpOptions = TcpOptions(0x05b4 | 7 << 16 | 3 << 20);
/// A time whose milliseconds have all low six bits clear.
const NOW_NS: u64 = (1 << 20) * 1_000_000;

/// The words of a SYN-ACK to [`LINUX`] with a timestamp of `now`, in network byte order.
fn words(now: u32) -> [u32; TCP_WORDS] {
    [0, 0, 0, 0xa012_fe88, 0, 0x0204_05b4, 0x0402_080a, now, 5, 0x0103_0308].map(u32::to_be)
}

#[test]
fn syn_ack_of_linux_is_read() {
    let shape = read_syn_ack(&words(1 << 20 | 0x17), TCP_WORDS, LINUX, false, NOW_NS).expect("a shape");
    assert_eq!((shape.mss, shape.window, shape.window_scale), (1460, 65_160, 8));
    assert_eq!(shape.flags, SHAPE_SACK | SHAPE_WINDOW_SCALE | SHAPE_TIMESTAMP);
    let mss_only = read_syn_ack(&words(0), TCP_WORDS_MSS_ONLY, TcpOptions::NONE, false, NOW_NS);
    assert_eq!(mss_only.map(|shape| (shape.mss, shape.flags)), Some((1460, 0)));
}

#[test]
fn timestamp_with_an_offset_or_other_bits_holds_no_options() {
    for now in [1 << 20 | 0x16, 0x17, 1 << 21 | 0x17, !0x3f | 0x17] {
        let shape = read_syn_ack(&words(now), TCP_WORDS, LINUX, false, NOW_NS).expect("a shape");
        assert!(!shape.has(SHAPE_TIMESTAMP), "{now:#x}");
    }
}

#[test]
fn other_layouts_are_left_to_the_kernel() {
    let good = words(1 << 20 | 0x17);
    for (at, word) in [(5, 0x0103_0308), (5, 0x0204_0000), (6, 0x0402_0101), (9, 0x1e08_0000)] {
        let mut words = good;
        words[at] = u32::to_be(word);
        assert_eq!(read_syn_ack(&words, TCP_WORDS, LINUX, false, NOW_NS), None, "{at}: {word:#x}");
    }
    for count in [5, 7, 8, 11] {
        assert_eq!(read_syn_ack(&good, count, LINUX, false, NOW_NS), None, "{count} words");
    }
}

#[test]
fn classes_are_dense() {
    for bits in 0..8u64 {
        let options = TcpOptions(if bits & 1 == 0 { 0xf } else { 7 } << 16 | (bits >> 1 & 1) << 20 | 1 << 21);
        assert_eq!(u64::from(class(options, bits & 4 != 0)), 1 + bits);
        assert_eq!(class(TcpOptions(options.0 & !(1 << 21)), bits & 4 != 0), 0);
    }
    assert_eq!(CLASSES, 9);
}

//! Tests of the reader: options of real hosts, malformed ones, and a second implementation to compare with.

extern crate std;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Reads a slice, and checks that the reader asks for no byte beyond it.
fn read_slice(options: &[u8]) -> TcpOptions {
    let byte = |at: usize| {
        assert!(at < options.len(), "byte {at} of {}", options.len());
        Some(options[at])
    };
    let word = |at: usize| {
        let bytes = options.get(at..at + 4).expect("a word within the options");
        Some(u32::from_ne_bytes(bytes.try_into().expect("four bytes")))
    };
    read_options(options.len(), byte, word, |at| at)
}

#[test]
fn options_of_linux_and_windows_are_read() {
    // Linux: MSS, SACK_BIT permitted, timestamp, window scale 7.
    let linux = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7];
    let read = read_slice(&linux);
    assert_eq!((read.mss(), read.window_scale(), read.sack()), (1460, 7, true));
    assert_eq!((read.has_timestamp(), read.timestamp()), (true, u32::from_ne_bytes([1, 2, 3, 4])));
    // Windows: MSS, window scale 8, SACK_BIT permitted, no timestamp.
    let windows = read_slice(&[2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2]);
    assert_eq!((windows.mss(), windows.window_scale(), windows.sack()), (1460, 8, true));
    assert!(!windows.has_timestamp() && !windows.is_unsupported());
    assert_eq!(read_slice(&[]), TcpOptions::NONE);
    assert_eq!(
        (TcpOptions::NONE.mss(), TcpOptions::NONE.window_scale(), TcpOptions::NONE.sack()),
        (0, NO_WINDOW_SCALE, false)
    );
}

#[test]
fn malformed_options_follow_the_rules() {
    let cases: &[(&str, &[u8], TcpOptions)] = &[
        ("the maximum number", &[1; OPTION_COUNT_MAX], TcpOptions::NONE),
        ("one more", &[1; OPTION_COUNT_MAX + 1], TcpOptions::UNSUPPORTED),
        ("bytes after the end of the list", &[0, 2, 4, 5, 0xb4, 77, 77, 77], TcpOptions::NONE),
        ("an unknown kind", &[34, 2, 253, 4, 1, 2], TcpOptions::NONE),
        ("an MSS of 0", &[2, 4, 0, 0], TcpOptions::NONE),
        ("an MSS of the wrong size", &[2, 3, 5, 1], TcpOptions::NONE),
        ("a timestamp of the wrong size", &[8, 9, 1, 2, 3, 4, 0, 0, 0, 1], TcpOptions::NONE),
        ("the last of two", &[2, 4, 5, 0xb4, 2, 4, 2, 0x18], TcpOptions::NONE.with_mss(536)),
        ("a window scale too high", &[3, 3, 200, 1], TcpOptions::NONE.with_window_scale(14)),
        ("a kind without a size", &[1, 1, 1, 2], TcpOptions::UNSUPPORTED),
        ("a size of 0", &[2, 0, 5, 0xb4], TcpOptions::UNSUPPORTED),
        ("a size of 1", &[2, 1, 5, 0xb4], TcpOptions::UNSUPPORTED),
        ("a size beyond the end", &[1, 1, 2, 4], TcpOptions::UNSUPPORTED),
        ("a signature", &[2, 4, 5, 0xb4, 19, 4, 0, 0], TcpOptions::UNSUPPORTED),
        ("another signature", &[29, 4, 0, 0], TcpOptions::UNSUPPORTED),
    ];
    for &(what, options, expected) in cases {
        assert_eq!(read_slice(options), expected, "{what}");
    }
}

#[test]
fn truncated_packet_makes_options_unsupported() {
    for there in 0..20 {
        let linux = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7];
        let byte = |at: usize| linux[..there].get(at).copied();
        let word = |at: usize| {
            linux[..there].get(at..at + 4).map(|bytes| u32::from_ne_bytes(bytes.try_into().expect("four")))
        };
        // The reader does not read the last four bytes of a timestamp.
        assert!(read_options(20, byte, word, |at| at).is_unsupported(), "{there} bytes");
    }
}

/// The same rules as a recursion over slices, for at most `room` more options.
fn model(options: &[u8], so_far: TcpOptions, room: usize) -> TcpOptions {
    match options {
        [] => so_far,
        _ if room == 0 => TcpOptions::UNSUPPORTED,
        [0, ..] => so_far,
        [1, rest @ ..] => model(rest, so_far, room - 1),
        [19 | 29, ..] => TcpOptions::UNSUPPORTED,
        &[_, size, ..] if size >= 2 && usize::from(size) <= options.len() => {
            let (option, rest) = options.split_at(size.into());
            let next = match *option {
                [2, 4, 0, 0] => so_far,
                [2, 4, high, low] => so_far.with_mss(u16::from_be_bytes([high, low])),
                [3, 3, scale] => so_far.with_window_scale(scale.min(14)),
                [4, 2] => TcpOptions(so_far.0 | SACK_BIT),
                [8, 10, a, b, c, d, ..] => so_far.with_timestamp(u32::from_ne_bytes([a, b, c, d])),
                _ => so_far,
            };
            model(rest, next, room - 1)
        }
        _ => TcpOptions::UNSUPPORTED,
    }
}

fn options() -> impl Strategy<Value = Vec<u8>> {
    let known = prop_oneof![
        Just(std::vec![1]),
        any::<[u8; 2]>().prop_map(|[a, b]| std::vec![2, 4, a, b]),
        any::<u8>().prop_map(|scale| std::vec![3, 3, scale]),
        Just(std::vec![4, 2]),
        any::<[u8; 8]>().prop_map(|stamps| [&[8, 10][..], &stamps].concat()),
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..8)).prop_map(|(kind, value)| [
            &[kind, value.len() as u8 + 2][..],
            &value
        ]
        .concat()),
        prop::collection::vec(0u8..12, 1..4),
    ];
    prop::collection::vec(known, 0..12).prop_map(|parts| {
        let mut bytes = parts.concat();
        bytes.truncate(OPTIONS_MAX);
        bytes
    })
}

#[test]
fn linux_options_take_the_fast_path() {
    let linux = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7];
    assert_eq!(read_linux(words(linux)), Some(read_slice(&linux)));
    for at in [0, 1, 4, 5, 6, 7, 16, 17, 18] {
        let mut other = linux;
        other[at] ^= 1;
        assert_eq!(read_linux(words(other)), None, "byte {at}");
    }
    let mut none = linux;
    (none[2], none[3]) = (0, 0);
    assert_eq!(read_linux(words(none)), None, "an MSS of 0");
}

fn words(bytes: [u8; 20]) -> [u32; 5] {
    std::array::from_fn(|i| u32::from_ne_bytes(bytes[4 * i..4 * i + 4].try_into().expect("four bytes")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn fast_path_agrees_with_the_reader(values: [u8; 20], scale: u8) {
        let fixed = [2, 4, values[2], values[3], 4, 2, 8, 10];
        let linux = [&fixed[..], &values[8..16], &[1, 3, 3, scale]].concat().try_into().expect("20 bytes");
        if let Some(read) = read_linux(words(linux)) {
            prop_assert_eq!(read, read_slice(&linux));
        }
    }

    #[test]
    fn reader_agrees_with_the_model(options in options()) {
        prop_assert_eq!(read_slice(&options), model(&options, TcpOptions::NONE, OPTION_COUNT_MAX));
    }

    #[test]
    fn random_bytes_agree_with_the_model(options in prop::collection::vec(any::<u8>(), 0..=OPTIONS_MAX)) {
        let read = read_slice(&options);
        prop_assert!(read.window_scale() <= WINDOW_SCALE_MAX || read.window_scale() == NO_WINDOW_SCALE);
        prop_assert_eq!(read, model(&options, TcpOptions::NONE, OPTION_COUNT_MAX));
    }
}

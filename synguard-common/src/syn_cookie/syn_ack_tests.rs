//! Tests of the SYN-ACK: a second implementation of the checksums, and the kernel's decoder.

extern crate std;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::syn_cookie::template::read_syn_ack;

/// Computes an RFC 1071 sum over bytes, in the straightforward way.
fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Returns the bytes of an address, without the prefix of IPv4-mapped form.
fn address_bytes(address: Addr) -> Vec<u8> {
    let bytes = address.to_bytes();
    if address.is_v4() { bytes[12..].to_vec() } else { bytes.to_vec() }
}

/// Decodes window scale, SACK and ECN like the kernel's `cookie_timestamp_decode`, from its documentation.
fn decode(timestamp: u32) -> (Option<u8>, bool, bool) {
    let scale = (timestamp & 0xf) as u8;
    ((scale != 0xf).then_some(scale), timestamp & 0x10 != 0, timestamp & 0x20 != 0)
}

fn client_options() -> impl Strategy<Value = TcpOptions> {
    (any::<u16>(), prop_oneof![0..=14u64, Just(15)], any::<bool>(), any::<Option<u32>>()).prop_map(
        |(mss, scale, sack, stamp)| {
            let flags = u64::from(sack) << 20 | u64::from(stamp.is_some()) << 21;
            TcpOptions(u64::from(mss) | scale << 16 | flags | u64::from(stamp.unwrap_or(0)) << 32)
        },
    )
}

fn shapes() -> impl Strategy<Value = SynAckShape> {
    (any::<[u16; 2]>(), any::<[u8; 3]>(), 0u8..=14).prop_map(
        |([mss, window], [hop_limit, traffic_class, flags], window_scale)| SynAckShape {
            mss,
            window,
            hop_limit,
            traffic_class,
            flags,
            window_scale,
            ..SynAckShape::default()
        },
    )
}

fn addresses() -> impl Strategy<Value = [Addr; 2]> {
    let v4 = any::<[u32; 2]>().prop_map(|pair| pair.map(Addr::from_v4));
    prop_oneof![v4, any::<[[u64; 2]; 2]>().prop_map(|pair| pair.map(Addr))]
}

proptest! {
    #[test]
    fn tcp_header_has_the_negotiated_options(
        client in client_options(), addresses in addresses(), flags: u32, shape in shapes(),
        ports: u32, sequence: u32, ecn: bool, cookie: u32, now_ns in 1_000_000_000u64..1 << 62,
    ) {
        let cookies = SynCookieConfig { flags, ..SynCookieConfig::default() };
        let syn = SynFields { ports, sequence, ecn };
        let negotiated = NegotiatedOptions::new(&cookies, client, &syn, &shape);
        let header = tcp_header(&syn, &negotiated, cookie, now_ns);
        let words = negotiated.words();
        let header = with_checksum(header, tcp_checksum(&header, words, addresses));
        let header = bytes(&header[..words]);
        let pseudo = [address_bytes(addresses[0]), address_bytes(addresses[1]), std::vec![0, 6, 0, header.len() as u8]].concat();
        prop_assert_eq!(sum(&[pseudo, header.clone()].concat()), 0xffff, "checksum");

        let at = |range: core::ops::Range<usize>| u32::from_be_bytes(header[range].try_into().expect("four bytes"));
        prop_assert_eq!(at(0..4), ports.rotate_right(16));
        prop_assert_eq!((at(4..8), at(8..12)), (cookie, sequence.wrapping_add(1)));
        prop_assert_eq!(usize::from(header[12]), words << 4);
        prop_assert_eq!(header[13], if negotiated.ecn { 0x52 } else { 0x12 });
        let seen = crate::syn_cookie::tcp_options::read_options(
            header.len() - 20,
            |at| Some(header[20 + at]),
            |at| Some(u32::from_ne_bytes(header[20 + at..24 + at].try_into().expect("four bytes"))),
            |at| at,
        );
        prop_assert!(!seen.is_unsupported());
        prop_assert_eq!(seen.mss(), shape.mss);
        prop_assert_eq!(u16::from_be_bytes([header[14], header[15]]), shape.window);
        let has_timestamp =
            flags & SYN_COOKIE_OPTIONS != 0 && client.has_timestamp() && shape.has(SHAPE_TIMESTAMP);
        prop_assert_eq!(seen.has_timestamp(), has_timestamp);
        if has_timestamp {
            let scaled = client.window_scale() != NO_WINDOW_SCALE && shape.has(SHAPE_WINDOW_SCALE);
            let permitted = client.sack() && shape.has(SHAPE_SACK);
            prop_assert_eq!(seen.window_scale(), if scaled { shape.window_scale } else { NO_WINDOW_SCALE });
            prop_assert_eq!(seen.sack(), permitted);
            prop_assert_eq!(at(32..36), client.timestamp().to_be(), "the client's timestamp comes back");
            let (scale, sack, ecn_back) = decode(at(28..32));
            prop_assert_eq!(scale, scaled.then_some(client.window_scale()));
            prop_assert_eq!((sack, ecn_back), (permitted, ecn && flags & SYN_COOKIE_ECN != 0 && shape.has(SHAPE_ECN)));
            // The kernel's own SYN-ACK with these options has the same shape.
            let words: [u32; TCP_WORDS] = core::array::from_fn(|word| {
                header.get(4 * word..4 * word + 4).map_or(0, |b| u32::from_ne_bytes(b.try_into().expect("four bytes")))
            });
            let read = read_syn_ack(&words, header.len() / 4, client, ecn, now_ns);
            let expected = SynAckShape {
                hop_limit: 0,
                traffic_class: 0,
                cookie_mss: u16::MAX,
                flags: if scaled { SHAPE_WINDOW_SCALE } else { 0 }
                    | if permitted { SHAPE_SACK } else { 0 }
                    | if negotiated.ecn { SHAPE_ECN } else { 0 }
                    | SHAPE_TIMESTAMP,
                window_scale: if scaled { shape.window_scale } else { 0 },
                ..shape
            };
            prop_assert_eq!(read, (shape.mss != 0).then_some(expected));
        } else {
            prop_assert_eq!((seen.window_scale(), seen.sack(), negotiated.ecn), (NO_WINDOW_SCALE, false, false));
        }
    }

    #[test]
    fn timestamp_is_never_ahead_nor_128_ms_behind(client in client_options(), now_ns in 128_000_000u64..1 << 62) {
        let negotiated = NegotiatedOptions { mss: 0, window: 0, window_scale: 0, client, has_timestamp: true, ecn: false };
        let age = ((now_ns / 1_000_000) as u32).wrapping_sub(encode_timestamp(&negotiated, now_ns));
        prop_assert!(age < 128, "{}", age);
    }

    #[test]
    fn ip_headers_have_the_right_fields(pair: [u32; 2], length in 0u32..100, shape in shapes(), cookie: u32) {
        let addresses = pair.map(Addr::from_v4);
        let header = [bytes(&ipv4_header(length, &shape, cookie, addresses)), address_bytes(addresses[0]), address_bytes(addresses[1])].concat();
        let [.., c, d] = cookie.to_be_bytes();
        let fragmentation = if shape.has(SHAPE_DONT_FRAGMENT) { [0, 0, 0x40, 0] } else { [c, d, 0, 0] };
        prop_assert_eq!(sum(&header), 0xffff);
        prop_assert_eq!(&header[..4], &[0x45, shape.traffic_class, 0, 20 + length as u8]);
        prop_assert_eq!(&header[4..10], &[&fragmentation[..], &[shape.hop_limit, 6]].concat());
        let header = ipv6_header(length, &shape, cookie).map(u32::from_be);
        let label = if shape.has(SHAPE_FLOW_LABEL) { cookie & 0xf_ffff } else { 0 };
        prop_assert_eq!(header[0], 6 << 28 | u32::from(shape.traffic_class) << 20 | label);
        prop_assert_eq!(header[1], length << 16 | 6 << 8 | u32::from(shape.hop_limit));
    }
}

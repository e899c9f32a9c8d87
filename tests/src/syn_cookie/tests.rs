//! The reader against etherparse, which makes the SYN-ACKs here: correct ones are accepted, and every change to one
//! is found.

use super::*;
use crate::packet::Packet;
use etherparse::{Ethernet2Header, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, TcpHeader};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// 64 * 1000 + 37.
const NOW_MS: u64 = 64_037;
/// MSS 1460, SACK permitted, a timestamp, no-op, window scale 9: the options of a SYN from Linux.
const LINUX: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 9];
/// The SYN-ACK's options: `0b01_1001` is SACK and window scale 9, at 64 000 ms.
const SYN_ACK: [u8; 20] = [2, 4, 5, 0xa0, 4, 2, 8, 10, 0, 0, 0xfa, 0x19, 1, 2, 3, 4, 1, 3, 3, 7];
const TAGS: [u8; 8] = [0x88, 0xa8, 0, 7, 0x81, 0, 0, 9];

fn context(flags: u32) -> CookieContext {
    let cookies = SynCookieConfig { flags, ..SynCookieConfig::default() };
    let kernel = KernelSynAck { window_scale: 7, mss_v4: 1440, mss_v6: 1420, hop_limit: 64 };
    CookieContext { cookies, kernel, earliest_ms: NOW_MS - 4, latest_ms: NOW_MS }
}

fn kept() -> CookieContext {
    context(SYN_COOKIE_ON | SYN_COOKIE_OPTIONS | SYN_COOKIE_ECN)
}

fn syn(options: &[u8]) -> Packet {
    Packet::eth().ipv4("192.0.2.1", "198.51.100.1").tcp(4000, 443).syn().tcp_options(options)
}

fn tcp(options: &[u8]) -> TcpHeader {
    let mut header = TcpHeader::new(443, 4000, 0x5555_5555, 65_535);
    header.syn = true;
    header.ack = true;
    header.acknowledgment_number = 0x1122_3345;
    header.set_options_raw(options).unwrap();
    header
}

fn ip() -> Ipv4Header {
    Ipv4Header::new(0, 64, IpNumber::TCP, [198, 51, 100, 1], [192, 0, 2, 1]).unwrap()
}

fn link(tags: &[u8], kind: u16) -> Vec<u8> {
    let ether_type = kind.into();
    let mut frame = Ethernet2Header { source: MAC, destination: CLIENT_MAC, ether_type }.to_bytes().to_vec();
    frame.splice(12..12, tags.iter().copied());
    frame
}

/// Builds etherparse's frame of these headers, with the right lengths and checksums.
fn frame(tags: &[u8], mut ip: Ipv4Header, mut tcp: TcpHeader) -> Vec<u8> {
    ip.set_payload_len(tcp.header_len()).unwrap();
    ip.header_checksum = ip.calc_header_checksum();
    tcp.checksum = tcp.calc_checksum_ipv4(&ip, &[]).unwrap();
    [link(tags, 0x0800), ip.to_bytes().to_vec(), tcp.to_bytes().to_vec()].concat()
}

fn frame_v6(tcp: &TcpHeader) -> Vec<u8> {
    let address = |last: u8| [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let ip = Ipv6Header {
        traffic_class: 0,
        flow_label: Ipv6FlowLabel::ZERO,
        payload_length: tcp.header_len() as u16,
        next_header: IpNumber::TCP,
        hop_limit: 64,
        source: address(2),
        destination: address(1),
    };
    let mut tcp = tcp.clone();
    tcp.checksum = tcp.calc_checksum_ipv6(&ip, &[]).unwrap();
    [link(&[], 0x86dd), ip.to_bytes().to_vec(), tcp.to_bytes().to_vec()].concat()
}

fn found(syn: &Packet, syn_ack: &[u8], context: &CookieContext) -> String {
    check(&syn.build(), syn_ack, context)
        .map(|syn_ack| format!("{syn_ack:?}"))
        .expect_err("nothing was found")
}

#[test]
fn correct_syn_ack_is_accepted() {
    let syn_ack = check(&syn(&LINUX).build(), &frame(&[], ip(), tcp(&SYN_ACK)), &kept()).unwrap();
    assert_eq!(syn_ack.timestamp(), Some(0xfa19));
    assert_eq!(syn_ack.options.len(), 4);
    let tagged = Packet::eth().vlan_tpid(0x88a8, 0x2007).vlan(9).ipv4("192.0.2.1", "198.51.100.1");
    let tagged = tagged.tcp(4000, 443).syn().tcp_options(&LINUX).build();
    check(&tagged, &frame(&TAGS, ip(), tcp(&SYN_ACK)), &kept()).unwrap();
    let v6 = Packet::eth().ipv6("2001:db8::1", "2001:db8::2").tcp(4000, 443).syn().build();
    check(&v6, &frame_v6(&tcp(&[2, 4, 5, 0x8c])), &kept()).unwrap();
    // Without options in the settings, the SYN-ACK has an MSS only, whatever the SYN offered; the frame may be padded
    // to 60 bytes.
    let mut bare = frame(&[], ip(), tcp(&[2, 4, 5, 0xa0]));
    check(&syn(&LINUX).build(), &bare, &context(SYN_COOKIE_ON)).unwrap();
    bare.extend([0; 2]);
    check(&syn(&[]).build(), &bare, &kept()).unwrap();
}

#[test]
fn every_flipped_bit_is_found() {
    let tagged = Packet::eth().vlan_tpid(0x88a8, 0x2007).vlan(9).ipv4("192.0.2.1", "198.51.100.1");
    let cases = [
        (syn(&LINUX).build(), frame(&[], ip(), tcp(&SYN_ACK)), 0..0),
        (tagged.tcp(4000, 443).syn().tcp_options(&LINUX).build(), frame(&TAGS, ip(), tcp(&SYN_ACK)), 0..0),
        (
            Packet::eth().ipv6("2001:db8::1", "2001:db8::2").tcp(4000, 443).syn().build(),
            frame_v6(&tcp(&[2, 4, 5, 0x8c])),
            // Traffic class and flow label, which no checksum protects and which may have any value; the class's ECN
            // bits are 4 and 5 of the second byte.
            14 * 8 + 4..18 * 8,
        ),
    ];
    for (syn, syn_ack, free) in cases {
        check(&syn, &syn_ack, &kept()).unwrap();
        for bit in 0..syn_ack.len() * 8 {
            let mut changed = syn_ack.clone();
            changed[bit / 8] ^= 0x80 >> (bit % 8);
            let marked = [15 * 8 + 2, 15 * 8 + 3].contains(&bit);
            let accepted = check(&syn, &changed, &kept()).is_ok();
            assert_eq!(accepted, free.contains(&bit) && !marked, "bit {bit} of {changed:02x?}");
        }
        for length in 0..syn_ack.len() {
            check(&syn, &syn_ack[..length], &kept()).expect_err("a frame cut short");
        }
    }
}

#[test]
fn wrong_header_with_right_checksums_is_found() {
    type Change = fn(&mut Ipv4Header, &mut TcpHeader);
    let changes: [(&str, Change); 16] = [
        ("destination", |ip, _| ip.destination[3] = 2),
        ("source", |ip, _| ip.source[3] = 2),
        ("hop limit 63", |ip, _| ip.time_to_live = 63),
        ("protocol 17", |ip, _| ip.protocol = IpNumber::UDP),
        ("flags and offset", |ip, _| ip.more_fragments = true),
        ("ECN field 2", |ip, _| ip.ecn = 2.try_into().unwrap()),
        ("IP header of 24", |ip, _| ip.options = [1; 4].into()),
        ("source port", |_, tcp| tcp.source_port = 4000),
        ("destination port", |_, tcp| tcp.destination_port = 443),
        ("acknowledges", |_, tcp| tcp.acknowledgment_number -= 1),
        ("flags 0x2,", |_, tcp| tcp.ack = false),
        ("flags 0x1a,", |_, tcp| tcp.psh = true),
        ("flags 0x52,", |_, tcp| tcp.ece = true),
        ("flags 0x112,", |_, tcp| tcp.ns = true),
        ("no window", |_, tcp| tcp.window_size = 0),
        ("urgent pointer 1", |_, tcp| tcp.urgent_pointer = 1),
    ];
    for (fault, change) in changes {
        let (mut ip, mut tcp) = (ip(), tcp(&SYN_ACK));
        change(&mut ip, &mut tcp);
        let found = found(&syn(&LINUX), &frame(&[], ip, tcp), &kept());
        assert!(found.contains(fault), "{fault}: {found}");
    }
    let tagged = found(&syn(&LINUX), &frame(&TAGS, ip(), tcp(&SYN_ACK)), &kept());
    assert!(tagged.starts_with("tags"), "{tagged}");
    let mut long = frame(&[], ip(), tcp(&SYN_ACK));
    long.push(0);
    assert!(found(&syn(&LINUX), &long, &kept()).contains("1 bytes after"));
    assert!(
        found(&syn(&LINUX), &frame(&[], ip(), tcp(&SYN_ACK)), &context(SYN_COOKIE_OPTIONS))
            .contains("no cookie was")
    );
}

#[test]
fn options_must_be_among_the_offered_ones() {
    let syn_ack = |options: &[u8]| frame(&[], ip(), tcp(options));
    let timestamp = |bits: u8| vec![2, 4, 5, 0xa0, 8, 10, 0, 0, 0xfa, bits, 1, 2, 3, 4];
    let offered = |more: &[u8]| syn(&[&[8, 10, 1, 2, 3, 4, 0, 0, 0, 0], more].concat());
    // "No scale" is fifteen; without a window scale in the SYN the SYN-ACK has none either.
    check(&offered(&[]).build(), &syn_ack(&timestamp(0x0f)), &kept()).unwrap();
    check(&offered(&[4, 2]).build(), &syn_ack(&[timestamp(0x1f).as_slice(), &[4, 2]].concat()), &kept())
        .unwrap();
    let scale = [timestamp(0x0e).as_slice(), &[3, 3, 7]].concat();
    check(&offered(&[3, 3, 14]).build(), &syn_ack(&scale), &kept()).unwrap();
    check(&offered(&[3, 3, 15]).build(), &syn_ack(&scale), &kept()).unwrap();
    for (what, options) in [
        ("options", [timestamp(0x0f).as_slice(), &[4, 2]].concat()),
        ("options", [timestamp(0x0f).as_slice(), &[3, 3, 7]].concat()),
        ("bits", timestamp(0x0e)),
        ("bits", timestamp(0x1f)),
        ("bits", timestamp(0x2f)),
        ("no timestamp", vec![2, 4, 5, 0xa0]),
        ("options", timestamp(0x0f)[4..].to_vec()),
        ("options", [&[2, 4, 5, 0xa1], &timestamp(0x0f)[4..]].concat()),
        ("options", [&timestamp(0x0f)[..13], &[5]].concat()),
        ("twice", [timestamp(0x0f).as_slice(), &[2, 4, 5, 0xa0]].concat()),
        ("too long", [timestamp(0x0f).as_slice(), &[4, 9]].concat()),
        ("without length", [timestamp(0x0f).as_slice(), &[1, 4]].concat()),
        ("after the end", [timestamp(0x0f).as_slice(), &[0, 1]].concat()),
        ("option [22", [timestamp(0x0f).as_slice(), &[34, 2]].concat()),
    ] {
        let found = found(&offered(&[]), &syn_ack(&options), &kept());
        assert!(found.contains(what), "{what}: {found}");
    }
    // Options that the settings do not allow, and options that the SYN did not offer.
    found(&syn(&LINUX), &syn_ack(&SYN_ACK), &context(SYN_COOKIE_ON));
    found(&syn(&LINUX[..8]), &syn_ack(&SYN_ACK), &kept());
}

#[test]
fn ecn_needs_flags_timestamp_and_unmarked_syn() {
    let syn_ack = |bits: u8, ece: bool| {
        let mut tcp = tcp(&[&SYN_ACK[..11], &[bits], &SYN_ACK[12..]].concat());
        tcp.ece = ece;
        frame(&[], ip(), tcp)
    };
    let (agreed, refused) = (syn_ack(0x39, true), syn_ack(0x19, false));
    let no_ecn = context(SYN_COOKIE_ON | SYN_COOKIE_OPTIONS);
    let marked = syn(&LINUX).ecn().patch(15, &[1]);
    for (syn, context, agrees) in [
        (syn(&LINUX).ecn(), kept(), true),
        (syn(&LINUX), kept(), false),
        (syn(&LINUX).flags(flags::SYN | flags::ECE), kept(), false),
        (syn(&LINUX).ecn(), no_ecn, false),
        (marked, kept(), false),
    ] {
        // The timestamp with these bits is the one of 0x39 - 0x40: 64 ms before.
        let (right, wrong) = if agrees { (&agreed, &refused) } else { (&refused, &agreed) };
        let late = CookieContext { latest_ms: NOW_MS + 40, ..context };
        check(&syn.build(), right, &late).unwrap();
        found(&syn, wrong, &late);
    }
}

#[test]
fn timestamp_is_the_latest_possible_one() {
    let at = |ms: u64| CookieContext { earliest_ms: ms, latest_ms: ms, ..kept() };
    let (syn_ack, syn) = (frame(&[], ip(), tcp(&SYN_ACK)), syn(&LINUX).build());
    // 0xfa19 = 64 025: not yet at 64 024, and the next one is 64 later.
    for (ms, right) in
        [(64_024, false), (64_025, true), (64_088, true), (64_089, false), (64_025 - 64, false)]
    {
        assert_eq!(check(&syn, &syn_ack, &at(ms)).is_ok(), right, "{ms}");
    }
    // The value is cut to 32 bits, and may have wrapped between the two readings.
    check(&syn, &syn_ack, &at((1 << 32) + 64_037)).unwrap();
    let wide = CookieContext { earliest_ms: (1 << 32) - 10, latest_ms: (1 << 32) + 64_037, ..kept() };
    check(&syn, &syn_ack, &wide).unwrap();
}

#[test]
fn syn_options_are_read_as_the_kernel_does() {
    let linux = SynOptions::of(&LINUX);
    let whole = SynOptions {
        mss: Some(1460),
        scale: Some(9),
        sack: true,
        timestamp: Some(0x0102_0304),
        ..SynOptions::default()
    };
    assert_eq!(linux, whole);
    let none = SynOptions::default();
    for (bytes, offered) in [
        (&[][..], none),
        (&[1; 40], none),
        (&[0, 4, 2, 0], none),
        (&[3, 3, 2, 3, 3, 200], SynOptions { scale: Some(14), ..none }),
        (&[2, 4, 0, 0, 2, 4, 2, 0], SynOptions { mss: Some(512), ..none }),
        (&[3, 4, 1, 1, 4, 2], SynOptions { sack: true, ..none }),
        (&[4, 3, 0, 1], none),
        (&[4, 2, 3, 9], SynOptions { sack: true, broken: true, ..none }),
        (&[4, 2, 3, 0, 3, 3, 1], SynOptions { sack: true, broken: true, ..none }),
        (&[4, 2, 1, 8], SynOptions { sack: true, broken: true, ..none }),
        (&[254, 1, 4, 2], SynOptions { broken: true, ..none }),
        (&[19, 2, 29, 1], SynOptions { signed: true, broken: true, ..none }),
        // A request for a TFO cookie.
        (&[34, 2, 4, 2], SynOptions { sack: true, ..none }),
    ] {
        assert_eq!(SynOptions::of(bytes), offered, "{bytes:02x?}");
    }
}

#[test]
fn options_are_counted() {
    for (bytes, items) in [
        (&[][..], 0),
        (&[1; 40], 40),
        (&[0; 4], 1),
        (&[1, 1, 0, 1], 3),
        (&LINUX, 5),
        (&[2, 4, 5, 0xb4, 0, 0, 0, 0], 2),
        (&[4, 2, 1, 9], 3),
    ] {
        assert_eq!(SynOptions::items(bytes), items, "{bytes:02x?}");
    }
}

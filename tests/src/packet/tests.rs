//! The builder against etherparse, which reads the bytes back.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::*;

fn sliced(frame: &[u8]) -> SlicedPacket<'_> {
    SlicedPacket::from_ethernet(frame).unwrap()
}

#[test]
fn ipv4_with_all_trimmings_is_valid() {
    let frame = Packet::eth()
        .vlan(7)
        .vlan_tpid(0x88a8, 3)
        .ipv4("192.0.2.1", "198.51.100.1")
        .ip_options(&[7, 3, 4])
        .tcp(1234, 443)
        .syn()
        .ecn()
        .tcp_options(&[2, 4, 5, 0xb4, 4, 2])
        .payload(b"early")
        .build();
    let packet = sliced(&frame);
    let ids: Vec<u16> = packet.vlan_ids().iter().map(|id| id.value()).collect();
    assert_eq!(ids, [7, 3]);
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { panic!("no IPv4: {packet:?}") };
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    assert_eq!(header.options.as_slice(), [7, 3, 4, 0]);
    assert_eq!(ip.header().source_addr().to_string(), "192.0.2.1");
    assert_eq!(usize::from(header.total_len), frame.len() - 14 - 2 * 4);
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { panic!("no TCP: {packet:?}") };
    assert_eq!(tcp.checksum(), tcp.calc_checksum_ipv4(header.source, header.destination).unwrap());
    assert_eq!((tcp.destination_port(), tcp.data_offset(), tcp.payload()), (443, 7, &b"early"[..]));
    assert!(tcp.syn() && tcp.ece() && tcp.cwr() && !tcp.ack() && !tcp.fin() && !tcp.rst());
}

#[test]
fn ipv6_with_extension_headers_is_valid() {
    let frame = Packet::eth()
        .ipv6("2001:db8::1", "2001:db8::2")
        .hop_by_hop()
        .ext(protocol::DESTINATION, 40)
        .routing()
        .ipv6_fragment(0, false)
        .auth_header()
        .tcp(1, 80)
        .ack()
        .payload(b"odd")
        .build();
    let packet = sliced(&frame);
    let Some(NetSlice::Ipv6(ip)) = &packet.net else { panic!("no IPv6: {packet:?}") };
    assert_eq!(usize::from(ip.header().payload_length()), frame.len() - 54);
    assert_eq!(ip.extensions().clone().into_iter().count(), 5);
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { panic!("no TCP: {packet:?}") };
    assert_eq!(
        tcp.checksum(),
        tcp.calc_checksum_ipv6(ip.header().source(), ip.header().destination()).unwrap()
    );
    assert!(tcp.ack() && !tcp.syn());
    assert_eq!(tcp.payload(), b"odd");
}

#[test]
fn checksums_of_udp_and_icmp_are_valid() {
    let frame = Packet::eth().ipv4("192.0.2.1", "192.0.2.2").udp(53, 5353).payload(b"abc").build();
    let Some(TransportSlice::Udp(udp)) = sliced(&frame).transport else { panic!("no UDP") };
    let calculated =
        udp.to_header().calc_checksum_ipv4_raw([192, 0, 2, 1], [192, 0, 2, 2], udp.payload()).unwrap();
    assert_eq!(udp.checksum(), calculated);

    let frame = Packet::eth().ipv4("192.0.2.1", "192.0.2.2").icmp().payload(b"abc").build();
    let Some(TransportSlice::Icmpv4(icmp)) = sliced(&frame).transport else { panic!("no ICMP") };
    assert_eq!(icmp.checksum(), icmp.header().icmp_type.calc_checksum(icmp.payload()));

    let frame = Packet::eth().ipv6("2001:db8::1", "2001:db8::2").icmpv6().payload(b"abc").build();
    let packet = sliced(&frame);
    let (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Icmpv6(icmp))) = (&packet.net, &packet.transport)
    else {
        panic!("no ICMPv6: {packet:?}")
    };
    assert!(icmp.is_checksum_valid(ip.header().source(), ip.header().destination()));
}

#[test]
fn fragments_patches_and_cuts_are_where_they_were_put() {
    let packet = Packet::eth().ipv4("192.0.2.1", "192.0.2.2").fragment(185, true).tcp(1, 2);
    let frame = packet.build();
    assert_eq!(frame[20..22], (1_480 / 8 + 0x2000_u16).to_be_bytes());
    let cut = packet.patch(0, &[0xff; 2]).truncate(20).build();
    assert_eq!(cut[..2], [0xff; 2]);
    assert_eq!(cut[2..], frame[2..20]);
    let frame = Packet::eth().ipv6("::1", "::2").ipv6_fragment(3, true).payload(b"x").build();
    assert_eq!((frame[20], &frame[54..58]), (44, &[253, 0, 0, 25][..]));
}

#[test]
fn the_decisive_bytes_are_the_types_and_flags() {
    let packet = Packet::eth().vlan(1).ipv6("::7:0:0:0:9", "::2").dest_opts().tcp(0x1111, 0x2222).syn();
    let frame = packet.build();
    let bytes: Vec<u8> = packet.decisive_offsets().into_iter().map(|offset| frame[offset]).collect();
    assert_eq!(bytes, [0x81, 0, 0x86, 0xdd, 0x60, 60, 7, 9, 6, 0, 1, 4, 0x22, 0x22, 0x50, 2]);
}

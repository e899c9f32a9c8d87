//! SYNs that are not answered because of what they are: they pass to the kernel as they came. Each has a neighbour that
//! is answered.

use synguard_common::{
    abi::{Config, FLAG_DROP_BAD_FLAGS},
    reason::Reason,
};
use synguard_tests::packet::Packet;

use crate::stand::{FAMILIES, FROM, Family, LINUX, PORT, Stand, V4_TO, V6_TO};

#[test]
fn options_that_cannot_be_read_are_the_kernels_business() {
    let odd: [(&str, &[u8]); 14] = [
        ("a kind without length", &[4, 2, 1, 2]),
        ("a kind without length at the end of all", &[[1; 39].as_slice(), &[8]].concat()),
        ("length zero", &[4, 2, 3, 0]),
        ("length zero, and more", &[8, 0, 4, 2, 1, 3, 3, 7]),
        ("length one", &[254, 1, 4, 2]),
        ("an MSS that ends outside", &[4, 2, 2, 4]),
        ("a timestamp that ends outside", &[1, 1, 1, 8, 10, 1, 2, 3]),
        ("a timestamp cut by one byte", &[1, 1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0]),
        ("255 bytes", &[5, 255, 1, 1]),
        ("good ones before it", &[LINUX.as_slice(), &[253, 5, 0, 0]].concat()),
        ("more options than are read", &[1; 24]),
        ("40 no-operations", &[1; 40]),
        ("an MD5 signature", &[[19, 18].as_slice(), &[7; 16]].concat()),
        ("an authentication option", &[[29, 16, 1, 2].as_slice(), &[7; 12]].concat()),
    ];
    let even: [(&str, &[u8]); 8] = [
        ("a kind and its length", &[4, 2, 1, 1]),
        ("a kind without length behind the end", &[4, 2, 0, 2]),
        ("length two", &[254, 2, 4, 2]),
        ("length zero behind the end", &[4, 2, 0, 3, 0, 0, 0, 0]),
        ("an MSS that ends with the header", &[2, 4, 5, 0xb4]),
        ("a timestamp that ends with the header", &[1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0]),
        ("40 bytes", &[[253, 40].as_slice(), &[8; 38]].concat()),
        ("good ones around it", &[LINUX.as_slice(), &[253, 4, 0, 0]].concat()),
    ];
    Stand::check("odd options", |stand| {
        for family in FAMILIES {
            for (name, options) in odd {
                let syn = stand.syn(family, options);
                stand.row(&format!("{name}, {family:?}"), &syn, Reason::SynUnsupported);
            }
            for (name, options) in even {
                let syn = stand.syn(family, options);
                stand.answered(&format!("{name}, {family:?}"), &syn);
            }
        }
    });
}

#[test]
fn a_syn_that_ends_a_connection_as_well_is_not_answered() {
    Stand::check("SYN and FIN", |stand| {
        for family in FAMILIES {
            let syn = stand.syn(family, &LINUX).fin();
            stand.row(&format!("SYN and FIN, {family:?}"), &syn, Reason::SynUnsupported);
        }
        let strict = Config { flags: stand.config.flags | FLAG_DROP_BAD_FLAGS, ..stand.config };
        stand.set_config(strict);
        for family in FAMILIES {
            let syn = stand.syn(family, &LINUX).fin();
            stand.row(&format!("dropped, {family:?}"), &syn, Reason::BadFlags);
            let plain = stand.syn(family, &LINUX);
            stand.answered(&format!("its neighbour, {family:?}"), &plain);
        }
    });
}

#[test]
fn fragments_and_what_hides_a_syn_are_not_answered() {
    Stand::check("fragments", |stand| {
        let fragment = stand.client_under(Packet::eth(), Family::V4).fragment(0, true);
        stand.row(
            "first fragment",
            &fragment.tcp(FROM, PORT).syn().tcp_options(&LINUX),
            Reason::SynUnsupported,
        );
        let tiny = stand.client_under(Packet::eth(), Family::V4).fragment(0, true);
        stand.row("tiny fragment", &tiny.protocol(6).payload(&[0; 8]), Reason::SynUnsupported);
        let later = stand.client_under(Packet::eth(), Family::V4).fragment(3, false);
        stand.row("later fragment", &later.tcp(FROM, PORT).syn(), Reason::Fragment);
        let first = stand.client_under(Packet::eth(), Family::V6).ipv6_fragment(0, true);
        stand.row(
            "first fragment, V6",
            &first.tcp(FROM, PORT).syn().tcp_options(&LINUX),
            Reason::SynUnsupported,
        );
        let whole = stand.client_under(Packet::eth(), Family::V6).ipv6_fragment(0, false);
        stand.row(
            "only fragment, V6",
            &whole.tcp(FROM, PORT).syn().tcp_options(&LINUX),
            Reason::SynUnsupported,
        );
        let many = (0..9).fold(stand.client_under(Packet::eth(), Family::V6), |packet, _| packet.dest_opts());
        stand.row("nine extension headers", &many.tcp(FROM, PORT).syn(), Reason::SynUnsupported);
        for family in FAMILIES {
            let syn = stand.syn(family, &LINUX);
            stand.answered(&format!("whole, {family:?}"), &syn);
        }
    });
}

#[test]
fn what_stands_between_ip_and_tcp_is_left_to_the_kernel() {
    Stand::check("IP options and extension headers", |stand| {
        let v4 = stand.client_under(Packet::eth(), Family::V4);
        let v6 = stand.client_under(Packet::eth().vlan(3), Family::V6);
        for (name, packet) in [
            ("record route", v4.clone().ip_options(&[7, 3, 4])),
            ("40 bytes of options", v4.clone().ip_options(&[1; 40])),
            ("hop-by-hop options", v6.clone().hop_by_hop()),
            ("destination options", v6.clone().dest_opts()),
            ("routing header", v6.clone().routing()),
            ("authentication header", v6.clone().auth_header()),
            ("eight headers", (0..8).fold(v6.clone(), |packet, _| packet.dest_opts())),
        ] {
            let syn = packet.tcp(FROM, PORT).syn().tcp_options(&LINUX);
            stand.row(name, &syn, Reason::SynUnsupported);
        }
        stand.answered("neither, V4", &v4.tcp(FROM, PORT).syn().tcp_options(&LINUX));
        stand.answered("neither, V6", &v6.tcp(FROM, PORT).syn().tcp_options(&LINUX));
    });
}

#[test]
fn syns_from_or_to_addresses_that_cannot_talk_are_not_answered() {
    Stand::check("addresses", |stand| {
        let v4 =
            |from: &str, to: &str| Packet::eth().ipv4(from, to).tcp(FROM, PORT).syn().tcp_options(&LINUX);
        let v6 =
            |from: &str, to: &str| Packet::eth().ipv6(from, to).tcp(FROM, PORT).syn().tcp_options(&LINUX);
        for from in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.1.2.3", "255.255.255.255", V4_TO] {
            stand.row(&format!("from {from}"), &v4(from, V4_TO), Reason::SynUnsupported);
        }
        for to in ["224.0.0.1", "255.255.255.255"] {
            stand.row(&format!("to {to}"), &v4("192.0.2.1", to), Reason::SynUnsupported);
        }
        // Of link-local addresses there may be the same ones on every device.
        for from in ["::", "::1", "::ffff:192.0.2.1", "ff02::1", "ff0e::1:2", "fe80::1", "febf::1", V6_TO] {
            stand.row(&format!("from {from}"), &v6(from, V6_TO), Reason::SynUnsupported);
        }
        stand.row("to ff02::1", &v6("2001:db8::1", "ff02::1"), Reason::SynUnsupported);
        for family in FAMILIES {
            // Broadcast, multicast; and from such an address.
            for (at, what) in [(0, "to"), (6, "from")] {
                let syn = stand.syn(family, &LINUX).patch(at, &[0xff; 6]);
                stand.row(&format!("{what} everybody's MAC, {family:?}"), &syn, Reason::SynUnsupported);
                let syn = stand.syn(family, &LINUX).patch(at, &[0x01, 0, 0x5e, 0, 0, 1]);
                stand.row(&format!("{what} a group's MAC, {family:?}"), &syn, Reason::SynUnsupported);
            }
        }
        stand.answered("from 1.0.0.1", &v4("1.0.0.1", V4_TO));
        stand.answered("from 223.255.255.254", &v4("223.255.255.254", V4_TO));
        stand.answered("from 2000::", &v6("2000::", V6_TO));
        stand.answered("from fec0::1", &v6("fec0::1", V6_TO));
    });
}

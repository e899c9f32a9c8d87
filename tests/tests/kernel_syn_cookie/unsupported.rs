//! SYNs that get no cookie because of their shape: they pass to the kernel unchanged. Each has a neighbour that gets
//! a cookie.

use synguard_common::{
    abi::{Config, FLAG_DROP_BAD_FLAGS},
    reason::Reason,
};
use synguard_tests::packet::Packet;

use crate::testbed::{FAMILIES, FROM, Family, LINUX, PORT, Testbed, V4_TO, V6_TO};

#[test]
fn unreadable_options_pass_to_the_kernel() {
    let unsupported: [(&str, &[u8]); 14] = [
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
    let supported: [(&str, &[u8]); 8] = [
        ("a kind and its length", &[4, 2, 1, 1]),
        ("a kind without length behind the end", &[4, 2, 0, 2]),
        ("length two", &[254, 2, 4, 2]),
        ("length zero behind the end", &[4, 2, 0, 3, 0, 0, 0, 0]),
        ("an MSS that ends with the header", &[2, 4, 5, 0xb4]),
        ("a timestamp that ends with the header", &[1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0]),
        ("40 bytes", &[[253, 40].as_slice(), &[8; 38]].concat()),
        ("good ones around it", &[LINUX.as_slice(), &[253, 4, 0, 0]].concat()),
    ];
    Testbed::check("unsupported options", |testbed| {
        for family in FAMILIES {
            for (name, options) in unsupported {
                let syn = testbed.syn(family, options);
                testbed.row(&format!("{name}, {family:?}"), &syn, Reason::SynUnsupported);
            }
            for (name, options) in supported {
                let syn = testbed.syn(family, options);
                testbed.cookie_row(&format!("{name}, {family:?}"), &syn);
            }
        }
    });
}

#[test]
fn syn_with_fin_gets_no_cookie() {
    Testbed::check("SYN and FIN", |testbed| {
        for family in FAMILIES {
            let syn = testbed.syn(family, &LINUX).fin();
            testbed.row(&format!("SYN and FIN, {family:?}"), &syn, Reason::SynUnsupported);
        }
        let strict = Config { flags: testbed.config.flags | FLAG_DROP_BAD_FLAGS, ..testbed.config };
        testbed.set_config(strict);
        for family in FAMILIES {
            let syn = testbed.syn(family, &LINUX).fin();
            testbed.row(&format!("dropped, {family:?}"), &syn, Reason::BadFlags);
            let plain = testbed.syn(family, &LINUX);
            testbed.cookie_row(&format!("its neighbour, {family:?}"), &plain);
        }
    });
}

#[test]
fn fragments_and_possible_syns_get_no_cookie() {
    Testbed::check("fragments", |testbed| {
        let fragment = testbed.client_under(Packet::eth(), Family::V4).fragment(0, true);
        testbed.row(
            "first fragment",
            &fragment.tcp(FROM, PORT).syn().tcp_options(&LINUX),
            Reason::SynUnsupported,
        );
        let tiny = testbed.client_under(Packet::eth(), Family::V4).fragment(0, true);
        testbed.row("tiny fragment", &tiny.protocol(6).payload(&[0; 8]), Reason::SynUnsupported);
        let later = testbed.client_under(Packet::eth(), Family::V4).fragment(3, false);
        testbed.row("later fragment", &later.tcp(FROM, PORT).syn(), Reason::Fragment);
        let first = testbed.client_under(Packet::eth(), Family::V6).ipv6_fragment(0, true);
        testbed.row(
            "first fragment, V6",
            &first.tcp(FROM, PORT).syn().tcp_options(&LINUX),
            Reason::SynUnsupported,
        );
        let whole = testbed.client_under(Packet::eth(), Family::V6).ipv6_fragment(0, false);
        testbed.row(
            "only fragment, V6",
            &whole.tcp(FROM, PORT).syn().tcp_options(&LINUX),
            Reason::SynUnsupported,
        );
        let many =
            (0..9).fold(testbed.client_under(Packet::eth(), Family::V6), |packet, _| packet.dest_opts());
        testbed.row("nine extension headers", &many.tcp(FROM, PORT).syn(), Reason::SynUnsupported);
        for family in FAMILIES {
            let syn = testbed.syn(family, &LINUX);
            testbed.cookie_row(&format!("whole, {family:?}"), &syn);
        }
    });
}

#[test]
fn ip_options_and_extension_headers_pass() {
    Testbed::check("IP options and extension headers", |testbed| {
        let v4 = testbed.client_under(Packet::eth(), Family::V4);
        let v6 = testbed.client_under(Packet::eth().vlan(3), Family::V6);
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
            testbed.row(name, &syn, Reason::SynUnsupported);
        }
        testbed.cookie_row("neither, V4", &v4.tcp(FROM, PORT).syn().tcp_options(&LINUX));
        testbed.cookie_row("neither, V6", &v6.tcp(FROM, PORT).syn().tcp_options(&LINUX));
    });
}

#[test]
fn unusable_addresses_get_no_cookie() {
    Testbed::check("addresses", |testbed| {
        let v4 =
            |from: &str, to: &str| Packet::eth().ipv4(from, to).tcp(FROM, PORT).syn().tcp_options(&LINUX);
        let v6 =
            |from: &str, to: &str| Packet::eth().ipv6(from, to).tcp(FROM, PORT).syn().tcp_options(&LINUX);
        for from in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.1.2.3", "255.255.255.255", V4_TO] {
            testbed.row(&format!("from {from}"), &v4(from, V4_TO), Reason::SynUnsupported);
        }
        for to in ["224.0.0.1", "255.255.255.255"] {
            testbed.row(&format!("to {to}"), &v4("192.0.2.1", to), Reason::SynUnsupported);
        }
        // The same link-local address may exist on every device.
        for from in ["::", "::1", "::ffff:192.0.2.1", "ff02::1", "ff0e::1:2", "fe80::1", "febf::1", V6_TO] {
            testbed.row(&format!("from {from}"), &v6(from, V6_TO), Reason::SynUnsupported);
        }
        testbed.row("to ff02::1", &v6("2001:db8::1", "ff02::1"), Reason::SynUnsupported);
        for family in FAMILIES {
            // Broadcast, multicast; and from such an address.
            for (at, what) in [(0, "to"), (6, "from")] {
                let syn = testbed.syn(family, &LINUX).patch(at, &[0xff; 6]);
                testbed.row(&format!("{what} everybody's MAC, {family:?}"), &syn, Reason::SynUnsupported);
                let syn = testbed.syn(family, &LINUX).patch(at, &[0x01, 0, 0x5e, 0, 0, 1]);
                testbed.row(&format!("{what} a group's MAC, {family:?}"), &syn, Reason::SynUnsupported);
            }
        }
        testbed.cookie_row("from 1.0.0.1", &v4("1.0.0.1", V4_TO));
        testbed.cookie_row("from 223.255.255.254", &v4("223.255.255.254", V4_TO));
        testbed.cookie_row("from 2000::", &v6("2000::", V6_TO));
        testbed.cookie_row("from fec0::1", &v6("fec0::1", V6_TO));
    });
}

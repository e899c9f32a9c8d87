//! Options of connections whose SYN-ACK the program sent: the same as with the kernel's SYN-ACK if the client offers
//! timestamps, and none if it does not.

use std::{net::TcpListener, os::fd::AsRawFd};

use synguard_common::{
    reason::Reason,
    syn_cookie::config::{SYN_COOKIE_ECN, SYN_COOKIE_ON, SYN_COOKIE_OPTIONS, SynCookieConfig},
};
use synguard_tests::{lab::Family, tcp_info::Negotiated};

use crate::testbed::{FAMILIES, PORT, Testbed, accepted, negotiated, talk};

/// Connects, exchanges data both ways, and returns the negotiated options; with a cookie of the program, or without.
fn visit(
    testbed: &mut Testbed,
    listener: &TcpListener,
    family: Family,
    visitor: u16,
    with_cookie: bool,
) -> Negotiated {
    let on = testbed.cookies;
    if with_cookie {
        testbed.verify(PORT, &[]);
    } else {
        testbed.set(SynCookieConfig::default());
    }
    let (cookies, sent) =
        (testbed.count(Reason::SynCookieSent), testbed.lab.tcp_ext("SyncookiesSent").unwrap());
    let received = testbed.lab.tcp_ext("SyncookiesRecv").unwrap();
    let (mut client, mut server) = testbed.connected(listener, family.visitor(visitor));
    talk(&mut client, &mut server);
    assert_eq!(testbed.count(Reason::SynCookieSent) - cookies, u64::from(with_cookie));
    if with_cookie {
        assert_eq!(testbed.lab.tcp_ext("SyncookiesSent").unwrap(), sent, "the kernel sent a cookie");
        assert_eq!(testbed.lab.tcp_ext("SyncookiesRecv").unwrap(), received + 1);
    }
    testbed.set(on);
    negotiated(&client, &server)
}

/// Returns the options that the kernel negotiates by itself, without cookies.
fn usual(testbed: &mut Testbed, listener: &TcpListener, family: Family, visitor: u16) -> Negotiated {
    testbed.lab.set_syncookies(1).unwrap();
    let usual = visit(testbed, listener, family, visitor, false);
    testbed.lab.set_syncookies(2).unwrap();
    usual
}

const NOTHING: Negotiated = Negotiated { timestamps: false, sack: false, scales: None, ecn: false };

#[test]
fn options_match_those_of_the_kernel() {
    let mut testbed = Testbed::new();
    let listener = testbed.listen();
    for family in FAMILIES {
        let usual = usual(&mut testbed, &listener, family, 1);
        assert!(usual.timestamps && usual.sack && usual.scales.is_some_and(|(a, b)| a > 0 && b > 0));
        let with_cookie = visit(&mut testbed, &listener, family, 2, true);
        println!("{family:?}: {with_cookie:?}");
        assert_eq!(with_cookie, usual, "{family:?}");
    }
}

#[test]
fn client_gets_no_more_options_than_it_offers() {
    let mut testbed = Testbed::new();
    let listener = testbed.listen();
    let changes = [
        ("net.ipv4.tcp_timestamps", "0"),
        ("net.ipv4.tcp_sack", "0"),
        ("net.ipv4.tcp_window_scaling", "0"),
        ("net.ipv4.tcp_ecn", "1"),
    ];
    for (key, value) in changes {
        let before = testbed.lab.client.sysctl(key).unwrap();
        testbed.lab.client.set_sysctl(key, value).unwrap();
        for family in FAMILIES {
            let usual = usual(&mut testbed, &listener, family, 3);
            let with_cookie = visit(&mut testbed, &listener, family, 4, true);
            println!("{key}={value}, {family:?}: {with_cookie:?}, usually {usual:?}");
            // Without a timestamp, the kernel has no place to keep the other options.
            let expected = if usual.timestamps { usual } else { NOTHING };
            assert_eq!(with_cookie, expected, "{key}={value}, {family:?}");
            assert_eq!(usual.ecn, key.ends_with("ecn"), "{key}={value}, {family:?}");
        }
        testbed.lab.client.set_sysctl(key, &before).unwrap();
    }
}

#[test]
fn connections_work_without_options() {
    let mut testbed = Testbed::new();
    let listener = testbed.listen();
    testbed.set(SynCookieConfig { flags: SYN_COOKIE_ON | SYN_COOKIE_ECN, ..testbed.cookies });
    // The values before the controller raises them.
    testbed.lab.server.set_sysctl("net.ipv4.tcp_timestamps", "1").unwrap();
    for family in FAMILIES {
        assert_eq!(visit(&mut testbed, &listener, family, 5, true), NOTHING, "{family:?}");
    }
}

#[test]
fn server_without_ecn_does_not_negotiate_it() {
    let mut testbed = Testbed::new();
    let listener = testbed.listen();
    testbed.lab.server.set_sysctl("net.ipv4.tcp_ecn", "0").unwrap();
    testbed.lab.client.set_sysctl("net.ipv4.tcp_ecn", "1").unwrap();
    testbed.set(SynCookieConfig { flags: SYN_COOKIE_ON | SYN_COOKIE_OPTIONS, ..testbed.cookies });
    for family in FAMILIES {
        let with_cookie = visit(&mut testbed, &listener, family, 6, true);
        assert!(!with_cookie.ecn && with_cookie.sack, "{with_cookie:?}");
    }
}

#[test]
fn fast_open_clients_connect_without_it() {
    let mut testbed = Testbed::new();
    testbed.lab.client.set_sysctl("net.ipv4.tcp_fastopen", "1").unwrap();
    testbed.lab.server.set_sysctl("net.ipv4.tcp_fastopen", "3").unwrap();
    for family in FAMILIES {
        let listener = testbed.listen();
        let queue: libc::c_int = 16;
        set(&listener, libc::TCP_FASTOPEN, queue);
        // Without XDP cookies, the first connection gets a TFO cookie, which the next one uses.
        let on = testbed.cookies;
        testbed.set(SynCookieConfig::default());
        testbed.lab.set_syncookies(1).unwrap();
        fast_open(&testbed, &listener, family);
        let opened = testbed.lab.tcp_ext("TCPFastOpenPassive").unwrap();
        fast_open(&testbed, &listener, family);
        assert_eq!(
            testbed.lab.tcp_ext("TCPFastOpenPassive").unwrap(),
            opened + 1,
            "the test opens nothing fast"
        );
        testbed.lab.set_syncookies(2).unwrap();
        testbed.set(on);
        testbed.verify(PORT, &[]);
        let with_cookie = testbed.count(Reason::SynCookieSent);
        // With a TFO cookie and data; the data has to be sent again.
        fast_open(&testbed, &listener, family);
        assert_eq!(testbed.count(Reason::SynCookieSent), with_cookie + 1);
        assert_eq!(testbed.lab.tcp_ext("TCPFastOpenPassive").unwrap(), opened + 1);
        // From an address without a TFO cookie, so that the client asks for one.
        fast_open_from(&testbed, &listener, family, 40);
        assert_eq!(testbed.count(Reason::SynCookieSent), with_cookie + 2);
    }
}

fn fast_open(testbed: &Testbed, listener: &TcpListener, family: Family) {
    fast_open_from(testbed, listener, family, 39);
}

/// Opens a connection whose first data goes with its SYN, if the client may do so.
fn fast_open_from(testbed: &Testbed, listener: &TcpListener, family: Family, visitor: u16) {
    let from = std::net::SocketAddr::new(family.visitor(visitor), 0);
    let to = std::net::SocketAddr::new(family.server(), PORT);
    let opening = || synguard_tests::client::connect_fast(from, to, b"early");
    let mut client = testbed.lab.client.run(opening).unwrap().unwrap();
    let (mut server, _) = accepted(listener);
    server.set_read_timeout(Some(crate::testbed::PATIENCE)).unwrap();
    client.set_read_timeout(Some(crate::testbed::PATIENCE)).unwrap();
    let mut early = [0; 5];
    std::io::Read::read_exact(&mut server, &mut early).unwrap();
    assert_eq!(&early, b"early");
    talk(&mut client, &mut server);
}

fn set(socket: &impl AsRawFd, option: libc::c_int, value: libc::c_int) {
    set_at(socket, libc::IPPROTO_TCP, option, value);
}

fn set_at(socket: &impl AsRawFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) {
    let (at, len) = ((&raw const value).cast(), size_of_val(&value) as u32);
    // SAFETY: pointer and length describe the value.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, at, len) };
    assert_eq!(result, 0);
}

#[test]
fn listener_with_small_buffer_announces_its_own_scale() {
    let mut testbed = Testbed::new();
    for family in FAMILIES {
        let listener = testbed.listen();
        let before = usual(&mut testbed, &listener, family, 7);
        set_at(&listener, libc::SOL_SOCKET, libc::SO_RCVBUF, 32 << 10);
        let small = usual(&mut testbed, &listener, family, 7);
        assert!(small.scales < before.scales, "the buffer changes nothing: {small:?}");
        let with_cookie = visit(&mut testbed, &listener, family, 8, true);
        println!("{family:?}: {with_cookie:?}, usually {small:?}");
        assert_eq!(with_cookie, small, "{family:?}");
    }
}

//! Listeners: the program sends a cookie only while a socket listens, and not where the kernel would take another
//! path.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::Duration,
};

use synguard_common::{reason::Reason, syn_cookie::config::SynCookieConfig};
use synguard_tests::{client::connect, packet::Packet};

use crate::testbed::{
    CLOSED, FAMILIES, FROM, Family, LINUX, PORT, Testbed, V4_OTHER, V4_TO, V6_OTHER, V6_TO,
};

/// A listener that takes IPv6 only.
fn v6_only(port: u16) -> TcpListener {
    // SAFETY: the call has no precondition.
    let fd = unsafe { libc::socket(libc::AF_INET6, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0);
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let on: libc::c_int = 1;
    let (on_at, on_len) = ((&raw const on).cast(), size_of_val(&on) as u32);
    // SAFETY: pointer and size describe `on`.
    let set =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, on_at, on_len) };
    assert_eq!(set, 0);
    let address = libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as u16,
        sin6_port: port.to_be(),
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: Ipv6Addr::UNSPECIFIED.octets() },
        sin6_scope_id: 0,
    };
    // SAFETY: pointer and size describe an address of the socket's family.
    let bound =
        unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as u32) };
    assert_eq!(bound, 0);
    // SAFETY: the call has no precondition.
    assert_eq!(unsafe { libc::listen(socket.as_raw_fd(), 128) }, 0);
    TcpListener::from(socket)
}

fn to(family: Family, address: &str, port: u16, last: u8) -> Packet {
    let packet = match family {
        Family::V4 => Packet::eth().ipv4(format!("192.0.2.{last}"), address),
        Family::V6 => Packet::eth().ipv6(format!("2001:db8::{last}"), address),
    };
    packet.tcp(FROM, port).syn().tcp_options(&LINUX)
}

#[test]
fn cookie_needs_a_listener_at_address_and_port() {
    Testbed::check("addresses of listeners", |testbed| {
        let _v4 = TcpListener::bind((V4_TO, 1000)).unwrap();
        let _v6 = TcpListener::bind((V6_TO, 1001)).unwrap();
        let _any_v4 = TcpListener::bind("0.0.0.0:1002").unwrap();
        let _any_v6 = v6_only(1003);
        // Twice, because the first SYN puts the listener into the cache.
        for last in [1, 2] {
            let rows = [
                (1000, [true, false, false, false]),
                (1001, [false, false, true, false]),
                (1002, [true, true, false, false]),
                (1003, [false, false, true, true]),
                (PORT, [true; 4]),
                (CLOSED, [false; 4]),
            ];
            let places =
                [(Family::V4, V4_TO), (Family::V4, V4_OTHER), (Family::V6, V6_TO), (Family::V6, V6_OTHER)];
            for (port, listening) in rows {
                for ((family, address), listening) in places.into_iter().zip(listening) {
                    let name = format!("{address} port {port}, time {last}");
                    let syn = to(family, address, port, last);
                    if listening {
                        testbed.cookie_row(&name, &syn);
                    } else {
                        testbed.row(&name, &syn, Reason::NoListener);
                    }
                }
            }
        }
    });
}

#[test]
fn opened_and_closed_listeners_are_noticed() {
    Testbed::check("comings and goings", |testbed| {
        for family in FAMILIES {
            testbed.soon(&format!("{family:?}, open"), family, Reason::SynCookieSent);
            testbed.close();
            testbed.soon(&format!("{family:?}, closed"), family, Reason::NoListener);
            testbed.listen(PORT);
            testbed.soon(&format!("{family:?}, opened again"), family, Reason::SynCookieSent);
        }
    });
}

#[test]
fn listener_cache_can_be_off() {
    Testbed::check("not cached", |testbed| {
        testbed.set(SynCookieConfig { listener_ns: 0, ..testbed.cookies });
        for family in FAMILIES {
            for number in 0..3 {
                let syn = testbed.syn(family, &LINUX);
                testbed.cookie_row(&format!("{family:?}, {number}"), &syn);
                testbed.close();
                let syn = testbed.syn(family, &LINUX);
                testbed.row(&format!("{family:?}, closed, {number}"), &syn, Reason::NoListener);
                testbed.listen(PORT);
            }
        }
    });
}

#[test]
fn cookie_needs_tcp_syncookies_2() {
    Testbed::check("refusals", |testbed| {
        testbed.set(SynCookieConfig { listener_ns: 0, ..testbed.cookies });
        for (cookies, reason) in [("1", Reason::CookieUnavailable), ("0", Reason::CookieUnavailable)] {
            testbed.sysctl("net.ipv4.tcp_syncookies", cookies);
            for family in FAMILIES {
                let syn = testbed.syn(family, &LINUX);
                testbed.row(&format!("tcp_syncookies {cookies}, {family:?}"), &syn, reason);
            }
        }
        testbed.sysctl("net.ipv4.tcp_syncookies", "2");
        for family in FAMILIES {
            let syn = testbed.syn(family, &LINUX);
            testbed.cookie_row(&format!("tcp_syncookies 2, {family:?}"), &syn);
        }
    });
}

#[test]
fn forwarded_syn_gets_no_cookie() {
    Testbed::check("forwarding", |testbed| {
        testbed.ip("link add out type veth peer name out1");
        testbed.ip("link set out up");
        testbed.ip("link set out1 up");
        testbed.ip("addr add 203.0.113.1/24 dev out");
        testbed.ip("addr add 2001:db8:aaaa::1/64 dev out nodad");
        let locals = [V4_TO, "203.0.113.1", V6_TO, "2001:db8:aaaa::1"];
        testbed.filter.set_locals(&locals.map(|address| address.parse().unwrap()));
        for forwarding in ["0", "1"] {
            testbed.sysctl("net.ipv4.conf.all.forwarding", forwarding);
            testbed.sysctl("net.ipv6.conf.all.forwarding", forwarding);
            for (family, own, others) in [
                (Family::V4, V4_TO, "203.0.113.77"),
                (Family::V4, "203.0.113.1", "192.0.2.99"),
                (Family::V6, V6_TO, "2001:db8:aaaa::77"),
                (Family::V6, "2001:db8:aaaa::1", "2001:db8:bbbb::99"),
            ] {
                // The listener is bound to every address.
                testbed.cookie_row(&format!("{own}, forwarding {forwarding}"), &to(family, own, PORT, 1));
                let other = to(family, others, PORT, 1);
                testbed.row(&format!("{others}, forwarding {forwarding}"), &other, Reason::NoListener);
            }
        }
    });
}

/// A connection over the loopback device from another address, the client's end first.
pub(crate) fn connected(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let to = listener.local_addr().unwrap();
    let from = if to.is_ipv4() { V4_OTHER } else { V6_OTHER };
    let from = SocketAddr::new(from.parse().unwrap(), 0);
    let client = connect(from, to, Duration::from_secs(5)).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// The headers of a packet from the client's end of a connection.
pub(crate) fn from_client(client: &TcpStream) -> Packet {
    let (from, to) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let ip = match from.is_ipv4() {
        true => Packet::eth().ipv4(from.ip(), to.ip()),
        false => Packet::eth().ipv6(from.ip(), to.ip()),
    };
    ip.tcp(from.port(), to.port())
}

#[test]
fn syn_of_existing_connection_passes() {
    Testbed::check("connections", |testbed| {
        // With and without the listener cache: these sources are known.
        for listener_ns in [0, 1_000_000_000] {
            testbed.set(SynCookieConfig { listener_ns, ..testbed.cookies });
            for address in [V4_TO, V6_TO] {
                let name = format!("{address}, cached for {listener_ns} ns");
                let listener = TcpListener::bind((address, 1000)).unwrap();
                let (mut client, mut server) = connected(&listener);
                client.write_all(b"?").unwrap();
                server.read_exact(&mut [0]).unwrap();
                let syn = from_client(&client).syn().tcp_options(&LINUX);
                let family = if address == V4_TO { Family::V4 } else { Family::V6 };
                testbed.cookie_row(&format!("another source, {name}"), &to(family, address, 1000, 77));
                testbed.row(&format!("established, {name}"), &syn, Reason::SynUnsupported);
                // The server closes first, so it is the end in TIME_WAIT.
                server.shutdown(Shutdown::Both).unwrap();
                drop(server);
                assert_eq!(client.read(&mut [0]).unwrap(), 0);
                drop(client);
                testbed.row(&format!("in time-wait, {name}"), &syn, Reason::SynUnsupported);
            }
        }
    });
}

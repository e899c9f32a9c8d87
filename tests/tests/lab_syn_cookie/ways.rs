//! Connections without an XDP cookie: closed ports, reused ports, and a controller that has died.

use std::{
    io::{ErrorKind, Read as _},
    net::{IpAddr, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use synguard_common::{
    reason::Reason,
    syn_cookie::config::{SYN_COOKIE_CHECK_ACKS, SynCookieConfig},
};
use synguard_tests::{SECOND_NS, client::connect, testrun::now_ns};

use crate::testbed::{FAMILIES, PATIENCE, PORT, Testbed, accepted, negotiated, of, talk};

fn try_to_connect(testbed: &Testbed, from: IpAddr) -> std::io::Result<TcpStream> {
    let to = SocketAddr::new(of(from).server(), PORT);
    testbed.lab.client.run(|| connect(SocketAddr::new(from, 0), to, PATIENCE)).unwrap()
}

#[test]
fn closed_ports_and_listeners_are_refused() {
    let mut testbed = Testbed::new();
    testbed.set(SynCookieConfig { listener_ns: 500_000_000, ..testbed.cookies });
    for family in FAMILIES {
        let refused = try_to_connect(&testbed, family.visitor(1)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let listener = testbed.listen();
        testbed.verify(PORT, &[]);
        let sent = testbed.count(Reason::SynCookieSent);
        let (mut client, mut server) = testbed.connected(&listener, family.visitor(2));
        assert_eq!(testbed.count(Reason::SynCookieSent), sent + 1);
        drop(listener);
        let closed = Instant::now();
        loop {
            // Until the program notices that the listener is gone, a client gets a cookie and then a reset from the
            // kernel.
            let refused = testbed.count(Reason::NoListener);
            let _ = try_to_connect(&testbed, family.visitor(3));
            if testbed.count(Reason::NoListener) > refused {
                break;
            }
            assert!(closed.elapsed() < Duration::from_secs(2), "not noticed");
        }
        println!("noticed after {:?}", closed.elapsed());
        // A reopened port has a new listener, and the kernel must learn that cookies will come for it.
        let listener = testbed.listen();
        let opened = Instant::now();
        while try_to_connect(&testbed, family.visitor(4)).is_err() {
            assert!(opened.elapsed() < Duration::from_secs(2), "not noticed");
        }
        println!("noticed again after {:?}", opened.elapsed());
        drop(listener);
        talk(&mut client, &mut server);
    }
}

/// Closes both ends so that the server is in `TIME_WAIT` and the client is not.
fn close(client: TcpStream, server: TcpStream) {
    drop(server);
    assert_eq!((&client).read(&mut [0]).unwrap(), 0);
    drop(client);
}

#[test]
fn validated_client_may_reuse_its_port_at_once() {
    let mut testbed = Testbed::new();
    testbed.set(SynCookieConfig {
        flags: testbed.cookies.flags | SYN_COOKIE_CHECK_ACKS,
        validated_ns: 60_000_000_000,
        ..testbed.cookies
    });
    for family in FAMILIES {
        let listener = testbed.listen();
        testbed.verify(PORT, &[]);
        let (client, server) = testbed.connected(&listener, family.visitor(5));
        let port = client.local_addr().unwrap().port();
        close(client, server);
        let to = SocketAddr::new(family.server(), PORT);
        let from = SocketAddr::new(family.visitor(5), port);
        let again = testbed.lab.client.run(|| connect(from, to, PATIENCE));
        let mut again = again.unwrap().unwrap();
        let (mut server, peer) = accepted(&listener);
        assert_eq!(peer.port(), port);
        talk(&mut again, &mut server);
    }
}

#[test]
fn kernel_takes_over_when_the_lease_ends() {
    let mut testbed = Testbed::new();
    let listener = testbed.listen();
    let samples = testbed.verify(PORT, &[]);
    testbed.set(SynCookieConfig { lease_until_ns: now_ns() + SECOND_NS, ..testbed.cookies });
    testbed.connected(&listener, FAMILIES[0].visitor(1));
    assert_eq!(testbed.count(Reason::SynCookieSent), 1);
    let until = testbed.cookies.lease_until_ns;
    while now_ns() < until + SECOND_NS / 10 {
        thread::sleep(Duration::from_millis(10));
    }
    for family in FAMILIES {
        let (mut client, mut server) = testbed.connected(&listener, family.visitor(1));
        talk(&mut client, &mut server);
        println!("{:?}", negotiated(&client, &server));
    }
    assert_eq!(testbed.count(Reason::SynCookieSent), 1);
    assert_eq!(testbed.lab.tcp_ext("SyncookiesSent").unwrap(), samples + 2);
}

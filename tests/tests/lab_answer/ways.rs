//! Connections that take another way than being answered: closed ports, ports used again, and a controller that has
//! died.

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
use synguard_tests::{client::connect, testrun::now_ns};

use crate::stand::{FAMILIES, PATIENCE, PORT, Stand, accepted, agreed, of, talk};

fn try_to_connect(stand: &Stand, from: IpAddr) -> std::io::Result<TcpStream> {
    let to = SocketAddr::new(of(from).server(), PORT);
    stand.lab.client.run(|| connect(SocketAddr::new(from, 0), to, PATIENCE)).unwrap()
}

#[test]
fn a_closed_port_is_refused_and_a_closed_listener_soon_is() {
    let mut stand = Stand::new();
    stand.set(SynCookieConfig { listener_ns: 500_000_000, ..stand.answering });
    for family in FAMILIES {
        let refused = try_to_connect(&stand, family.visitor(1)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let listener = stand.listen();
        let (mut client, mut server) = stand.connected(&listener, family.visitor(2));
        drop(listener);
        let closed = Instant::now();
        loop {
            // Until it is noticed, a client is answered, and then reset by the kernel: it had nothing to do with it.
            let refused = stand.count(Reason::NoListener);
            let _ = try_to_connect(&stand, family.visitor(3));
            if stand.count(Reason::NoListener) > refused {
                break;
            }
            assert!(closed.elapsed() < Duration::from_secs(2), "not noticed");
        }
        println!("noticed after {:?}", closed.elapsed());
        // Opened again, it is another one, whose kernel has to be told that cookies will come.
        let listener = stand.listen();
        let opened = Instant::now();
        while try_to_connect(&stand, family.visitor(4)).is_err() {
            assert!(opened.elapsed() < Duration::from_secs(2), "not noticed");
        }
        println!("noticed again after {:?}", opened.elapsed());
        drop(listener);
        talk(&mut client, &mut server);
    }
}

/// Closes both ends in such a way that the server waits for late segments, and the client does not.
fn close(client: TcpStream, server: TcpStream) {
    drop(server);
    assert_eq!((&client).read(&mut [0]).unwrap(), 0);
    drop(client);
}

#[test]
fn a_client_that_proved_itself_may_use_its_port_again_at_once() {
    let mut stand = Stand::new();
    stand.set(SynCookieConfig {
        flags: stand.answering.flags | SYN_COOKIE_CHECK_ACKS,
        validated_ns: 60_000_000_000,
        ..stand.answering
    });
    for family in FAMILIES {
        let listener = stand.listen();
        let (client, server) = stand.connected(&listener, family.visitor(5));
        let port = client.local_addr().unwrap().port();
        close(client, server);
        let to = SocketAddr::new(family.server(), PORT);
        let from = SocketAddr::new(family.visitor(5), port);
        let again = stand.lab.client.run(|| connect(from, to, PATIENCE));
        let mut again = again.unwrap().unwrap();
        let (mut server, peer) = accepted(&listener);
        assert_eq!(peer.port(), port);
        talk(&mut again, &mut server);
    }
}

#[test]
fn when_its_time_is_over_the_kernel_answers() {
    let mut stand = Stand::new();
    let listener = stand.listen();
    let second = 1_000_000_000;
    stand.set(SynCookieConfig { lease_until_ns: now_ns() + second, ..stand.answering });
    stand.connected(&listener, FAMILIES[0].visitor(1));
    assert_eq!(stand.count(Reason::SynCookieSent), 1);
    let until = stand.answering.lease_until_ns;
    while now_ns() < until + second / 10 {
        thread::sleep(Duration::from_millis(10));
    }
    for family in FAMILIES {
        let (mut client, mut server) = stand.connected(&listener, family.visitor(1));
        talk(&mut client, &mut server);
        println!("{:?}", agreed(&client, &server));
    }
    assert_eq!(stand.count(Reason::SynCookieSent), 1);
    assert_eq!(stand.lab.tcp_ext("SyncookiesSent").unwrap(), 2);
}

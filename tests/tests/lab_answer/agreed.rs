//! Options of connections whose SYN-ACK the program sent: the same as with the kernel's SYN-ACK if the client offers
//! timestamps, and none if it does not.

use std::{
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd as _,
};

use synguard_common::{
    reason::Reason,
    syn_cookie::config::{SYN_COOKIE_ECN, SYN_COOKIE_ON, SYN_COOKIE_OPTIONS, SynCookieConfig},
};
use synguard_tests::{lab::Family, tcp_info::Agreed};

use crate::stand::{FAMILIES, Stand, accepted, agreed, talk};

/// Connects, has both ends talk, and returns what they agreed on; by an answer of the program's, or without it.
fn visit(stand: &mut Stand, listener: &TcpListener, family: Family, visitor: u16, answered: bool) -> Agreed {
    let on = stand.answering;
    if !answered {
        stand.set(SynCookieConfig::default());
    }
    let (answers, sent) = (stand.count(Reason::SynCookieSent), stand.lab.tcp_ext("SyncookiesSent").unwrap());
    let received = stand.lab.tcp_ext("SyncookiesRecv").unwrap();
    let (mut client, mut server) = stand.connected(listener, family.visitor(visitor));
    talk(&mut client, &mut server);
    assert_eq!(stand.count(Reason::SynCookieSent) - answers, u64::from(answered));
    if answered {
        assert_eq!(stand.lab.tcp_ext("SyncookiesSent").unwrap(), sent, "the kernel answered");
        assert_eq!(stand.lab.tcp_ext("SyncookiesRecv").unwrap(), received + 1);
    }
    stand.set(on);
    agreed(&client, &server)
}

/// Returns the options that the kernel negotiates by itself, without cookies.
fn usual(stand: &mut Stand, listener: &TcpListener, family: Family, visitor: u16) -> Agreed {
    stand.lab.set_syncookies(1).unwrap();
    let usual = visit(stand, listener, family, visitor, false);
    stand.lab.set_syncookies(2).unwrap();
    usual
}

const NOTHING: Agreed = Agreed { timestamps: false, sack: false, scales: None, ecn: false };

#[test]
fn options_are_kept_as_if_the_kernel_had_answered() {
    let mut stand = Stand::new();
    let listener = stand.listen();
    for family in FAMILIES {
        let usual = usual(&mut stand, &listener, family, 1);
        assert!(usual.timestamps && usual.sack && usual.scales.is_some_and(|(a, b)| a > 0 && b > 0));
        let answered = visit(&mut stand, &listener, family, 2, true);
        println!("{family:?}: {answered:?}");
        assert_eq!(answered, usual, "{family:?}");
    }
}

#[test]
fn a_client_gets_no_more_than_it_offers() {
    let mut stand = Stand::new();
    let listener = stand.listen();
    let changes = [
        ("net.ipv4.tcp_timestamps", "0"),
        ("net.ipv4.tcp_sack", "0"),
        ("net.ipv4.tcp_window_scaling", "0"),
        ("net.ipv4.tcp_ecn", "1"),
    ];
    for (key, value) in changes {
        let before = stand.lab.client.sysctl(key).unwrap();
        stand.lab.client.set_sysctl(key, value).unwrap();
        for family in FAMILIES {
            let usual = usual(&mut stand, &listener, family, 3);
            let answered = visit(&mut stand, &listener, family, 4, true);
            println!("{key}={value}, {family:?}: {answered:?}, usually {usual:?}");
            // Without a timestamp there is nowhere to keep the others.
            let expected = if usual.timestamps { usual } else { NOTHING };
            assert_eq!(answered, expected, "{key}={value}, {family:?}");
            assert_eq!(usual.ecn, key.ends_with("ecn"), "{key}={value}, {family:?}");
        }
        stand.lab.client.set_sysctl(key, &before).unwrap();
    }
}

#[test]
fn without_options_to_be_kept_connections_are_made_without() {
    let mut stand = Stand::new();
    let listener = stand.listen();
    stand.set(SynCookieConfig { flags: SYN_COOKIE_ON | SYN_COOKIE_ECN, ..stand.answering });
    // As they are when nobody has raised them.
    stand.lab.server.set_sysctl("net.ipv4.tcp_timestamps", "1").unwrap();
    for family in FAMILIES {
        assert_eq!(visit(&mut stand, &listener, family, 5, true), NOTHING, "{family:?}");
    }
}

#[test]
fn a_server_without_ecn_does_not_agree_to_it() {
    let mut stand = Stand::new();
    let listener = stand.listen();
    stand.lab.server.set_sysctl("net.ipv4.tcp_ecn", "0").unwrap();
    stand.lab.client.set_sysctl("net.ipv4.tcp_ecn", "1").unwrap();
    stand.set(SynCookieConfig { flags: SYN_COOKIE_ON | SYN_COOKIE_OPTIONS, ..stand.answering });
    for family in FAMILIES {
        let answered = visit(&mut stand, &listener, family, 6, true);
        assert!(!answered.ecn && answered.sack, "{answered:?}");
    }
}

#[test]
fn clients_that_ask_for_fast_open_connect_without_it() {
    let mut stand = Stand::new();
    stand.lab.client.set_sysctl("net.ipv4.tcp_fastopen", "1").unwrap();
    stand.lab.server.set_sysctl("net.ipv4.tcp_fastopen", "3").unwrap();
    for family in FAMILIES {
        let listener = stand.listen();
        let queue: libc::c_int = 16;
        set(&listener, libc::TCP_FASTOPEN, queue);
        // Usually: the first connection gets a cookie, which the next one uses.
        let on = stand.answering;
        stand.set(SynCookieConfig::default());
        stand.lab.set_syncookies(1).unwrap();
        fast_open(&stand, &listener, family);
        let opened = stand.lab.tcp_ext("TCPFastOpenPassive").unwrap();
        fast_open(&stand, &listener, family);
        assert_eq!(
            stand.lab.tcp_ext("TCPFastOpenPassive").unwrap(),
            opened + 1,
            "the test opens nothing fast"
        );
        stand.lab.set_syncookies(2).unwrap();
        stand.set(on);
        let answered = stand.count(Reason::SynCookieSent);
        // With a cookie and data; the data has to be sent again.
        fast_open(&stand, &listener, family);
        assert_eq!(stand.count(Reason::SynCookieSent), answered + 1);
        assert_eq!(stand.lab.tcp_ext("TCPFastOpenPassive").unwrap(), opened + 1);
        // From an address that knows no cookie, so that it asks for one.
        fast_open_from(&stand, &listener, family, 40);
        assert_eq!(stand.count(Reason::SynCookieSent), answered + 2);
    }
}

fn fast_open(stand: &Stand, listener: &TcpListener, family: Family) {
    fast_open_from(stand, listener, family, 39);
}

/// A connection whose first data goes with its SYN, if the client may do so.
fn fast_open_from(stand: &Stand, listener: &TcpListener, family: Family, visitor: u16) {
    let from = std::net::SocketAddr::new(family.visitor(visitor), 0);
    let to = std::net::SocketAddr::new(family.server(), crate::stand::PORT);
    let opening = || synguard_tests::client::connect_fast(from, to, b"early");
    let mut client = stand.lab.client.run(opening).unwrap().unwrap();
    let (mut server, _) = accepted(listener);
    server.set_read_timeout(Some(crate::stand::PATIENCE)).unwrap();
    client.set_read_timeout(Some(crate::stand::PATIENCE)).unwrap();
    let mut early = [0; 5];
    std::io::Read::read_exact(&mut server, &mut early).unwrap();
    assert_eq!(&early, b"early");
    talk(&mut client, &mut server);
}

fn set(socket: &impl std::os::fd::AsRawFd, option: libc::c_int, value: libc::c_int) {
    let (at, len) = ((&raw const value).cast(), size_of_val(&value) as u32);
    // SAFETY: pointer and length describe the value.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, option, at, len) };
    assert_eq!(result, 0);
}

#[test]
fn a_listener_with_a_small_buffer_still_gets_everything() {
    // The kernel would announce a smaller scale for it than the program does for all, which cannot know: the client
    // takes the window for larger than it is.
    let stand = Stand::new();
    for family in FAMILIES {
        let listener = stand.listen();
        let size: libc::c_int = 32 << 10;
        let (at, len) = ((&raw const size).cast(), size_of_val(&size) as u32);
        // SAFETY: pointer and length describe the value.
        let result =
            unsafe { libc::setsockopt(listener.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, at, len) };
        assert_eq!(result, 0);
        let (mut client, mut server): (TcpStream, TcpStream) = stand.connected(&listener, family.visitor(7));
        println!("{family:?}: client {:?}, server {:?}", Agreed::of(&client), Agreed::of(&server));
        talk(&mut client, &mut server);
    }
}

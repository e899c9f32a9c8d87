use std::net::{TcpListener, TcpStream};

use proptest::prelude::*;

use super::*;

const HEADING: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
// As a little-endian machine prints them.
const LISTENING: &str = "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1 0000 100 0 0 10 0";
const CONNECTED: &str = "   1: 0100007F:0016 0A0200C0:D431 01 00000000:00000000 02:000A 00000000     0        0 5678 2 0000 20 4 30 10 -1";
const MAPPED: &str = "   2: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF00000A0200C0:D431 01 00000000:00000000 02:000A 00000000  0 0 9 2";

#[test]
#[cfg(target_endian = "little")]
fn lines_of_the_kernel_are_read() {
    let peer: IpAddr = "192.0.2.10".parse().expect("an address");
    let read = |line: &str| parse(line.as_bytes());
    let tcp = |peer, inode| Tcp { port: 22, peer, inode };
    assert_eq!(read(HEADING), None);
    assert_eq!(read(LISTENING), Some((State::Listening, tcp(Ipv4Addr::UNSPECIFIED.into(), 1234))));
    assert_eq!(read(CONNECTED), Some((State::Established, tcp(peer, 5678))));
    let mapped = "::ffff:192.0.2.10".parse().expect("an address");
    assert_eq!(read(MAPPED), Some((State::Established, tcp(mapped, 9))));
    assert_eq!(read(&CONNECTED.replace(" 01 ", " 06 ")), None, "TIME_WAIT");
}

#[test]
fn what_is_no_such_line_is_left_out() {
    for (from, to) in [
        ("0A0200C0", "0A0200C"),
        ("0A0200C0", "+A0200C0"),
        ("0A0200C0", "0A0200C0FF"),
        ("0A0200C0", ""),
        ("0016", "10016"),
        ("0016", ""),
        (":D431", ""),
        ("5678", "-1"),
        ("5678", "99999999999999999999"),
        (" 5678 2 0000 20 4 30 10 -1", ""),
        (" 01 ", " é1 "),
    ] {
        let line = CONNECTED.replace(from, to);
        assert_ne!(line, CONNECTED);
        assert_eq!(parse(line.as_bytes()), None, "{line}");
    }
}

proptest! {
    #[test]
    fn hostile_lines_are_no_panic(noise in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..160) {
        let _ = parse(&noise);
        let _ = parse(&CONNECTED.as_bytes()[..cut.min(CONNECTED.len())]);
        let _ = parse(&MAPPED.as_bytes()[..cut.min(MAPPED.len())]);
    }
}

/// Both ways of asking see a real connection, and tell its two ends apart.
#[test]
fn netlink_and_proc_agree_on_a_real_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let client = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let (_server, _) = listener.accept().expect("a connection");
    let other = client.local_addr().expect("an address").port();
    for ask in [by_netlink, by_proc] {
        let count = |state, port| {
            let mut found = Vec::new();
            ask(state, Some(port), &mut found).expect("sockets");
            assert!(found.iter().all(|tcp| tcp.port == port && tcp.inode != 0), "{found:?}");
            found.len()
        };
        assert_eq!((count(State::Listening, port), count(State::Established, port)), (1, 1));
        assert_eq!((count(State::Listening, other), count(State::Established, other)), (0, 1));
    }
}

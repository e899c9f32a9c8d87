use std::net::{Ipv4Addr, TcpListener, TcpStream};

use super::*;

#[test]
fn only_completed_handshakes_count_as_connected() {
    let connected: Vec<u8> = (1..=12).filter(|state| TcpStates::CONNECTED.contains(*state)).collect();
    assert_eq!(connected, [1, 4, 5, 6, 8, 9, 11]);
    assert!(!TcpStates::CONNECTED.contains(u8::MAX));
}

#[test]
fn connected_peer_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let _client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
    assert!(connected_peers().expect("readable").contains(&Ipv4Addr::LOCALHOST.to_ipv6_mapped()));
}

type Ask = fn(TcpStates, Option<u16>, &mut dyn FnMut(TcpSocket)) -> Result<()>;

/// Both sources see a real connection, and tell its two ends apart.
#[test]
fn sock_diag_and_proc_agree_on_a_real_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let client = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let (server, _) = listener.accept().expect("a connection");
    let other = client.local_addr().expect("an address").port();
    let ask: [Ask; 2] = [
        |states, port, mut visit| dump_sockets(states, port, &mut visit),
        |states, port, mut visit| proc_table::for_each_socket(states, port, &mut visit),
    ];
    let count = |ask: Ask, states, port| {
        let mut found = Vec::new();
        ask(states, Some(port), &mut |socket| found.push(socket)).expect("sockets");
        assert!(found.iter().all(|socket| socket.port == port), "{found:?}");
        let with_inode = found.iter().filter(|socket| socket.inode != 0).count();
        (found.len(), with_inode)
    };
    for ask in ask {
        let count = |states, port| count(ask, states, port);
        assert_eq!((count(TcpStates::LISTEN, port), count(TcpStates::ESTABLISHED, port)), ((1, 1), (1, 1)));
        assert_eq!((count(TcpStates::LISTEN, other), count(TcpStates::ESTABLISHED, other)), ((0, 0), (1, 1)));
        assert_eq!((count(TcpStates::CONNECTED, port), count(TcpStates::CONNECTED, other)), ((1, 1), (1, 1)));
    }
    // The end that closes first stays in FIN_WAIT2 or TIME_WAIT, and the other one in CLOSE_WAIT or nowhere.
    drop(client);
    for ask in ask {
        assert_eq!(count(ask, TcpStates::ESTABLISHED, other), (0, 0));
        assert_eq!(count(ask, TcpStates::CONNECTED, other).0, 1);
        assert_eq!(count(ask, TcpStates::CONNECTED, port).0, 1);
    }
    drop(server);
    for ask in ask {
        assert_eq!(count(ask, TcpStates::CONNECTED, other).0, 1);
    }
}

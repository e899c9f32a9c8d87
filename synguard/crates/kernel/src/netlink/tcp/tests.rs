use std::{
    collections::HashSet,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::AsFd,
};

use super::*;

#[test]
fn only_completed_handshakes_count_as_connected() {
    let connected: Vec<u8> = (1..=12).filter(|state| TcpStates::CONNECTED.contains(*state)).collect();
    assert_eq!(connected, [1, 4, 5, 6, 8, 9, 11]);
    assert!(!TcpStates::CONNECTED.contains(u8::MAX));
}

type Ask = fn(TcpStates, Option<u16>, &mut dyn FnMut(TcpSocket)) -> Result<()>;

/// Sockets of one test, recognised among those of the whole machine: a port may be another process's too, as an
/// ephemeral port of a connection to elsewhere.
struct OwnSockets {
    /// An address of the loopback network that only this process listens on.
    address: Ipv4Addr,
    inodes: HashSet<u64>,
}

impl OwnSockets {
    fn new() -> Self {
        const LOOPBACK: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 0);
        // A process id has at most 22 bits.
        let address = Ipv4Addr::from_bits(LOOPBACK.to_bits() | std::process::id());
        Self { address, inodes: HashSet::new() }
    }

    fn add(&mut self, socket: &impl AsFd) {
        self.inodes.insert(rustix::fs::fstat(socket).expect("a socket").st_ino);
    }

    /// Reports whether the socket is one of the test's: by its inode while a process has it open, and afterwards by the
    /// address that it was connected to.
    fn contain(&self, socket: &TcpSocket) -> bool {
        self.inodes.contains(&socket.inode) || socket.peer == IpAddr::V4(self.address)
    }
}

/// Both sources see a real connection, and tell its two ends apart.
#[test]
fn sock_diag_and_proc_agree_on_a_real_connection() {
    let mut own = OwnSockets::new();
    let listener = TcpListener::bind((own.address, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let client = TcpStream::connect((own.address, port)).expect("a connection");
    let (server, _) = listener.accept().expect("a connection");
    let other = client.local_addr().expect("an address").port();
    own.add(&listener);
    own.add(&client);
    own.add(&server);
    let ask: [Ask; 2] = [
        |states, port, mut visit| dump_sockets(states, port, &mut visit),
        |states, port, mut visit| proc_table::for_each_socket(states, port, &mut visit),
    ];
    let count = |ask: Ask, states, port| {
        let mut found = Vec::new();
        ask(states, Some(port), &mut |socket| found.push(socket)).expect("sockets");
        assert!(found.iter().all(|socket| socket.port == port), "{found:?}");
        found.retain(|socket| own.contain(socket));
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

//! The lab with the program on the server's device, sending SYN cookies.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    thread,
    time::{Duration, Instant},
};

use synguard_common::{abi::Config, addr::HashSeed, reason::Reason, syn_cookie::config::SynCookieConfig};
use synguard_tests::{
    client::connect,
    lab::{DEVICE, Family, Lab},
    tcp_info::Negotiated,
    testrun::{Filter, config, cookie_config_for},
};

/// Both families.
pub(crate) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
/// Port of the tests' own listener; nginx has another.
pub(crate) const PORT: u16 = 8080;
/// Limit on every wait: a step that takes longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The lab and the program.
pub(crate) struct Testbed {
    pub(crate) lab: Lab,
    pub(crate) filter: Filter,
    pub(crate) cookies: SynCookieConfig,
}

impl Testbed {
    /// Makes a lab whose server sends SYN cookies from XDP, and whose kernel accepts them.
    pub(crate) fn new() -> Self {
        let lab = Lab::new().unwrap();
        let cookies = cookie_config_for(&lab);
        // No source is ever over its limit: the flood has many, and visitors are few.
        let mut filter = Filter::load_with_sources(1 << 18);
        let flags = config(1, 2).flags;
        filter.set_config(Config { flags, hash_seed: HashSeed([7, 11]), ..config(1_000_000, 1_000_000) });
        filter.send_cookies_for_lab(cookies);
        filter.attach(&lab.server, DEVICE);
        Self { lab, filter, cookies }
    }

    /// Applies other SYN cookie settings.
    pub(crate) fn set(&mut self, cookies: SynCookieConfig) {
        self.cookies = cookies;
        self.filter.set_cookies(cookies);
    }

    /// A listener in the server's namespace, over IPv6 and IPv4.
    pub(crate) fn listen(&self) -> TcpListener {
        self.lab.server.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT))).unwrap().unwrap()
    }

    /// A connection of a visitor to the listener: the client's end, and the server's.
    pub(crate) fn connected(&self, listener: &TcpListener, from: IpAddr) -> (TcpStream, TcpStream) {
        let to = SocketAddr::new(of(from).server(), PORT);
        let client = self.lab.client.run(|| connect(SocketAddr::new(from, 0), to, PATIENCE)).unwrap();
        let client = client.unwrap_or_else(|error| panic!("connect from {from}: {error}"));
        let (server, peer) = accepted(listener);
        assert_eq!(peer.ip().to_canonical(), from);
        for end in [&client, &server] {
            end.set_read_timeout(Some(PATIENCE)).unwrap();
            end.set_write_timeout(Some(PATIENCE)).unwrap();
        }
        (client, server)
    }

    /// Returns the packets counted under a reason.
    pub(crate) fn count(&self, reason: Reason) -> u64 {
        self.filter.counters()[reason.index() as usize].packets
    }

    /// Lists the counters that are not zero, for messages.
    pub(crate) fn counted(&self) -> String {
        let counted = Reason::ALL.iter().map(|&reason| (reason.label(), self.count(reason)));
        format!("{:?}", counted.filter(|(_, packets)| *packets > 0).collect::<Vec<_>>())
    }

    /// Waits until this many packets have been counted under a reason.
    pub(crate) fn wait_for(&self, reason: Reason, packets: u64) {
        let begun = Instant::now();
        while self.count(reason) < packets {
            let counted = self.count(reason);
            assert!(begun.elapsed() < PATIENCE, "{counted} times {}, not {packets}", reason.label());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The next connection, which must come soon.
pub(crate) fn accepted(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one entry, which outlives the call.
    let ready = unsafe { libc::poll(&raw mut poll, 1, PATIENCE.as_millis() as libc::c_int) };
    assert_eq!(ready, 1, "the server has no connection");
    listener.accept().unwrap()
}

/// The family of an address.
pub(crate) fn of(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// Sends some data each way and checks that it arrives.
pub(crate) fn talk(client: &mut TcpStream, server: &mut TcpStream) {
    let data: Vec<u8> = (0..300_000_u32).map(|n| (n ^ n >> 8) as u8).collect();
    for _ in 0..2 {
        one_way(client, server, &data);
        one_way(server, client, &data);
    }
}

fn one_way(from: &mut TcpStream, to: &mut TcpStream, data: &[u8]) {
    let mut received = vec![0; data.len()];
    thread::scope(|scope| {
        let sender = scope.spawn(|| from.write_all(data));
        to.read_exact(&mut received).expect("receive");
        sender.join().expect("no panic").expect("send");
    });
    assert!(received == data, "what arrived is not what was sent");
}

/// Returns the options that both ends of a connection have negotiated, from the server's view.
pub(crate) fn negotiated(client: &TcpStream, server: &TcpStream) -> Negotiated {
    let (theirs, ours) = (Negotiated::of(client).unwrap(), Negotiated::of(server).unwrap());
    assert_eq!(theirs.mirrored(), ours, "the client thinks otherwise: {theirs:?}");
    ours
}

//! The lab with the program on the server's device, sending SYN cookies.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    thread,
    time::{Duration, Instant},
};

use synguard_common::{
    abi::Config,
    addr::HashSeed,
    reason::Reason,
    syn_cookie::{config::SynCookieConfig, template::CLASSES},
};
use synguard_tests::{
    client::connect,
    lab::{CLIENT_MAC, DEVICE, Family, GATEWAY_MAC, Lab, SERVER_MAC},
    packet::Packet,
    syn_cookie::KernelSynAck,
    tcp_info::Negotiated,
    testrun::{Filter, config, cookie_config_for, kernel_syn_ack},
    wire::Wire,
};

/// Both families.
pub(crate) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
/// Port of the tests' own listener; nginx has another.
pub(crate) const PORT: u16 = 8080;
/// Limit on every wait: a step that takes longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Longest time between two readings of the program's clock.
const CACHED: Duration = Duration::from_millis(30);

/// An address that the client's kernel does not have, so that this kernel leaves its packets alone.
pub(crate) const fn stranger(family: Family) -> &'static str {
    match family {
        Family::V4 => "198.18.0.50",
        Family::V6 => "fd00:5e::50",
    }
}

/// An address behind the server's gateway, as those of the flood.
const fn distant(family: Family) -> &'static str {
    match family {
        Family::V4 => "203.0.113.50",
        Family::V6 => "2001:db8::50",
    }
}

/// The headers of a stranger's packet to the server, up to TCP.
pub(crate) fn to_server(family: Family, tags: &[u16]) -> Packet {
    packet(family, CLIENT_MAC, stranger(family), tags)
}

/// The headers of a packet from this neighbour and address to the server, up to TCP.
fn packet(family: Family, mac: [u8; 6], from: &str, tags: &[u16]) -> Packet {
    let eth = Packet::eth().patch(0, &[SERVER_MAC, mac].concat());
    let eth = tags.iter().fold(eth, |packet, &id| packet.vlan(id));
    match family {
        Family::V4 => eth.ipv4(from, family.server()),
        Family::V6 => eth.ipv6(from, family.server()),
    }
}

/// A SYN with options of this class, see `synguard_common::syn_cookie::template::class`.
fn syn_of_class(packet: Packet, port: u16, class: u16) -> Vec<u8> {
    let mut options = vec![2, 4, 5, 0xb4];
    if let Some(bits) = class.checked_sub(1) {
        options.extend([8, 10, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0]);
        options.extend(if bits & 1 == 0 { [1; 3] } else { [3, 3, 9] });
        options.extend(if bits & 2 == 0 { [1; 2] } else { [4, 2] });
        options.push(1);
    }
    let syn = packet.tcp(50_000 + class, port).syn();
    let syn = if class > 4 { syn.ecn() } else { syn };
    syn.tcp_options(&options).build()
}

/// The lab and the program.
pub(crate) struct Testbed {
    pub(crate) lab: Lab,
    pub(crate) filter: Filter,
    pub(crate) cookies: SynCookieConfig,
    /// The SYN-ACKs of the server's kernel.
    pub(crate) kernel: KernelSynAck,
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
        let kernel = kernel_syn_ack(&lab);
        Self { lab, filter, cookies, kernel }
    }

    /// Shows the program the kernel's SYN-ACKs to SYNs that come as the visitors' and the flood's do, one for each class of
    /// options, and keeps that evidence: from then on the program sends every cookie. Returns the number of SYNs.
    pub(crate) fn verify(&self, port: u16, tags: &[u16]) -> u64 {
        self.filter.forget_paths();
        // Until then the CPUs know the former templates.
        thread::sleep(Duration::from_nanos(self.cookies.listener_ns) + CACHED);
        let wire = Wire::open(&self.lab.client, DEVICE).unwrap();
        let mut syns = 0;
        for family in FAMILIES {
            self.add_stranger(family);
            for (mac, from) in [(CLIENT_MAC, stranger(family)), (GATEWAY_MAC, distant(family))] {
                for class in 0..CLASSES {
                    wire.send(&syn_of_class(packet(family, mac, from, tags), port, class)).unwrap();
                    syns += 1;
                }
            }
        }
        let begun = Instant::now();
        while self.filter.templates() < syns {
            let learned = self.filter.templates();
            assert!(begun.elapsed() < PATIENCE, "{learned} of {syns} templates: {}", self.counted());
            thread::sleep(Duration::from_millis(5));
        }
        self.filter.keep_evidence();
        syns as u64
    }

    /// Makes the server find the stranger where the visitors are.
    pub(crate) fn add_stranger(&self, family: Family) {
        let mac = CLIENT_MAC.map(|byte| format!("{byte:02x}")).join(":");
        let (stranger, server) = (stranger(family), &self.lab.server);
        server.ip(&format!("neigh replace {stranger} lladdr {mac} dev {DEVICE} nud permanent")).unwrap();
    }

    /// SYNs that were passed to the kernel as samples, or for want of evidence.
    pub(crate) fn left_to_kernel(&self) -> u64 {
        self.count(Reason::KernelSample) + self.count(Reason::UnverifiedPath)
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

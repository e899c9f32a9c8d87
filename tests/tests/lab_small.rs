//! A small lab that needs only the kernel and a few tools: the binary attached to a device, connections through it, and
//! the tables of connections. It also runs on the other kernels of the matrix, in machines that have nothing else.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, Ipv6Addr, TcpListener, TcpStream},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use ipnet::IpNet;
use serde_json::Value;
use synguard_kernel::connections::ConnectedSources;
use synguard_tests::{
    client::{self, ClientSpec, Summary},
    container::Container,
    lab::{DEVICE, Family, Lab, SERVER_MAC},
    netns::Netns,
    packet::Packet,
    program::Synguard,
    steps::{eventually, run},
    wire::Wire,
};

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
/// Exit code for "not attached".
const NOT_ATTACHED: Option<i32> = Some(3);

/// A web server of a few lines. Dropping it ends it.
struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(lab: &Lab) -> Self {
        let listener = lab.server.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, 80))).unwrap().unwrap();
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((socket, _)) => serve(socket),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        thread::sleep(Duration::from_millis(2));
                    }
                    Err(error) => panic!("accept: {error}"),
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves a visitor; one that disconnects in between is ignored.
fn serve(mut socket: TcpStream) {
    let _ = socket.set_nonblocking(false);
    let _ = socket.set_read_timeout(Some(Duration::from_secs(5)));
    let mut request = [0; 1024];
    if socket.read(&mut request).is_ok() {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
}

/// Makes ten connections within a second, from this many addresses in turn.
fn visit(lab: &Lab, family: Family, visitors: u16) -> Summary {
    let timeout = Duration::from_secs(3);
    let spec = ClientSpec::new(family, Duration::from_secs(1));
    client::run(&lab.client, &ClientSpec { rate: 10, visitors, timeout, threads: 1, cpu: None, ..spec })
        .unwrap()
}

fn served(summary: &Summary) -> (usize, usize) {
    (summary.served, summary.failed)
}

fn reason(status: &Value, label: &str) -> u64 {
    status["counters"]["reasons"][label].as_u64().unwrap_or(0)
}

fn assert_that_nothing_is_left(synguard: &Synguard, lab: &Lab) {
    assert_eq!(synguard.run(&["status"]).unwrap().code, NOT_ATTACHED);
    assert!(synguard.dirs().pins().is_empty(), "{:?}", synguard.dirs().pins());
    assert_eq!(served(&visit(lab, Family::V4, 1)), (10, 0));
}

/// Returns those of the addresses that have a connection to the server or through it. Everything has to be readable.
fn connected(lab: &Lab, addresses: &[IpAddr]) -> Vec<IpAddr> {
    let sources: Vec<_> = addresses.iter().map(|address| IpNet::from(*address)).collect();
    let connected = lab.server.run(|| ConnectedSources::find(&sources)).unwrap();
    assert_eq!(connected.unread, Vec::<String>::new());
    addresses.iter().copied().filter(|address| connected.found.contains(&IpNet::from(*address))).collect()
}

fn listen(netns: &Netns, port: u16) -> TcpListener {
    netns.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))).unwrap().unwrap()
}

/// Only connection tracking knows of these: no process lives in the container's namespace.
#[test]
fn tracked_connection_counts_and_a_forged_syn_does_not() {
    let lab = Lab::new().unwrap();
    let container = Container::published(&lab, 8080).unwrap();
    let (inside, outside) = (listen(&container.netns, 80), listen(&lab.client, 9000));
    let wire = Wire::open(&lab.client, DEVICE).unwrap();
    let others = ["198.18.0.2", "fd00:5e::2"].map(|text| text.parse::<IpAddr>().unwrap());
    let forged = ["203.0.113.9", "2001:db8::9"].map(|text| text.parse::<IpAddr>().unwrap());
    for ((family, other), forged) in FAMILIES.into_iter().zip(others).zip(forged) {
        let (server, visitor) = (family.server(), family.visitor(3));
        let asked = [visitor, family.visitor(4), other, forged];
        assert_eq!(connected(&lab, &asked), Vec::<IpAddr>::new());

        // The SYN-ACK to it is lost: this is all that a forger gets.
        let tracked =
            || lab.server.sysctl("net.netfilter.nf_conntrack_count").unwrap().parse::<u32>().unwrap();
        let before = tracked();
        let packet = match family {
            Family::V4 => Packet::eth().ipv4(forged, server),
            Family::V6 => Packet::eth().ipv6(forged, server),
        };
        wire.send(&packet.tcp(40_000, 8080).syn().patch(0, &SERVER_MAC).build()).unwrap();
        eventually("an entry for the SYN", || tracked() > before);
        assert_eq!(connected(&lab, &asked), Vec::<IpAddr>::new());

        // In, through the published port.
        let connect = || client::connect((visitor, 0).into(), (server, 8080).into(), Duration::from_secs(3));
        let visit = (lab.client.run(connect).unwrap().unwrap(), inside.accept().unwrap().0);
        assert_eq!(connected(&lab, &asked), [visitor]);
        // More than are asked for one by one.
        let many: Vec<_> = (0..64).map(|number| family.visitor(number)).collect();
        assert_eq!(connected(&lab, &many), [visitor]);

        // And out, with the server's address.
        let connect = || TcpStream::connect((other, 9000));
        let out = (container.netns.run(connect).unwrap().unwrap(), outside.accept().unwrap().0);
        assert_eq!(out.1.peer_addr().unwrap().ip().to_canonical(), server, "not translated");
        assert_eq!(connected(&lab, &asked), [visitor, other]);

        // Reset, as unread data makes it: an entry remains, and protects nobody.
        for [mut one, other] in [[visit.0, visit.1], [out.0, out.1]] {
            one.write_all(b"unread").unwrap();
            eventually("the data", || other.peek(&mut [0]).unwrap() == 1);
            drop(other);
        }
        eventually("the end of the connections", || connected(&lab, &asked).is_empty());
        assert!(tracked() > before, "no entries remain");
    }
}

/// Without connection tracking the sockets of the namespace say it.
#[test]
fn connection_of_a_routed_container_counts() {
    let lab = Lab::new().unwrap();
    let container = Container::routed(&lab).unwrap();
    let inside = listen(&container.netns, 80);
    for family in FAMILIES {
        let (to, visitor) = ((Container::address(family), 80).into(), family.visitor(3));
        let connect = || client::connect((visitor, 0).into(), to, Duration::from_secs(3));
        let _visit = (lab.client.run(connect).unwrap().unwrap(), inside.accept().unwrap().0);
        assert_eq!(connected(&lab, &[visitor]), Vec::<IpAddr>::new(), "a namespace is seen by its processes");
        let mut process = container.netns.command("ip").arg("monitor").stdout(Stdio::null()).spawn().unwrap();
        eventually("the connection", || connected(&lab, &[visitor, family.visitor(4)]) == [visitor]);
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

#[test]
fn single_source_is_limited_and_released() {
    let lab = Lab::new().unwrap();
    let _server = Server::start(&lab);
    let synguard = Synguard::new(&lab).unwrap();
    let controller = synguard.attach(&["--syn-rate", "1000", "--hold", "5m"]).unwrap();

    for family in FAMILIES {
        assert_eq!(served(&visit(&lab, family, 1)), (10, 0), "{family:?}");
    }
    let status = synguard.status_json().unwrap();
    assert_eq!(status["interfaces"][0]["mode"], "native", "{status}");
    assert!(reason(&status, "syn_passed") >= 20 && reason(&status, "not_syn") >= 40, "{status}");
    assert_eq!(status["counters"]["dropped"], 0, "{status}");
    assert!((1..=4).contains(&status["sources"]["tracked"].as_u64().unwrap()), "{status}");

    // The one visitor uses the new limit up, and then has the hold to wait for.
    run(&synguard, &["set", "syn-rate=1", "syn-burst=2"]);
    for family in FAMILIES {
        let summary = visit(&lab, family, 1);
        assert!(summary.served <= 3 && summary.failed >= 7, "{family:?}: {summary:?}");
    }
    // With room for all again the hold still stands; the other visitor is not meant.
    run(&synguard, &["set", "syn-rate=1000", "syn-burst=1000"]);
    for family in FAMILIES {
        assert_eq!(served(&visit(&lab, family, 2)), (5, 5), "{family:?}");
    }
    let status = synguard.status_json().unwrap();
    assert!(reason(&status, "rate_exceeded") >= 2 && reason(&status, "hold") >= 20, "{status}");
    assert_eq!(status["sources"]["in_hold"], 2, "{status}");

    assert_eq!(controller.terminate().unwrap().code, Some(0));
    assert_that_nothing_is_left(&synguard, &lab);
}

#[test]
fn filter_works_without_a_controller_until_detached() {
    let lab = Lab::new().unwrap();
    let _server = Server::start(&lab);
    let synguard = Synguard::new(&lab).unwrap();
    for mode in ["native", "generic"] {
        let limits = ["--syn-rate", "1", "--syn-burst", "2", "--hold", "5m"];
        run(&synguard, &[&["attach", DEVICE, "--no-control", "--mode", mode][..], &limits].concat());
        let status = synguard.status_json().unwrap();
        assert_eq!(status["interfaces"][0]["mode"], mode, "{status}");
        assert_eq!(status["controller"]["running"], false, "{status}");
        let summary = visit(&lab, Family::V4, 1);
        assert!((2..=3).contains(&summary.served), "{mode}: {summary:?}");
        run(&synguard, &["detach"]);
        assert_that_nothing_is_left(&synguard, &lab);
    }
}

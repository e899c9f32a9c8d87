//! A small lab that needs only the kernel and a few tools: the binary attached to a device, and connections
//! through it. It also runs on the other kernels of the matrix, in machines that have nothing else.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv6Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;
use synguard_tests::{
    client::{self, ClientSpec, Summary},
    lab::{Family, Lab},
    program::Synguard,
    steps::run,
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
        let device = synguard_tests::lab::DEVICE;
        let limits = ["--syn-rate", "1", "--syn-burst", "2", "--hold", "5m"];
        run(&synguard, &[&["attach", device, "--no-control", "--mode", mode][..], &limits].concat());
        let status = synguard.status_json().unwrap();
        assert_eq!(status["interfaces"][0]["mode"], mode, "{status}");
        assert_eq!(status["controller"]["running"], false, "{status}");
        let summary = visit(&lab, Family::V4, 1);
        assert!((2..=3).contains(&summary.served), "{mode}: {summary:?}");
        run(&synguard, &["detach"]);
        assert_that_nothing_is_left(&synguard, &lab);
    }
}

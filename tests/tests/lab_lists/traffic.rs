//! Effect of the lists on real packets.

use std::{
    io::{Read as _, Write as _},
    iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use synguard_tests::{
    lab::{Family, Lab},
    program::Synguard,
};

use super::{attach, attached, entries, run, run_with};

const PORT: u16 = 8080;
/// Wait after which a packet counts as dropped: a dropped packet gets no reply, and a short while is enough to see
/// that.
const SILENCE: Duration = Duration::from_millis(700);

const fn client(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(198, 18, 0, 2)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0xfd00, 0x5e, 0, 0, 0, 0, 0, 2)),
    }
}

fn listen(lab: &Lab) -> TcpListener {
    lab.server.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT))).unwrap().unwrap()
}

fn connect(lab: &Lab, family: Family) -> Option<TcpStream> {
    let to = (family.server(), PORT).into();
    let stream = lab.client.run(|| TcpStream::connect_timeout(&to, SILENCE)).unwrap().ok()?;
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    Some(stream)
}

/// Reports whether a byte arrives at the other end.
fn carries(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    to.set_read_timeout(Some(SILENCE)).unwrap();
    from.write_all(b"x").unwrap();
    to.read_exact(&mut [0]).is_ok()
}

#[test]
fn a_blocked_source_is_dropped_until_it_is_unblocked() {
    let (lab, synguard) = attached();
    let listener = listen(&lab);
    for family in [Family::V4, Family::V6] {
        let mut live = connect(&lab, family).expect("not blocked yet");
        let mut accepted = listener.accept().unwrap().0;
        assert!(carries(&mut live, &mut accepted));
        let target = client(family).to_string();
        run(&synguard, &["block", "add", &target]);
        assert!(connect(&lab, family).is_none(), "{target} is blocked, and connected");
        assert!(!carries(&mut live, &mut accepted), "an established connection of {target} goes on");
        let hits = entries(&synguard, "block")[0]["hits"].as_u64().unwrap();
        assert!(hits >= 2, "{hits} packets were dropped");
        let dropped = synguard.status_json().unwrap()["counters"]["reasons"]["blocked"].as_u64().unwrap();
        assert!(dropped >= hits, "{dropped} counted, {hits} hit");
        // An allowed address passes, blocked or not.
        run(&synguard, &["allow", "add", &target]);
        assert!(connect(&lab, family).is_some());
        run(&synguard, &["allow", "del", &target]);
        assert!(connect(&lab, family).is_none());
        run(&synguard, &["block", "del", &target]);
        assert!(connect(&lab, family).is_some(), "{target} was unblocked");
        while listener.set_nonblocking(true).is_ok() && listener.accept().is_ok() {}
        listener.set_nonblocking(false).unwrap();
    }
}

#[test]
fn blocked_prefix_expires_by_itself() {
    let (lab, synguard) = attached();
    let _listener = listen(&lab);
    run(&synguard, &["block", "add", "198.18.0.2/31", "fd00:5e::2/127", "--ttl", "2s"]);
    for family in [Family::V4, Family::V6] {
        assert!(connect(&lab, family).is_none());
    }
    super::eventually("the end", || {
        connect(&lab, Family::V4).is_some() && connect(&lab, Family::V6).is_some()
    });
}

#[test]
fn with_scope_syn_connections_go_on() {
    let (lab, synguard) = attached();
    let listener = listen(&lab);
    for family in [Family::V4, Family::V6] {
        let mut live = connect(&lab, family).expect("not blocked yet");
        let mut accepted = listener.accept().unwrap().0;
        run(&synguard, &["block", "add", &client(family).to_string(), "--scope", "syn"]);
        assert!(connect(&lab, family).is_none());
        assert!(carries(&mut live, &mut accepted) && carries(&mut accepted, &mut live));
    }
}

#[test]
fn a_list_is_in_force_as_soon_as_the_filter_is() {
    let (lab, synguard) = attached();
    let _listener = listen(&lab);
    run(&synguard, &["block", "add", "198.18.0.2"]);
    super::restart(&synguard);
    assert!(connect(&lab, Family::V4).is_none());
    assert!(connect(&lab, Family::V6).is_some());
}

/// Sends datagrams without a pause until it is stopped; returns their number.
fn send(socket: &UdpSocket, to: SocketAddr, stop: &AtomicBool) -> u64 {
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        sent += u64::from(socket.send_to(b"x", to).is_ok());
    }
    sent
}

/// Returns the number of datagrams that have arrived.
fn arrived(socket: &UdpSocket) -> u64 {
    socket.set_nonblocking(true).unwrap();
    iter::from_fn(|| socket.recv(&mut [0]).ok()).count() as u64
}

/// Makes the client, which is blocked, send all the time, and asserts that nothing arrives whatever `change` does
/// meanwhile.
fn nothing_slips_through(change: impl FnOnce(&Synguard)) {
    let (lab, synguard) = attached();
    let server = lab.server.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))).unwrap().unwrap();
    let client = lab.client.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))).unwrap().unwrap();
    let to = SocketAddr::from((Family::V4.server(), PORT));
    run(&synguard, &["block", "add", "198.18.0.2"]);
    let blocked = || synguard.status_json().unwrap()["counters"]["reasons"]["blocked"].as_u64().unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| send(&client, to, &stop));
        change(&synguard);
        stop.store(true, Ordering::Relaxed);
        let sent = sender.join().unwrap();
        assert!(sent > 1_000, "{sent} datagrams are too few");
    });
    assert_eq!(arrived(&server), 0, "datagrams slipped through");
    assert!(blocked() > 1_000, "{} were dropped", blocked());
    // They do arrive once nothing keeps them.
    run(&synguard, &["block", "flush"]);
    super::eventually("a datagram", || client.send_to(b"x", to).is_ok() && arrived(&server) > 0);
}

#[test]
fn replacing_the_list_lets_nothing_slip_through() {
    nothing_slips_through(|synguard| {
        // The client is in each list, by another entry, and each is of another size.
        for round in 0..12u32 {
            let mut list: String =
                (0..round * 700).map(|i| format!("10.{round}.{}.{}\n", i / 256, i % 256)).collect();
            list += ["198.18.0.2\n", "198.18.0.2/31\n", "198.18.0.2/30\n"][round as usize % 3];
            run_with(synguard, &["block", "import", "-", "--replace", "--force"], &list);
        }
    });
}

#[test]
fn taking_the_filter_over_lets_nothing_slip_through() {
    nothing_slips_through(|synguard| {
        for _ in 0..8 {
            let message = attach(synguard);
            assert!(message.contains("took over"), "{message}");
        }
    });
}

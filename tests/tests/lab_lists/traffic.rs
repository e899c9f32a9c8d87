//! What becomes of real packets.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv6Addr, TcpListener, TcpStream},
    time::Duration,
};

use synguard_tests::lab::{Family, Lab};

use super::{attached, entries, run};

const PORT: u16 = 8080;
/// What is dropped is not answered: a short while is enough to see that.
const SILENCE: Duration = Duration::from_millis(700);

const fn client(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(std::net::Ipv4Addr::new(198, 18, 0, 2)),
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

/// Whether a byte arrives at the other end.
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
fn a_network_is_blocked_and_its_end_comes_by_itself() {
    let (lab, synguard) = attached();
    let _listener = listen(&lab);
    run(&synguard, &["block", "add", "198.18.0.2/31", "fd00:5e::2/127", "--ttl", "2s"]);
    for family in [Family::V4, Family::V6] {
        assert!(connect(&lab, family).is_none());
    }
    super::until("the end", || connect(&lab, Family::V4).is_some() && connect(&lab, Family::V6).is_some());
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

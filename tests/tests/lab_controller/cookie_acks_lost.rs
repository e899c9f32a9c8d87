//! XDP cookies that lead to no connection, because of a firewall or NAT between XDP and TCP: the controller backs off
//! to kernel cookies.

use std::{
    net::{Ipv6Addr, TcpListener},
    time::{Duration, Instant},
};

use synguard_tests::{
    client::{ClientSpec, Summary},
    flood::FloodSpec,
    lab::{Family, Lab},
    program::Synguard,
    web::{PORT, Web},
};

use super::{event, event_names, forged, lab, start, status, until, visit};

/// Floods this port while visitors come to it, until the controller backs off from XDP cookies. Returns the outcome
/// of the visits from then on, and the number of dropped ACKs.
fn visits_after(lab: &Lab, synguard: &Synguard, port: u16) -> (Summary, Option<u64>) {
    let running = synguard.attach(&["--hold", "1s", "--cookies", "xdp"]).unwrap();
    let flood = start(lab, FloodSpec { port, ..forged() });
    until("XDP cookies", Duration::from_secs(10), || status(synguard)["cookies"]["mode"] == "xdp");
    let begun = Instant::now();
    let client = |seconds| ClientSpec {
        port,
        timeout: Duration::from_secs(2),
        ..ClientSpec::new(Family::V4, Duration::from_secs(seconds))
    };
    let lost = |synguard| event_names(synguard).iter().any(|name| name == "answers_lost");
    while !lost(synguard) {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the loss is not noticed: {}",
            status(synguard)["counters"]
        );
        visit(lab, &client(1));
    }
    println!(
        "backed off {} ms after cookies began, visits of a second included",
        begun.elapsed().as_millis()
    );
    until("the kernel's cookies", Duration::from_secs(2), || status(synguard)["cookies"]["mode"] == "kernel");
    let visits = visit(lab, &client(3));
    flood.stop().unwrap();
    let lost = event(synguard, "answers_lost");
    assert!(lost["returned"].as_u64().unwrap() >= 10 && lost["received"] == 0, "{lost}");
    assert!(
        event(synguard, "answering_ended")["why"].as_str().unwrap().contains("does not lead to connections")
    );
    let dropped_acks = status(synguard)["counters"]["reasons"]["ack_without_connection"].as_u64();
    running.terminate().unwrap();
    (visits, dropped_acks)
}

/// A rule from many firewall guides: the first packet of a connection must be a SYN, or it is dropped. With an XDP
/// cookie, the first packet that the firewall sees is an ACK.
#[test]
fn a_firewall_that_wants_to_see_the_syn_is_noticed() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    lab.add_rules(
        "table inet wall { chain input { type filter hook input priority 0;
            tcp dport 80 ct state new tcp flags & (syn | ack) != syn drop; }; }",
    )
    .unwrap();
    let (visits, _) = visits_after(&lab, &synguard, PORT);
    assert_eq!(visits.failed, 0, "{visits:?}");
}

/// As with a container's published port: a local socket listens on it, but incoming connections are redirected.
#[test]
fn a_port_that_is_redirected_is_noticed() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    let published = 8080;
    let _proxy = lab.server.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, published))).unwrap().unwrap();
    lab.add_rules(&format!(
        "table ip publish {{ chain prerouting {{ type nat hook prerouting priority -100;
            tcp dport {published} redirect to :{PORT}; }}; }}"
    ))
    .unwrap();
    // With such NAT rules, XDP sends no cookies by default.
    let running = synguard.attach(&["--hold", "1s"]).unwrap();
    let flood = start(&lab, FloodSpec { port: published, ..forged() });
    until("cookies", Duration::from_secs(5), || status(&synguard)["cookies"]["mode"] == "kernel");
    let spec = ClientSpec { port: published, ..ClientSpec::new(Family::V4, Duration::from_secs(3)) };
    let visits = visit(&lab, &spec);
    assert_eq!(
        (visits.failed, status(&synguard)["counters"]["answered"].as_u64()),
        (0, Some(0)),
        "{visits:?}"
    );
    flood.stop().unwrap();
    running.terminate().unwrap();

    // If XDP cookies are configured, the controller backs off; and no ACK is dropped, though no socket here owns the
    // connections.
    let (visits, dropped_acks) = visits_after(&lab, &synguard, published);
    assert_eq!(visits.failed, 0, "{visits:?}");
    assert_eq!(dropped_acks, Some(0));
}

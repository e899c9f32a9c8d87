//! Listeners that XDP must leave to the kernel, because only the kernel's own replies reach the clients, or none should: visitors
//! are served, and nothing that happens there ends the cookies for another listener.

use std::{
    net::{Ipv6Addr, SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use synguard_tests::{
    client::{ClientSpec, connect},
    flood::FloodSpec,
    lab::{DEVICE, Family, Lab},
    program::Synguard,
    web::{PORT, Web},
};

use super::{event_names, forged, lab, start, status, until, visit};

/// A port besides nginx's.
const OTHER: u16 = 8080;
const SOON: Duration = Duration::from_secs(10);

/// SYNs that XDP has answered.
fn answered(synguard: &Synguard) -> u64 {
    status(synguard)["counters"]["answered"].as_u64().unwrap()
}

fn reason(synguard: &Synguard, name: &str) -> u64 {
    status(synguard)["counters"]["reasons"][name].as_u64().unwrap()
}

/// Three seconds of visits.
fn visitors(port: u16) -> ClientSpec {
    ClientSpec {
        port,
        timeout: Duration::from_secs(3),
        ..ClientSpec::new(Family::V4, Duration::from_secs(3))
    }
}

fn await_xdp(synguard: &Synguard) {
    until("XDP cookies", SOON, || status(synguard)["cookies"]["mode"] == "xdp");
}

fn listen(lab: &Lab, port: u16) -> TcpListener {
    lab.server.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))).unwrap().unwrap()
}

/// Asserts that XDP answers a flood of nginx's port by the thousand.
fn assert_answers_web(lab: &Lab, synguard: &Synguard) {
    let before = answered(synguard);
    let flood = start(lab, forged());
    until("answers on the other port", SOON, || answered(synguard) > before + 10_000);
    flood.stop().unwrap();
}

/// As with a container's published port: a local socket listens on it, but incoming connections are redirected.
#[test]
fn redirected_port_is_left_to_the_kernel_alone() {
    for cookies in ["auto", "xdp"] {
        let (lab, synguard) = lab(1);
        let _web = Web::start(&lab).unwrap();
        let _proxy = listen(&lab, OTHER);
        lab.add_rules(&format!(
            "table ip publish {{ chain prerouting {{ type nat hook prerouting priority -100;
                tcp dport {OTHER} redirect to :{PORT}; }}; }}"
        ))
        .unwrap();
        let running = synguard.attach(&["--hold", "1s", "--cookies", cookies]).unwrap();
        let flood = start(&lab, FloodSpec { port: OTHER, ..forged() });
        await_xdp(&synguard);
        let visits = visit(&lab, &visitors(OTHER));
        assert_eq!((visits.failed, answered(&synguard)), (0, 0), "{cookies}: {visits:?}");
        assert_eq!(reason(&synguard, "ack_without_connection"), 0);
        flood.stop().unwrap();
        assert_answers_web(&lab, &synguard);
        assert!(!event_names(&synguard).iter().any(|name| name == "answers_lost"));
        running.terminate().unwrap();
    }
}

/// Rules that translate addresses of outgoing packets only, and the empty chains of a firewall manager.
#[test]
fn masquerade_and_empty_chains_end_no_answers() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    lab.add_rules(
        "table inet firewalld {
            chain nat_PREROUTING { type nat hook prerouting priority -90; jump zones; }
            chain zones { }
            chain nat_POSTROUTING { type nat hook postrouting priority 110; oifname \"tun0\" masquerade; }
         }",
    )
    .unwrap();
    let running = synguard.attach(&["--hold", "1s"]).unwrap();
    let flood = start(&lab, forged());
    await_xdp(&synguard);
    until("answers", SOON, || answered(&synguard) > 50_000);
    let visits = visit(&lab, &visitors(PORT));
    assert_eq!(visits.failed, 0, "{visits:?}");
    flood.stop().unwrap();
    running.terminate().unwrap();
}

/// A firewalled port with a listener behind it, and a source that the firewall bans: silence for the port, and what clients do
/// there ends no answers elsewhere.
#[test]
fn firewalled_port_is_silent_and_ends_no_answers() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    let _hidden = listen(&lab, OTHER);
    let banned = Family::V4.visitor(9);
    lab.add_rules(&format!(
        "table inet wall {{ chain input {{ type filter hook input priority 0;
            tcp dport {OTHER} drop; ip saddr {banned} drop; }}; }}"
    ))
    .unwrap();
    let running = synguard.attach(&["--hold", "1s", "--cookies", "xdp"]).unwrap();
    let hidden = start(&lab, FloodSpec { port: OTHER, ..forged() });
    await_xdp(&synguard);
    until("SYNs to the hidden port", SOON, || reason(&synguard, "unverified_path") > 50_000);
    assert_eq!(answered(&synguard), 0, "the hidden port answers");
    hidden.stop().unwrap();

    let flood = start(&lab, forged());
    until("answers", SOON, || answered(&synguard) > 50_000);
    // Five connects a second to the hidden port, and some from the banned source.
    let knock = |from: std::net::IpAddr, port| {
        let to = SocketAddr::new(Family::V4.server(), port);
        lab.client.run(|| connect(SocketAddr::new(from, 0), to, Duration::from_millis(100))).unwrap()
    };
    for number in 0..20 {
        assert!(knock(Family::V4.visitor(number), OTHER).is_err(), "a SYN-ACK from the hidden port");
        // A SYN-ACK may come from XDP; it leads nowhere.
        drop(knock(banned, PORT));
        thread::sleep(Duration::from_millis(100));
    }
    let spec = ClientSpec { visitors: 8, ..visitors(PORT) };
    let visits = visit(&lab, &spec);
    assert_eq!(visits.failed, 0, "{visits:?}");
    let before = answered(&synguard);
    until("answers go on", SOON, || answered(&synguard) > before + 50_000);
    assert!(!event_names(&synguard).iter().any(|name| name == "answers_lost"));
    flood.stop().unwrap();
    running.terminate().unwrap();
}

/// Direct server return: every packet to the server comes from a director, and the server replies by its router. A frame to the
/// director would go nowhere.
#[test]
fn visitors_behind_a_director_are_served() {
    for cookies in ["auto", "xdp"] {
        let (lab, synguard) = lab(1);
        let _web = Web::start(&lab).unwrap();
        // The visitors' packets come from the director; the replies to the flood leave to another router.
        lab.client
            .add_rules(&format!(
                "table netdev director {{ chain out {{ type filter hook egress device {DEVICE} priority 0;
                ether saddr set 02:00:00:00:00:dd; }}; }}"
            ))
            .unwrap();
        lab.server
            .ip(&format!("neigh replace 198.18.0.254 lladdr 02:00:00:00:00:fd nud permanent dev {DEVICE}"))
            .unwrap();
        let running = synguard.attach(&["--hold", "1s", "--cookies", cookies]).unwrap();
        let flood = start(&lab, forged());
        await_xdp(&synguard);
        let visits = visit(&lab, &visitors(PORT));
        println!("{cookies}: {visits:?}");
        assert_eq!((visits.failed, answered(&synguard)), (0, 0), "{cookies}: {visits:?}");
        assert!(visits.served > 500, "{visits:?}");
        flood.stop().unwrap();
        running.terminate().unwrap();
    }
}

//! XDP cookies that lead to no connection where the kernel's do: the controller leaves the listener to the kernel.

use std::time::{Duration, Instant};

use synguard_tests::{
    client::ClientSpec,
    lab::Family,
    web::{PORT, Web},
};

use super::{event, event_names, forged, lab, start, status, until, visit};

/// A rule from many firewall guides: the first packet of a connection must be a SYN, or it is dropped. With an XDP
/// cookie, the first packet that the firewall sees is an ACK.
#[test]
fn a_firewall_that_wants_to_see_the_syn_is_noticed() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    lab.add_rules(&format!(
        "table inet wall {{ chain input {{ type filter hook input priority 0;
            tcp dport {PORT} ct state new tcp flags & (syn | ack) != syn drop; }}; }}"
    ))
    .unwrap();
    let running = synguard.attach(&["--hold", "1s", "--cookies", "xdp"]).unwrap();
    let flood = start(&lab, forged());
    until("XDP cookies", Duration::from_secs(10), || status(&synguard)["cookies"]["mode"] == "xdp");
    let begun = Instant::now();
    let client = |seconds| ClientSpec {
        timeout: Duration::from_secs(2),
        ..ClientSpec::new(Family::V4, Duration::from_secs(seconds))
    };
    while !event_names(&synguard).iter().any(|name| name == "answers_lost") {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the loss is not noticed: {}",
            status(&synguard)["counters"]
        );
        visit(&lab, &client(1));
    }
    println!("noticed {} ms after cookies began, visits of a second included", begun.elapsed().as_millis());
    let visits = visit(&lab, &client(3));
    assert_eq!(visits.failed, 0, "{visits:?}");
    let lost = event(&synguard, "answers_lost");
    println!("{lost}");
    assert_eq!(lost["listener"], format!("{}:{PORT}", Family::V4.server()));
    assert_eq!(
        (&lost["interface"], &lost["seconds"], &lost["received"]),
        (&"eth0".into(), &60.into(), &0.into())
    );
    assert!(lost["sent"].as_u64().unwrap() >= 20 && lost["kernel_received"].as_u64().unwrap() >= 3, "{lost}");
    // The flood comes another way, on which nothing is known against XDP's cookies.
    let answered = || status(&synguard)["counters"]["answered"].as_u64().unwrap();
    let before = answered();
    until("answers to the flood", Duration::from_secs(3), || answered() > before + 20_000);
    flood.stop().unwrap();
    running.terminate().unwrap();
}

//! Automatic blocks: sources that are blocked for a while, and sources that never are.

use std::{thread, time::Duration};

use synguard_tests::{client::ClientSpec, lab::Family, web::Web};

use super::{concentrated, event, event_names, lab, start, status, until, visit, visits};

#[test]
fn persistent_offender_is_blocked() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    let running = synguard.attach(&["--hold", "1s"]).unwrap();
    let flood = start(&lab, concentrated());
    until("a block", Duration::from_secs(10), || event_names(&synguard).iter().any(|name| name == "blocked"));
    let blocked = event(&synguard, "blocked");
    assert_eq!((&blocked["source"], &blocked["strikes"]), (&"11.1.1.1".into(), &3.into()));
    assert!(blocked["rate"].as_u64().unwrap() > 10_000, "{blocked}");
    assert_eq!(blocked["ttl_seconds"], 30);
    until("drops for it", Duration::from_secs(2), || {
        status(&synguard)["counters"]["reasons"]["blocked_syn"].as_u64().unwrap() > 1_000
    });
    assert_eq!(visits(&lab, 1).failed, 0);
    // It outlives its controller, and is taken over by the next.
    running.kill().unwrap();
    let before = status(&synguard)["counters"]["reasons"]["blocked_syn"].as_u64();
    let again = synguard.attach(&["--hold", "1s"]).unwrap();
    until("the takeover", Duration::from_secs(5), || again.stderr().contains("took over"));
    until("drops for it", Duration::from_secs(2), || {
        status(&synguard)["counters"]["reasons"]["blocked_syn"].as_u64() > before.map(|n| n + 10_000)
    });
    flood.stop().unwrap();
}

#[test]
fn flash_crowd_is_not_an_attack() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    let _running = synguard.attach(&["--hold", "1s", "--distinct-limit", "300"]).unwrap();
    let crowd =
        ClientSpec { rate: 1_000, visitors: 16_000, ..ClientSpec::new(Family::V4, Duration::from_secs(6)) };
    let served = thread::scope(|scope| {
        let visits = scope.spawn(|| visit(&lab, &crowd));
        until("the crowd", Duration::from_secs(5), || {
            status(&synguard)["syn"]["distinct_sources"].as_u64().unwrap() > 0
        });
        visits.join().unwrap()
    });
    assert_eq!(served.failed, 0, "{served:?}");
    assert_eq!(event_names(&synguard), ["started"]);
}

#[test]
fn shared_address_is_limited_but_never_blocked() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    let _running = synguard.attach(&["--hold", "1s", "--syn-rate", "20"]).unwrap();
    let office = ClientSpec {
        rate: 400,
        visitors: 1,
        timeout: Duration::from_secs(1),
        ..ClientSpec::new(Family::V4, Duration::from_secs(8))
    };
    let seen = visit(&lab, &office);
    assert!(seen.failed > 100 && seen.served > 40, "{seen:?}");
    let names = event_names(&synguard);
    assert!(names.iter().any(|name| name == "over_limit"), "{names:?}");
    assert!(names.iter().any(|name| name == "spared"), "{names:?}");
    assert!(!names.iter().any(|name| name == "blocked"), "{names:?}");
}

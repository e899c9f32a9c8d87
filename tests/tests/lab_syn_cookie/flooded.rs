//! Under 60 000 forged SYNs a second, every visitor is served, and the kernel sends few SYN cookies.

use std::{thread, time::Duration};

use synguard_common::{
    gcra::RateLimit,
    reason::Reason,
    syn_cookie::config::{SYN_COOKIE_CHECK_ACKS, SYN_COOKIE_REQUIRE_RETRANSMIT, SynCookieConfig},
};
use synguard_tests::{
    client::{self, ClientSpec, Summary},
    flood::{Flood, FloodSpec, Totals},
    lab::Family,
    web::{self, Web},
};

use crate::testbed::{FAMILIES, PORT, Testbed, negotiated, talk};

const FLOOD: Duration = Duration::from_secs(3);
const RATE: u64 = 60_000;

fn spec(family: Family) -> FloodSpec {
    FloodSpec { rate_pps: Some(RATE), max_duration: FLOOD, sources: 1_000_000, ..FloodSpec::new(family) }
}

/// Floods while visitors come. Returns the frames sent, the frames that arrived, and the outcome of the visits.
fn flooded(testbed: &Testbed, flood: FloodSpec) -> (Totals, u64, Summary) {
    let family = flood.family;
    let losses = testbed.lab.ring_losses().unwrap();
    let flood = Flood::start(&testbed.lab, flood).unwrap();
    let visits = client::run(&testbed.lab.client, &ClientSpec::new(family, FLOOD)).unwrap();
    let totals = flood.wait().unwrap();
    let lost = testbed.lab.ring_losses().unwrap() - losses;
    println!("{family:?}: {totals:?}, {lost} lost, {}", brief(&visits));
    (totals, totals.offered - lost, visits)
}

fn brief(visits: &Summary) -> String {
    format!(
        "{} served, {} failed, p50 {:?}, p99 {:?}",
        visits.served,
        visits.failed,
        visits.p50(),
        visits.p99()
    )
}

#[test]
fn visitors_are_served_with_few_kernel_cookies() {
    for family in FAMILIES {
        let testbed = Testbed::new();
        let _web = Web::start(&testbed.lab).unwrap();
        let sent = testbed.lab.tcp_ext("SyncookiesSent").unwrap();
        let received = testbed.lab.tcp_ext("SyncookiesRecv").unwrap();
        let (totals, arrived, visits) = flooded(&testbed, spec(family));
        assert!(totals.rate() > 0.9 * RATE as f64, "{totals:?}");
        assert_eq!(visits.failed, 0, "{}", brief(&visits));
        assert!(visits.served > 100);
        let cookies = testbed.lab.tcp_ext("SyncookiesRecv").unwrap() - received;
        assert_eq!(cookies, visits.served as u64, "connections without a cookie");
        let left = testbed.left_to_kernel();
        let sent = testbed.lab.tcp_ext("SyncookiesSent").unwrap() - sent;
        println!("the kernel got {left} SYNs and sent {sent} cookies: {}", testbed.counted());
        assert_eq!(sent, left, "the kernel sent cookies for other SYNs");
        // The samples: at most one percent of the SYNs.
        assert!(sent <= arrived / 100, "the kernel sent {sent} cookies for {arrived} SYNs");
        testbed.wait_for(Reason::SynCookieSent, arrived + visits.served as u64 - left);
    }
}

#[test]
fn visitors_are_served_while_the_flood_has_a_foreign_tag() {
    // The server's kernel has no VLAN 7, so it ignores the flood, and the program must not reply for it.
    for family in FAMILIES {
        let testbed = Testbed::new();
        let _web = Web::start(&testbed.lab).unwrap();
        let (totals, arrived, visits) = flooded(&testbed, FloodSpec { vlan: Some(7), ..spec(family) });
        assert!(totals.rate() > 0.9 * RATE as f64, "{totals:?}");
        assert_eq!(visits.failed, 0, "{}", brief(&visits));
        assert!(visits.served > 100);
        testbed.wait_for(Reason::UnverifiedPath, arrived);
        assert!(testbed.count(Reason::SynCookieSent) <= visits.served as u64, "{}", testbed.counted());
    }
}

#[test]
fn connection_made_under_flood_has_options() {
    let testbed = Testbed::new();
    let mut samples = 0;
    for family in FAMILIES {
        let listener = testbed.listen();
        samples += testbed.verify(PORT, &[]);
        let flood = FloodSpec { port: PORT, ..spec(family) };
        let flood = Flood::start(&testbed.lab, flood).unwrap();
        thread::sleep(Duration::from_millis(300));
        for visitor in 0..20 {
            let (mut client, mut server) = testbed.connected(&listener, family.visitor(visitor));
            let negotiated = negotiated(&client, &server);
            let scale = testbed.kernel.window_scale;
            assert!(negotiated.timestamps && negotiated.sack, "{negotiated:?}");
            assert!(negotiated.scales.is_some_and(|(_, sent)| sent == scale), "{negotiated:?}, not {scale}");
            if visitor == 0 {
                talk(&mut client, &mut server);
            }
        }
        flood.stop().unwrap();
    }
    assert_eq!(testbed.lab.tcp_ext("SyncookiesSent").unwrap(), samples);
}

#[test]
fn validated_sources_are_served_over_the_rate_limit() {
    let mut testbed = Testbed::new();
    testbed.set(SynCookieConfig {
        flags: testbed.cookies.flags | SYN_COOKIE_CHECK_ACKS,
        validated_ns: 60_000_000_000,
        ..testbed.cookies
    });
    let _web = Web::start(&testbed.lab).unwrap();
    testbed.verify(web::PORT, &[]);
    for family in FAMILIES {
        let before = testbed.count(Reason::CookieAck);
        let visits = client::run(&testbed.lab.client, &ClientSpec::new(family, FLOOD / 3)).unwrap();
        assert_eq!(visits.failed, 0, "{}", brief(&visits));
        assert!(testbed.count(Reason::CookieAck) - before >= visits.served as u64);
    }
    // From now on, only validated sources get through.
    let RateLimit { interval_ns, tolerance_ns } = RateLimit::new(1, 1);
    testbed.set(SynCookieConfig { interval_ns, tolerance_ns, ..testbed.cookies });
    for family in FAMILIES {
        let (dropped, validated) =
            (testbed.count(Reason::CookieLimitExceeded), testbed.count(Reason::ValidatedSource));
        let (_, arrived, visits) = flooded(&testbed, spec(family));
        println!("{}", brief(&visits));
        assert_eq!(visits.failed, 0, "{}", brief(&visits));
        let validated = testbed.count(Reason::ValidatedSource) - validated;
        assert!(validated >= visits.served as u64 - 10, "{validated} SYNs of validated sources");
        testbed.wait_for(Reason::CookieLimitExceeded, dropped + arrived - 10);
    }
}

#[test]
fn drop_first_syn_serves_every_visitor() {
    for family in FAMILIES {
        let mut testbed = Testbed::new();
        testbed.set(SynCookieConfig {
            flags: testbed.cookies.flags | SYN_COOKIE_REQUIRE_RETRANSMIT,
            ..testbed.cookies
        });
        let _web = Web::start(&testbed.lab).unwrap();
        let (_, arrived, visits) = flooded(&testbed, spec(family));
        println!("{}", brief(&visits));
        assert_eq!(visits.failed, 0, "{}", brief(&visits));
        let (first, sent) = (testbed.count(Reason::FirstSyn), testbed.count(Reason::SynCookieSent));
        println!("{first} first SYNs, {sent} cookies, of {arrived} and {} visits", visits.served);
        // All but the SYNs that the Bloom filter reports as seen before: it shares words with the flood.
        assert!(first >= arrived * 95 / 100, "{first} of {arrived}");
        let left = testbed.left_to_kernel();
        println!("the kernel got {left}");
        assert!(sent + left >= visits.served as u64);
        assert!(left <= arrived / 100, "{left} of {arrived}");
    }
}

#[test]
fn cookies_stay_within_the_rate_limit() {
    let mut testbed = Testbed::new();
    let (rate, burst) = (10_000, 1_000);
    let RateLimit { interval_ns, tolerance_ns } = RateLimit::new(rate, burst);
    testbed.set(SynCookieConfig { interval_ns, tolerance_ns, ..testbed.cookies });
    let listener = testbed.listen();
    testbed.verify(PORT, &[]);
    // A visitor within the rate limit gets a cookie.
    let (mut client, mut server) = testbed.connected(&listener, Family::V4.visitor(1));
    talk(&mut client, &mut server);
    let before = testbed.count(Reason::SynCookieSent);
    let flood = Flood::start(&testbed.lab, FloodSpec { port: PORT, ..spec(Family::V4) }).unwrap();
    let totals = flood.wait().unwrap();
    let sent = testbed.count(Reason::SynCookieSent) - before;
    // The limit of one CPU, which receives the flood, and some more for the last moments and the visitor.
    let most = (totals.elapsed.as_secs_f64() + 0.2) * f64::from(rate) + f64::from(burst);
    println!("{sent} of {totals:?}, at most {most}");
    assert!((sent as f64) <= most, "{sent} cookies, not {most}");
    assert!(sent as f64 >= 0.9 * totals.elapsed.as_secs_f64() * f64::from(rate), "{sent} cookies");
    assert!(testbed.count(Reason::CookieLimitExceeded) >= totals.offered / 2);
    // An existing connection goes on.
    talk(&mut client, &mut server);
}

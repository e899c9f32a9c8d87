//! Under 60 000 forged SYNs a second: every visitor is served, and the kernel answers no SYN.

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
    web::Web,
};

use crate::stand::{FAMILIES, Stand, agreed, talk};

const FLOOD: Duration = Duration::from_secs(3);
const RATE: u64 = 60_000;

fn spec(family: Family) -> FloodSpec {
    FloodSpec { rate_pps: Some(RATE), max_duration: FLOOD, sources: 1_000_000, ..FloodSpec::new(family) }
}

/// Floods while visitors come. Returns what was sent, less what was lost on the way, and what became of the visits.
fn flooded(stand: &Stand, flood: FloodSpec) -> (Totals, u64, Summary) {
    let family = flood.family;
    let losses = stand.lab.ring_losses().unwrap();
    let flood = Flood::start(&stand.lab, flood).unwrap();
    let visits = client::run(&stand.lab.client, &ClientSpec::new(family, FLOOD)).unwrap();
    let totals = flood.wait().unwrap();
    let lost = stand.lab.ring_losses().unwrap() - losses;
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
fn visitors_are_served_and_the_kernel_answers_nobody() {
    for family in FAMILIES {
        for tag in [None, Some(7)] {
            let stand = Stand::new();
            let _web = Web::start(&stand.lab).unwrap();
            let sent = stand.lab.tcp_ext("SyncookiesSent").unwrap();
            let received = stand.lab.tcp_ext("SyncookiesRecv").unwrap();
            let (totals, arrived, visits) = flooded(&stand, FloodSpec { vlan: tag, ..spec(family) });
            println!("tag {tag:?}: {}", brief(&visits));
            assert!(totals.rate() > 0.9 * RATE as f64, "{totals:?}");
            assert_eq!(visits.failed, 0, "{}", brief(&visits));
            assert!(visits.served > 100);
            assert_eq!(stand.lab.tcp_ext("SyncookiesSent").unwrap(), sent, "the kernel answered SYNs");
            let cookies = stand.lab.tcp_ext("SyncookiesRecv").unwrap() - received;
            assert_eq!(cookies, visits.served as u64, "connections by another way");
            stand.wait_for(Reason::SynCookieSent, arrived + visits.served as u64);
        }
    }
}

#[test]
fn a_connection_made_under_a_flood_has_its_options() {
    let stand = Stand::new();
    for family in FAMILIES {
        let listener = stand.listen();
        let flood = FloodSpec { port: crate::stand::PORT, ..spec(family) };
        let flood = Flood::start(&stand.lab, flood).unwrap();
        thread::sleep(Duration::from_millis(300));
        for visitor in 0..20 {
            let (mut client, mut server) = stand.connected(&listener, family.visitor(visitor));
            let agreed = agreed(&client, &server);
            let scale = stand.answering.window_scale as u8;
            assert!(agreed.timestamps && agreed.sack, "{agreed:?}");
            assert!(agreed.scales.is_some_and(|(_, sent)| sent == scale), "{agreed:?}, not {scale}");
            if visitor == 0 {
                talk(&mut client, &mut server);
            }
        }
        flood.stop().unwrap();
    }
    assert_eq!(stand.lab.tcp_ext("SyncookiesSent").unwrap(), 0);
}

#[test]
fn those_who_proved_themselves_are_served_when_the_budget_is_used_up() {
    let mut stand = Stand::new();
    stand.set(SynCookieConfig {
        flags: stand.answering.flags | SYN_COOKIE_CHECK_ACKS,
        validated_ns: 60_000_000_000,
        ..stand.answering
    });
    let _web = Web::start(&stand.lab).unwrap();
    for family in FAMILIES {
        let before = stand.count(Reason::CookieAck);
        let visits = client::run(&stand.lab.client, &ClientSpec::new(family, FLOOD / 3)).unwrap();
        assert_eq!(visits.failed, 0, "{}", brief(&visits));
        assert!(stand.count(Reason::CookieAck) - before >= visits.served as u64);
    }
    // None but them gets an answer any more.
    let RateLimit { interval_ns, tolerance_ns } = RateLimit::new(1, 1);
    stand.set(SynCookieConfig { interval_ns, tolerance_ns, ..stand.answering });
    for family in FAMILIES {
        let (dropped, proven) =
            (stand.count(Reason::CookieRateExceeded), stand.count(Reason::ValidatedSource));
        let (_, arrived, visits) = flooded(&stand, spec(family));
        println!("{}", brief(&visits));
        assert_eq!(visits.failed, 0, "{}", brief(&visits));
        let proven = stand.count(Reason::ValidatedSource) - proven;
        assert!(proven >= visits.served as u64 - 10, "{proven} times proven");
        stand.wait_for(Reason::CookieRateExceeded, dropped + arrived - 10);
    }
}

#[test]
fn with_only_repetitions_answered_every_visitor_is_served_a_second_later() {
    for family in FAMILIES {
        let mut stand = Stand::new();
        stand.set(SynCookieConfig {
            flags: stand.answering.flags | SYN_COOKIE_REQUIRE_RETRANSMIT,
            ..stand.answering
        });
        let _web = Web::start(&stand.lab).unwrap();
        let (_, arrived, visits) = flooded(&stand, spec(family));
        println!("{}", brief(&visits));
        assert_eq!(visits.failed, 0, "{}", brief(&visits));
        let (first, answered) = (stand.count(Reason::FirstSyn), stand.count(Reason::SynCookieSent));
        println!("{first} first SYNs, {answered} answered, of {arrived} and {} visits", visits.served);
        // All but what the filter takes for seen before; this one shares words with the flood.
        assert!(first >= arrived * 95 / 100, "{first} of {arrived}");
        assert!(answered >= visits.served as u64);
    }
}

#[test]
fn no_more_is_answered_than_the_budget_allows() {
    let mut stand = Stand::new();
    let (rate, burst) = (10_000, 1_000);
    let RateLimit { interval_ns, tolerance_ns } = RateLimit::new(rate, burst);
    stand.set(SynCookieConfig { interval_ns, tolerance_ns, ..stand.answering });
    let listener = stand.listen();
    // Whoever is not over a budget now is answered.
    let (mut client, mut server) = stand.connected(&listener, Family::V4.visitor(1));
    talk(&mut client, &mut server);
    let before = stand.count(Reason::SynCookieSent);
    let flood = Flood::start(&stand.lab, FloodSpec { port: crate::stand::PORT, ..spec(Family::V4) }).unwrap();
    let totals = flood.wait().unwrap();
    let answered = stand.count(Reason::SynCookieSent) - before;
    // One CPU's, and its flood's: some more for the last moments and the visitor's.
    let most = (totals.elapsed.as_secs_f64() + 0.2) * f64::from(rate) + f64::from(burst);
    println!("{answered} of {totals:?}, at most {most}");
    assert!((answered as f64) <= most, "{answered} answers, not {most}");
    assert!(answered as f64 >= 0.9 * totals.elapsed.as_secs_f64() * f64::from(rate), "{answered} answers");
    assert!(stand.count(Reason::CookieRateExceeded) >= totals.offered / 2);
    // A connection that there is goes on.
    talk(&mut client, &mut server);
}

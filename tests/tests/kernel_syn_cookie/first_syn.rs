//! Drop-first-SYN: the program drops a first SYN and sends a cookie to its retransmission.

use std::time::{Duration, Instant};

use synguard_common::{
    reason::Reason,
    syn_cookie::config::{SYN_COOKIE_REQUIRE_RETRANSMIT, SynCookieConfig},
};

use crate::testbed::{FAMILIES, Family, LINUX, Testbed};

fn second(testbed: &mut Testbed) {
    testbed.set(SynCookieConfig {
        flags: testbed.cookies.flags | SYN_COOKIE_REQUIRE_RETRANSMIT,
        ..testbed.cookies
    });
}

#[test]
fn only_a_retransmitted_syn_gets_a_cookie() {
    Testbed::check("first SYNs", |testbed| {
        second(testbed);
        for family in FAMILIES {
            for number in 0..50 {
                let syn = testbed.syn(family, &LINUX);
                testbed.row(&format!("first, {number}, {family:?}"), &syn, Reason::FirstSyn);
                // The test does not wait for a second: the interval is up to the client.
                testbed.cookie_row(&format!("second, {number}, {family:?}"), &syn);
                testbed.cookie_row(&format!("third, {number}, {family:?}"), &syn);
            }
            // The timestamp of a retransmitted SYN moves on; its sequence number does not.
            let syn = testbed.syn(family, &LINUX);
            testbed.row(&format!("first, {family:?}"), &syn, Reason::FirstSyn);
            let mut later = LINUX;
            later[9] += 1;
            testbed.cookie_row(&format!("second and later, {family:?}"), &syn.clone().tcp_options(&later));
            let other = syn.numbers(0x5555, 0);
            testbed.row(&format!("another connection's, {family:?}"), &other, Reason::FirstSyn);
        }
    });
}

#[test]
fn unsupported_first_syn_is_not_dropped() {
    Testbed::check("first SYNs that are unsupported", |testbed| {
        second(testbed);
        for family in FAMILIES {
            let unsupported = testbed.syn(family, &[8, 0, 0, 0]);
            testbed.row(&format!("unsupported, {family:?}"), &unsupported, Reason::SynUnsupported);
        }
    });
}

#[test]
fn retransmission_is_recognized_for_two_seconds() {
    Testbed::check("windows", |testbed| {
        second(testbed);
        let early = testbed.syn(Family::V4, &LINUX);
        testbed.row("first", &early, Reason::FirstSyn);
        let begun = Instant::now();
        // A SYN retransmitted exactly when the first retransmission is due is recognized, in whichever window it
        // falls.
        let punctual = testbed.syn(Family::V4, &LINUX);
        testbed.row("first", &punctual, Reason::FirstSyn);
        while begun.elapsed() < Duration::from_millis(1000) {
            std::thread::sleep(Duration::from_millis(10));
        }
        testbed.cookie_row("after a second", &punctual);
        // The test cannot advance the program's clock, so it waits for at most two windows and some more.
        while begun.elapsed() < Duration::from_millis(4400) {
            std::thread::sleep(Duration::from_millis(10));
        }
        testbed.row("long after", &early, Reason::FirstSyn);
    });
}

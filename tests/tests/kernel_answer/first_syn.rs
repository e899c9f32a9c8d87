//! SynCookieConfig only what is sent again: a first SYN is dropped, its repetition answered.

use std::time::{Duration, Instant};

use synguard_common::{
    reason::Reason,
    syn_cookie::config::{SYN_COOKIE_REQUIRE_RETRANSMIT, SynCookieConfig},
};

use crate::stand::{FAMILIES, Family, LINUX, Stand};

fn second(stand: &mut Stand) {
    stand.set(SynCookieConfig {
        flags: stand.answering.flags | SYN_COOKIE_REQUIRE_RETRANSMIT,
        ..stand.answering
    });
}

#[test]
fn only_a_syn_that_is_sent_again_is_answered() {
    Stand::check("first SYNs", |stand| {
        second(stand);
        for family in FAMILIES {
            for number in 0..50 {
                let syn = stand.syn(family, &LINUX);
                stand.row(&format!("first, {number}, {family:?}"), &syn, Reason::FirstSyn);
                // A second is not waited for here: how long it takes is the client's affair.
                stand.answered(&format!("second, {number}, {family:?}"), &syn);
                stand.answered(&format!("third, {number}, {family:?}"), &syn);
            }
            // Its timestamp moves on when a SYN is sent again; its sequence number does not.
            let syn = stand.syn(family, &LINUX);
            stand.row(&format!("first, {family:?}"), &syn, Reason::FirstSyn);
            let mut later = LINUX;
            later[9] += 1;
            stand.answered(&format!("second and later, {family:?}"), &syn.clone().tcp_options(&later));
            let other = syn.numbers(0x5555, 0);
            stand.row(&format!("another connection's, {family:?}"), &other, Reason::FirstSyn);
        }
    });
}

#[test]
fn what_is_not_answered_anyway_is_not_dropped_for_being_first() {
    Stand::check("first SYNs that are odd", |stand| {
        second(stand);
        for family in FAMILIES {
            let odd = stand.syn(family, &[8, 0, 0, 0]);
            stand.row(&format!("odd, {family:?}"), &odd, Reason::SynUnsupported);
        }
    });
}

#[test]
fn a_repetition_is_known_for_two_seconds_and_not_for_ever() {
    Stand::check("windows", |stand| {
        second(stand);
        let early = stand.syn(Family::V4, &LINUX);
        stand.row("first", &early, Reason::FirstSyn);
        let begun = Instant::now();
        // One is sent again just when the first repetition is due: whatever window it fell into, it is known.
        let punctual = stand.syn(Family::V4, &LINUX);
        stand.row("first", &punctual, Reason::FirstSyn);
        while begun.elapsed() < Duration::from_millis(1000) {
            std::thread::sleep(Duration::from_millis(10));
        }
        stand.answered("after a second", &punctual);
        // Time cannot be made to pass for the program: at most two windows of it, and some.
        while begun.elapsed() < Duration::from_millis(4400) {
            std::thread::sleep(Duration::from_millis(10));
        }
        stand.row("long after", &early, Reason::FirstSyn);
    });
}

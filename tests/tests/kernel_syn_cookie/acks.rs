//! ACKs that come back: with a valid cookie, forged, and unrelated to a cookie; and sources validated by one.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    time::{Duration, Instant},
};

use synguard_common::{
    abi::{Config, FLAG_MONITOR},
    gcra::RateLimit,
    reason::Reason,
    syn_cookie::config::{SYN_COOKIE_CHECK_ACKS, SYN_COOKIE_REQUIRE_RETRANSMIT, SynCookieConfig},
};
use synguard_tests::{
    SECOND_NS,
    packet::{Packet, flags},
};

use crate::{
    listeners::{connected, from_client},
    testbed::{CLOSED, FAMILIES, FROM, Family, LINUX, PORT, Testbed, V4_TO, V6_TO, ack_of, reply},
};

const MINUTE_NS: u64 = 60 * SECOND_NS;

fn checking(testbed: &mut Testbed) {
    testbed.set(SynCookieConfig { flags: testbed.cookies.flags | SYN_COOKIE_CHECK_ACKS, ..testbed.cookies });
}

#[test]
fn ack_without_valid_cookie_is_counted() {
    Testbed::check("cookies", |testbed| {
        checking(testbed);
        for family in FAMILIES {
            for options in [&[][..], &LINUX] {
                let name = format!("{family:?}, {} bytes of options", options.len());
                let syn = testbed.syn(family, options);
                let Some(syn_ack) = testbed.cookie_row(&name, &syn) else { continue };
                let next = syn_ack.segment.sequence.wrapping_add(1);
                // The lowest bits of a cookie encode one of four MSS values, so a neighbouring number may encode
                // another one.
                for (what, next) in [
                    ("less", next.wrapping_sub(8)),
                    ("more", next.wrapping_add(8)),
                    ("another byte", next ^ 0x0100_0000),
                    ("zero", 0),
                ] {
                    let forged = reply(&syn, next, syn_ack.timestamp());
                    testbed.row(&format!("{name}, {what}"), &forged, Reason::AckWithoutConnection);
                }
                // A valid cookie, but another client's.
                let other = testbed.syn(family, options);
                let stolen = reply(&other, next, syn_ack.timestamp());
                testbed.row(&format!("{name}, another's"), &stolen, Reason::AckWithoutConnection);
                testbed.row(&format!("{name}, valid"), &ack_of(&syn, &syn_ack), Reason::CookieAck);
                let data = ack_of(&syn, &syn_ack).psh().payload(b"GET / HTTP/1.0\r\n\r\n");
                testbed.row(&format!("{name}, with data"), &data, Reason::CookieAck);
                // A segment right behind the ACK may come before the kernel has made the connection.
                let more = reply(&syn, next.wrapping_add(100), syn_ack.timestamp()).payload(b"more");
                testbed.row(&format!("{name}, right behind"), &more, Reason::NotSyn);
            }
        }
    });
}

#[test]
fn cookie_in_vlan_tags_is_valid() {
    Testbed::check("cookies in tags", |testbed| {
        checking(testbed);
        for family in FAMILIES {
            let outer = Packet::eth().vlan_tpid(0x88a8, 5).vlan(7).vlan(8).vlan(9);
            let syn = testbed.client_under(outer, family).tcp(FROM, PORT).syn().tcp_options(&LINUX);
            let Some(syn_ack) = testbed.cookie_row(&format!("{family:?}"), &syn) else { continue };
            let forged = reply(&syn, syn_ack.segment.sequence ^ 0x0080_0000, syn_ack.timestamp());
            testbed.row(&format!("{family:?}, forged"), &forged, Reason::AckWithoutConnection);
            testbed.row(&format!("{family:?}, valid"), &ack_of(&syn, &syn_ack), Reason::CookieAck);
        }
    });
}

#[test]
fn only_acks_to_listeners_are_checked() {
    Testbed::check("other segments", |testbed| {
        checking(testbed);
        for family in FAMILIES {
            let to =
                |testbed: &mut Testbed, port| testbed.client_under(Packet::eth(), family).tcp(FROM, port);
            let rows = [
                ("ACK to nobody", CLOSED, flags::ACK, Reason::NotSyn),
                ("RST", PORT, flags::RST, Reason::NotSyn),
                ("RST and ACK", PORT, flags::RST | flags::ACK, Reason::NotSyn),
                ("SYN and ACK", PORT, flags::SYN | flags::ACK, Reason::NotSyn),
                ("FIN and ACK", PORT, flags::FIN | flags::ACK, Reason::NotSyn),
                ("ACK to a listener", PORT, flags::ACK, Reason::AckWithoutConnection),
                ("ACK and PSH to a listener", PORT, flags::ACK | flags::PSH, Reason::AckWithoutConnection),
            ];
            for (name, port, flags, reason) in rows {
                let packet = to(testbed, port).flags(flags);
                testbed.row(&format!("{name}, {family:?}"), &packet, reason);
            }
        }
    });
}

#[test]
fn acks_of_connections_always_pass() {
    Testbed::check("established", |testbed| {
        checking(testbed);
        for address in [V4_TO, V6_TO] {
            let listener = TcpListener::bind((address, 1000)).unwrap();
            let (mut client, mut server) = connected(&listener);
            client.write_all(b"?").unwrap();
            server.read_exact(&mut [0]).unwrap();
            for flags in [flags::ACK, flags::ACK | flags::PSH, flags::ACK | flags::FIN] {
                let segment = from_client(&client).flags(flags).numbers(1, 2);
                testbed.row(&format!("flags {flags:#x}, {address}"), &segment, Reason::NotSyn);
            }
            // The neighbour: no such connection.
            let mut stranger = from_client(&client).ack().build();
            let port = if address == V4_TO { 14 + 20 } else { 14 + 40 };
            stranger[port] ^= 1;
            testbed.row_frame(&format!("another port, {address}"), &stranger, Reason::AckWithoutConnection);
        }
    });
}

#[test]
fn acks_are_dropped_only_if_configured() {
    Testbed::check("unchecked", |testbed| {
        for family in FAMILIES {
            let forged = testbed.client_under(Packet::eth(), family).tcp(FROM, PORT).ack();
            testbed.row(&format!("unchecked, {family:?}"), &forged, Reason::NotSyn);
            checking(testbed);
            testbed.row(&format!("checked, {family:?}"), &forged, Reason::AckWithoutConnection);
            let config = testbed.config;
            testbed.set_config(Config { flags: config.flags | FLAG_MONITOR, ..config });
            testbed.row(&format!("monitor mode, {family:?}"), &forged, Reason::WouldAckWithoutConnection);
            testbed.set_config(Config { disarm_at_ns: 1, ..config });
            testbed.row(&format!("disarmed, {family:?}"), &forged, Reason::WouldAckWithoutConnection);
            // Nothing is guarded.
            testbed.set_config(Config { flags: 0, ..config });
            testbed.row(&format!("unguarded, {family:?}"), &forged, Reason::NotSyn);
            testbed.set_config(config);
            testbed.set(SynCookieConfig { flags: 0, ..testbed.cookies });
            testbed.row(&format!("cookies are off, {family:?}"), &forged, Reason::NotSyn);
            testbed.set(synguard_tests::testrun::cookie_config());
        }
    });
}

/// Sends a SYN, and then the ACK to its SYN-ACK.
fn handshake(testbed: &mut Testbed, name: &str, syn: &Packet) {
    if let Some(syn_ack) = testbed.cookie_row(&format!("{name}, SYN"), syn) {
        testbed.row(&format!("{name}, ACK"), &ack_of(syn, &syn_ack), Reason::CookieAck);
    }
}

/// Uses up the rate limit, so that every further SYN exceeds it.
fn used_up(testbed: &mut Testbed) -> SynCookieConfig {
    let before = testbed.cookies;
    let limit = RateLimit { interval_ns: 10 * MINUTE_NS, tolerance_ns: 0 };
    testbed.filter.reset_cookie_limits();
    testbed.set(SynCookieConfig {
        interval_ns: limit.interval_ns,
        tolerance_ns: limit.tolerance_ns,
        ..before
    });
    let last = testbed.syn(Family::V4, &LINUX);
    testbed.cookie_row("the last one within the rate limit", &last);
    before
}

#[test]
fn validated_source_passes_over_the_rate_limit() {
    Testbed::check("validated", |testbed| {
        checking(testbed);
        testbed.set(SynCookieConfig { validated_ns: 10 * MINUTE_NS, ..testbed.cookies });
        for family in FAMILIES {
            let (syn, other) = (testbed.syn(family, &LINUX), testbed.syn(family, &LINUX));
            handshake(testbed, &format!("{family:?}"), &syn);
            let again = syn.numbers(0x7777, 0);
            // A source is not validated by a cookie that it never acknowledged, nor by a forged acknowledgement.
            testbed.cookie_row(&format!("another source, {family:?}"), &other);
            testbed.row(
                &format!("its forged ACK, {family:?}"),
                &reply(&other, 1, None),
                Reason::AckWithoutConnection,
            );
            let within = used_up(testbed);
            testbed.row(&format!("over the rate limit, {family:?}"), &again, Reason::ValidatedSource);
            testbed.row(&format!("another source, {family:?}"), &other, Reason::CookieLimitExceeded);
            testbed.set(SynCookieConfig { flags: within.flags | SYN_COOKIE_REQUIRE_RETRANSMIT, ..within });
            let again = again.numbers(0x8888, 0);
            testbed.row(&format!("for the first time, {family:?}"), &again, Reason::ValidatedSource);
            let first = other.numbers(0x8888, 0);
            testbed.row(&format!("another source for the first time, {family:?}"), &first, Reason::FirstSyn);
            testbed.set(within);
            testbed.cookie_row(&format!("within the rate limit, {family:?}"), &again.numbers(0x9999, 0));
        }
    });
}

#[test]
fn validation_can_be_off() {
    Testbed::check("not validated", |testbed| {
        checking(testbed);
        for family in FAMILIES {
            let syn = testbed.syn(family, &LINUX);
            handshake(testbed, &format!("{family:?}"), &syn);
            let within = used_up(testbed);
            testbed.row(&format!("over the rate limit, {family:?}"), &syn, Reason::CookieLimitExceeded);
            testbed.set(within);
        }
    });
}

#[test]
fn validation_expires() {
    Testbed::check("validation expires", |testbed| {
        checking(testbed);
        // Longer than the time for which segments right behind an ACK pass.
        testbed.set(SynCookieConfig { validated_ns: 2_300_000_000, ..testbed.cookies });
        let syn = testbed.syn(Family::V4, &LINUX);
        handshake(testbed, "source", &syn);
        let begun = Instant::now();
        used_up(testbed);
        testbed.row("at once", &syn, Reason::ValidatedSource);
        // The end of the validation is kept in units of about a second, rounded up.
        while begun.elapsed() < Duration::from_millis(3_500) {
            std::thread::sleep(Duration::from_millis(10));
        }
        testbed.row("later", &syn, Reason::CookieLimitExceeded);
    });
}

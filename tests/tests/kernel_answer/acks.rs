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
use synguard_tests::packet::{Packet, flags};

use crate::{
    listeners::{connected, from_client},
    stand::{CLOSED, FAMILIES, FROM, Family, LINUX, PORT, Stand, V4_TO, V6_TO, ack_of, reply},
};

const MINUTE_NS: u64 = 60_000_000_000;

fn checking(stand: &mut Stand) {
    stand.set(SynCookieConfig { flags: stand.answering.flags | SYN_COOKIE_CHECK_ACKS, ..stand.answering });
}

#[test]
fn an_ack_must_return_a_cookie() {
    Stand::check("cookies", |stand| {
        checking(stand);
        for family in FAMILIES {
            for options in [&[][..], &LINUX] {
                let name = format!("{family:?}, {} bytes of options", options.len());
                let syn = stand.syn(family, options);
                let Some(answer) = stand.answered(&name, &syn) else { continue };
                let next = answer.segment.sequence.wrapping_add(1);
                // In its lowest bits it says which of four MSS it is; a neighbour may say another one.
                for (what, next) in [
                    ("less", next.wrapping_sub(8)),
                    ("more", next.wrapping_add(8)),
                    ("another byte", next ^ 0x0100_0000),
                    ("zero", 0),
                ] {
                    let forged = reply(&syn, next, answer.timestamp());
                    stand.row(&format!("{name}, {what}"), &forged, Reason::AckWithoutConnection);
                }
                // Right, but not this client's.
                let other = stand.syn(family, options);
                let stolen = reply(&other, next, answer.timestamp());
                stand.row(&format!("{name}, another's"), &stolen, Reason::AckWithoutConnection);
                stand.row(&format!("{name}, valid"), &ack_of(&syn, &answer), Reason::CookieAck);
                let data = ack_of(&syn, &answer).psh().payload(b"GET / HTTP/1.0\r\n\r\n");
                stand.row(&format!("{name}, with data"), &data, Reason::CookieAck);
                // What follows at once may come before the kernel has made the connection.
                let more = reply(&syn, next.wrapping_add(100), answer.timestamp()).payload(b"more");
                stand.row(&format!("{name}, right behind"), &more, Reason::NotSyn);
            }
        }
    });
}

#[test]
fn a_cookie_in_tags_is_valid_too() {
    Stand::check("cookies in tags", |stand| {
        checking(stand);
        for family in FAMILIES {
            let outer = Packet::eth().vlan_tpid(0x88a8, 5).vlan(7).vlan(8).vlan(9);
            let syn = stand.client_under(outer, family).tcp(FROM, PORT).syn().tcp_options(&LINUX);
            let Some(answer) = stand.answered(&format!("{family:?}"), &syn) else { continue };
            let forged = reply(&syn, answer.segment.sequence ^ 0x0080_0000, answer.timestamp());
            stand.row(&format!("{family:?}, forged"), &forged, Reason::AckWithoutConnection);
            stand.row(&format!("{family:?}, valid"), &ack_of(&syn, &answer), Reason::CookieAck);
        }
    });
}

#[test]
fn only_acks_to_listeners_are_looked_at() {
    Stand::check("other segments", |stand| {
        checking(stand);
        for family in FAMILIES {
            let to = |stand: &mut Stand, port| stand.client_under(Packet::eth(), family).tcp(FROM, port);
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
                let packet = to(stand, port).flags(flags);
                stand.row(&format!("{name}, {family:?}"), &packet, reason);
            }
        }
    });
}

#[test]
fn acks_of_connections_pass_whatever_they_acknowledge() {
    Stand::check("established", |stand| {
        checking(stand);
        for address in [V4_TO, V6_TO] {
            let listener = TcpListener::bind((address, 1000)).unwrap();
            let (mut client, mut server) = connected(&listener);
            client.write_all(b"?").unwrap();
            server.read_exact(&mut [0]).unwrap();
            for flags in [flags::ACK, flags::ACK | flags::PSH, flags::ACK | flags::FIN] {
                let segment = from_client(&client).flags(flags).numbers(1, 2);
                stand.row(&format!("flags {flags:#x}, {address}"), &segment, Reason::NotSyn);
            }
            // The neighbour: no such connection.
            let mut stranger = from_client(&client).ack().build();
            let port = if address == V4_TO { 14 + 20 } else { 14 + 40 };
            stranger[port] ^= 1;
            stand.row_frame(&format!("another port, {address}"), &stranger, Reason::AckWithoutConnection);
        }
    });
}

#[test]
fn acks_are_dropped_only_when_that_was_asked_for() {
    Stand::check("unchecked", |stand| {
        for family in FAMILIES {
            let forged = stand.client_under(Packet::eth(), family).tcp(FROM, PORT).ack();
            stand.row(&format!("unchecked, {family:?}"), &forged, Reason::NotSyn);
            checking(stand);
            stand.row(&format!("checked, {family:?}"), &forged, Reason::AckWithoutConnection);
            let config = stand.config;
            stand.set_config(Config { flags: config.flags | FLAG_MONITOR, ..config });
            stand.row(&format!("watched, {family:?}"), &forged, Reason::WouldAckWithoutConnection);
            stand.set_config(Config { disarm_at_ns: 1, ..config });
            stand.row(&format!("disarmed, {family:?}"), &forged, Reason::WouldAckWithoutConnection);
            // Nothing is guarded.
            stand.set_config(Config { flags: 0, ..config });
            stand.row(&format!("unguarded, {family:?}"), &forged, Reason::NotSyn);
            stand.set_config(config);
            stand.set(SynCookieConfig { flags: 0, ..stand.answering });
            stand.row(&format!("answering is off, {family:?}"), &forged, Reason::NotSyn);
            stand.set(synguard_tests::testrun::answering());
        }
    });
}

/// A SYN, and then the ACK on its answer.
fn handshake(stand: &mut Stand, name: &str, syn: &Packet) {
    if let Some(answer) = stand.answered(&format!("{name}, SYN"), syn) {
        stand.row(&format!("{name}, ACK"), &ack_of(syn, &answer), Reason::CookieAck);
    }
}

/// Budgets that nobody is within.
fn used_up(stand: &mut Stand) -> SynCookieConfig {
    let before = stand.answering;
    let limit = RateLimit { interval_ns: 10 * MINUTE_NS, tolerance_ns: 0 };
    stand.filter.reset_answers();
    stand.set(SynCookieConfig { interval_ns: limit.interval_ns, tolerance_ns: limit.tolerance_ns, ..before });
    let last = stand.syn(Family::V4, &LINUX);
    stand.answered("the last one within the budget", &last);
    before
}

#[test]
fn a_source_that_has_proved_itself_is_not_dropped_unanswered() {
    Stand::check("proven", |stand| {
        checking(stand);
        stand.set(SynCookieConfig { validated_ns: 10 * MINUTE_NS, ..stand.answering });
        for family in FAMILIES {
            let (syn, other) = (stand.syn(family, &LINUX), stand.syn(family, &LINUX));
            handshake(stand, &format!("{family:?}"), &syn);
            let again = syn.numbers(0x7777, 0);
            // What has never been acknowledged proves nothing, nor does a forged acknowledgement.
            stand.answered(&format!("another source, {family:?}"), &other);
            stand.row(
                &format!("its forged ACK, {family:?}"),
                &reply(&other, 1, None),
                Reason::AckWithoutConnection,
            );
            let within = used_up(stand);
            stand.row(&format!("over the budget, {family:?}"), &again, Reason::ValidatedSource);
            stand.row(&format!("another source, {family:?}"), &other, Reason::CookieRateExceeded);
            stand.set(SynCookieConfig { flags: within.flags | SYN_COOKIE_REQUIRE_RETRANSMIT, ..within });
            let again = again.numbers(0x8888, 0);
            stand.row(&format!("for the first time, {family:?}"), &again, Reason::ValidatedSource);
            let first = other.numbers(0x8888, 0);
            stand.row(&format!("another source for the first time, {family:?}"), &first, Reason::FirstSyn);
            stand.set(within);
            stand.answered(&format!("within the budget, {family:?}"), &again.numbers(0x9999, 0));
        }
    });
}

#[test]
fn nothing_is_proved_where_that_is_off() {
    Stand::check("not proven", |stand| {
        checking(stand);
        for family in FAMILIES {
            let syn = stand.syn(family, &LINUX);
            handshake(stand, &format!("{family:?}"), &syn);
            let within = used_up(stand);
            stand.row(&format!("over the budget, {family:?}"), &syn, Reason::CookieRateExceeded);
            stand.set(within);
        }
    });
}

#[test]
fn proof_is_forgotten_after_its_time() {
    Stand::check("proof's end", |stand| {
        checking(stand);
        // More than the time for which what comes right behind an ACK passes.
        stand.set(SynCookieConfig { validated_ns: 2_300_000_000, ..stand.answering });
        let syn = stand.syn(Family::V4, &LINUX);
        handshake(stand, "source", &syn);
        let begun = Instant::now();
        used_up(stand);
        stand.row("at once", &syn, Reason::ValidatedSource);
        // It is kept in units of about a second, rounded up.
        while begun.elapsed() < Duration::from_millis(3_500) {
            std::thread::sleep(Duration::from_millis(10));
        }
        stand.row("later", &syn, Reason::CookieRateExceeded);
    });
}

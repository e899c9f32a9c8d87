//! The live settings: monitor mode, disarming, hold, ports, flags that are dropped, and none at all.

use synguard_common::{
    abi::{Config, FLAG_ALL_PORTS, FLAG_DROP_BAD_FLAGS, FLAG_MONITOR},
    reason::Reason,
    source::SourceState,
};
use synguard_tests::{
    SECOND_NS,
    packet::Packet,
    testrun::{config, now_ns},
};

use crate::table::{PORT, Setup, Table, V4, V4_TO, V6, V6_TO, held, idle, key, over, ports, strict};

fn to(port: u16) -> Packet {
    Packet::eth().ipv4(V4, V4_TO).tcp(40_000, port)
}

fn syn() -> Packet {
    to(PORT).syn()
}

/// A SYN whose TCP header comes in a second fragment.
fn hidden_syn() -> Packet {
    Packet::eth().ipv4(V4, V4_TO).fragment(0, true).tcp(40_000, PORT).syn().truncate(14 + 20 + 8)
}

/// Runs every kind of packet that may be dropped: `drops` is whether it is dropped, or only counted as `would_…`.
fn dangers(table: &mut Table, name: &str, config: Config, drops: bool) {
    let named = |what| format!("{name}: {what}");
    let outcome = |reason: Reason| if drops { reason } else { reason.monitored() };
    let setup = Setup::new(config).flags(FLAG_DROP_BAD_FLAGS);
    let packet6 = Packet::eth().vlan(1).ipv6(V6, V6_TO).dest_opts().tcp(40_000, PORT).syn();
    for (packet, source) in [(syn(), key(V4)), (packet6, key(V6)), (hidden_syn(), key(V4))] {
        table.row(&named("new source"), &setup, &packet, source, Reason::SynPassed);
        let over = setup.clone().source(source, over());
        table.row(&named("over its rate"), &over, &packet, source, outcome(Reason::RateExceeded));
        let held = setup.clone().source(source, held());
        table.row(&named("in hold"), &held, &packet, source, outcome(Reason::Hold));
    }
    let bad = to(PORT).syn().fin();
    table.row(&named("bad flags"), &setup, &bad, key(V4), outcome(Reason::BadFlags));
    let held = setup.clone().source(key(V4), held());
    table.row(&named("bad flags in hold"), &held, &bad, key(V4), outcome(Reason::BadFlags));
    table.row(&named("ACK in hold"), &held, &to(PORT).ack(), key(V4), Reason::NotSyn);
}

#[test]
fn monitor_mode_counts_would_be_drops_and_passes_them() {
    Table::check("monitor mode and disarming", |table| {
        let plain = strict();
        dangers(table, "armed", plain, true);
        dangers(table, "monitor", Config { flags: plain.flags | FLAG_MONITOR, ..plain }, false);
        let at = |disarm_at_ns| Config { disarm_at_ns, ..plain };
        dangers(table, "disarmed long ago", at(1), false);
        dangers(table, "disarmed a second ago", at(now_ns() - SECOND_NS), false);
        dangers(table, "to be disarmed", at(now_ns() + 1000 * SECOND_NS), true);
        dangers(table, "to be disarmed at the end of time", at(u64::MAX), true);
        let both = Config { flags: plain.flags | FLAG_MONITOR, ..at(1) };
        dangers(table, "monitor and disarmed", both, false);
    });
}

#[test]
fn a_hold_lasts_as_long_as_the_setting_says() {
    Table::check("hold", |table| {
        let rows = |hold_ns: u64| Setup::new(Config { hold_ns, ..strict() });
        let until = |hold_until_ns| SourceState { hold_until_ns, ..idle() };
        let row = |table: &mut Table, name: &str, setup: Setup, state, reason| {
            table.row(name, &setup.source(key(V4), state), &syn(), key(V4), reason);
        };
        let now = now_ns();
        row(table, "within the setting", rows(100 * SECOND_NS), until(now + 90 * SECOND_NS), Reason::Hold);
        row(table, "over", rows(100 * SECOND_NS), until(now - SECOND_NS), Reason::SynPassed);
        row(table, "never", rows(100 * SECOND_NS), until(0), Reason::SynPassed);
        row(
            table,
            "longer than the setting",
            rows(60 * SECOND_NS),
            until(now + 90 * SECOND_NS),
            Reason::SynPassed,
        );
        row(table, "for ever", rows(100 * SECOND_NS), until(u64::MAX), Reason::SynPassed);
        row(table, "switched off since", rows(0), until(now + 90 * SECOND_NS), Reason::SynPassed);
        let both = SourceState { hold_until_ns: now + 90 * SECOND_NS, ..over() };
        row(table, "in hold and over its rate", rows(100 * SECOND_NS), both, Reason::Hold);
        row(
            table,
            "longer than the setting and over its rate",
            rows(60 * SECOND_NS),
            both,
            Reason::RateExceeded,
        );
        row(table, "no hold, over its rate", rows(0), over(), Reason::RateExceeded);
    });
}

#[test]
fn nothing_is_limited_without_a_rate() {
    Table::check("no settings", |table| {
        let nothing = Setup::new(Config::default()).source(key(V4), held());
        // Without settings no port is guarded, so that is the reason found.
        table.row("all zeros", &nothing, &syn(), key(V4), Reason::UnguardedPort);
        table.row("all zeros, bad flags", &nothing, &to(PORT).syn().fin(), key(V4), Reason::UnguardedPort);
        table.row("all zeros, ACK", &nothing, &to(PORT).ack(), key(V4), Reason::NotSyn);
        table.row("all zeros, hidden SYN", &nothing, &hidden_syn(), key(V4), Reason::Unconfigured);
        let all = nothing.clone().flags(FLAG_ALL_PORTS);
        table.row("all ports", &all, &syn(), key(V4), Reason::Unconfigured);
        let some = Setup { ports: ports(&[PORT]), ..nothing };
        table.row("one port", &some, &syn(), key(V4), Reason::Unconfigured);
        table.row("another port", &some, &to(80).syn(), key(V4), Reason::UnguardedPort);
        let monitor = all.clone().flags(FLAG_MONITOR);
        table.row("monitor", &monitor, &syn(), key(V4), Reason::Unconfigured);
        let bad = all.flags(FLAG_DROP_BAD_FLAGS);
        table.row("bad flags need no rate", &bad, &to(PORT).syn().fin(), key(V4), Reason::BadFlags);
        let rate = Setup::new(strict()).source(key(V4), held());
        table.row("the neighbour: with a rate", &rate, &syn(), key(V4), Reason::Hold);
    });
}

#[test]
fn only_guarded_ports_are_limited() {
    Table::check("ports", |table| {
        let some = [0, 22, 63, 64, 443, 8080, 65_535];
        let config = Config { flags: 0, ..config(50, 100) };
        let base = Setup { ports: ports(&some), ..Setup::new(Config { hold_ns: 100 * SECOND_NS, ..config }) };
        let held = base.clone().source(key(V4), held());
        for port in some {
            table.row(&format!("guarded {port}"), &base, &to(port).syn(), key(V4), Reason::SynPassed);
            table.row(&format!("guarded {port} in hold"), &held, &to(port).syn(), key(V4), Reason::Hold);
        }
        for port in [1, 21, 23, 62, 65, 442, 444, 0xbb01, 8081, 65_534] {
            table.row(&format!("unguarded {port}"), &base, &to(port).syn(), key(V4), Reason::UnguardedPort);
            table.row(
                &format!("unguarded {port}, hold"),
                &held,
                &to(port).syn(),
                key(V4),
                Reason::UnguardedPort,
            );
            let all = held.clone().flags(FLAG_ALL_PORTS);
            table.row(&format!("{port}, all guarded"), &all, &to(port).syn(), key(V4), Reason::Hold);
        }
        let from = Packet::eth().ipv4(V4, V4_TO).tcp(443, 444).syn();
        table.row("from a guarded port", &held, &from, key(V4), Reason::UnguardedPort);
        let v6 = |port| Packet::eth().ipv6(V6, V6_TO).dest_opts().tcp(1, port).syn();
        table.row("IPv6 guarded", &base, &v6(443), key(V6), Reason::SynPassed);
        table.row("IPv6 unguarded", &base, &v6(444), key(V6), Reason::UnguardedPort);
        // Its port is not known, so it might be for a guarded one.
        table.row("hidden SYN", &base, &hidden_syn(), key(V4), Reason::SynPassed);
        table.row("hidden SYN in hold", &held, &hidden_syn(), key(V4), Reason::Hold);
        let none = Setup { ports: ports(&[]), ..held.clone() };
        table.row("no port at all", &none, &syn(), key(V4), Reason::UnguardedPort);
        let bad = held.flags(FLAG_DROP_BAD_FLAGS);
        table.row("bad flags, guarded", &bad, &to(443).fin(), key(V4), Reason::BadFlags);
        table.row("bad flags, unguarded", &bad, &to(444).fin(), key(V4), Reason::BadFlags);
        table.row("good flags, unguarded", &bad, &to(444).fin().ack(), key(V4), Reason::NotSyn);
    });
}

//! Addresses that count as one source, and the behaviour with more sources than the table has room for.

use std::net::{Ipv4Addr, Ipv6Addr};

use synguard_common::{
    abi::Config, addr::Mask, map_names::SOURCES_PER_CPU_MIN, reason::Reason, source::SourceKey,
};
use synguard_tests::{
    packet::Packet,
    testrun::{Filter, Outcome, config},
};

use crate::table::{PORT, Setup, Table, V4_TO, V6_TO, exact, held, key, strict};

fn v6(source: &str) -> Packet {
    Packet::eth().ipv6(source, V6_TO).tcp(40_000, PORT).syn()
}

fn masked(length: u32) -> Config {
    Config { source_mask_v6: Mask::of_length(length), source_prefix_v6: length, ..strict() }
}

#[test]
fn ipv6_sources_are_prefixes_of_the_configured_length() {
    const HELD: &str = "2001:db8:1:2:3:4:5:6";
    Table::check("IPv6 prefixes", |table| {
        let address: Ipv6Addr = HELD.parse().unwrap();
        // For each prefix length, another address in the prefix and one beyond it.
        for (length, inside, outside) in [
            (128, HELD, "2001:db8:1:2:3:4:5:7"),
            (127, "2001:db8:1:2:3:4:5:7", "2001:db8:1:2:3:4:5:8"),
            (96, "2001:db8:1:2:3:4::", "2001:db8:1:2:3:5:5:6"),
            (65, "2001:db8:1:2:7fff::", "2001:db8:1:2:8003:4:5:6"),
            (64, "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:3:3:4:5:6"),
            (63, "2001:db8:1:3::", "2001:db8:1:1::"),
            (56, "2001:db8:1:ff::", "2001:db8:1:100::"),
            (48, "2001:db8:1:ffff::", "2001:db8:2::"),
            (1, "::1", "8000::"),
        ] {
            let network = |address: Ipv6Addr| {
                let mask = u128::MAX << (128 - length);
                exact(Ipv6Addr::from(u128::from(address) & mask))
            };
            let setup = Setup::new(masked(length)).source(network(address), held());
            let name = |what| format!("/{length}, {what}");
            table.row(&name("the address"), &setup, &v6(HELD), network(address), Reason::Hold);
            table.row(&name("another inside"), &setup, &v6(inside), network(address), Reason::Hold);
            let other = network(outside.parse().unwrap());
            table.row(&name("one outside"), &setup, &v6(outside), other, Reason::SynPassed);
        }
    });
}

#[test]
fn ipv4_sources_are_single_addresses() {
    Table::check("IPv4 sources", |table| {
        for length in [1, 48, 64, 128] {
            let setup = Setup::new(masked(length)).source(key("192.0.2.1"), held());
            for (source, reason) in [
                ("192.0.2.1", Reason::Hold),
                ("192.0.2.0", Reason::SynPassed),
                ("192.0.2.2", Reason::SynPassed),
                ("192.0.3.1", Reason::SynPassed),
                ("1.2.0.192", Reason::SynPassed),
            ] {
                let packet = Packet::eth().ipv4(source, V4_TO).tcp(40_000, PORT).syn();
                let name = format!("{source} with IPv6 sources of /{length}");
                table.row(&name, &setup, &packet, key(source), reason);
            }
            // The server's address does not matter, only the sender's.
            let back = Packet::eth().ipv4(V4_TO, "192.0.2.1").tcp(40_000, PORT).syn();
            table.row("to the source in hold", &setup, &back, key(V4_TO), Reason::SynPassed);
        }
        // The network stack refuses IPv6 packets from mapped addresses, so no real host shares the entry.
        let setup = Setup::new(masked(128)).source(key("192.0.2.1"), held());
        table.row(
            "IPv6 from the mapped address",
            &setup,
            &v6("::ffff:192.0.2.1"),
            key("192.0.2.1"),
            Reason::Hold,
        );
        let setup = Setup::new(masked(64)).source(key("192.0.2.1"), held());
        table.row("the same as a /64", &setup, &v6("::ffff:192.0.2.1"), key("::"), Reason::SynPassed);
    });
}

#[test]
fn full_table_makes_room_and_refuses_no_source() {
    let cpus = aya::util::nr_cpus().unwrap() as u32;
    let capacity = SOURCES_PER_CPU_MIN * cpus;
    let mut filter = Filter::load_with_sources(capacity);
    filter.set_config(config(1, 1));
    let sources = 4 * capacity;
    let mut frame = Packet::eth().ipv4("10.0.0.0", V4_TO).tcp(40_000, PORT).syn().build();
    let key_of = |number: u32| exact(Ipv4Addr::from(0x0a00_0000 + number).to_ipv6_mapped());
    for number in 0..sources {
        frame[26..30].copy_from_slice(&(0x0a00_0000 + number).to_be_bytes());
        let outcome = filter.run(&frame);
        assert_eq!(outcome, Outcome::of(Reason::SynPassed, 1, frame.len()), "source {number}");
        let state = filter.source(key_of(number)).expect("the source just seen has an entry");
        assert_eq!((state.passed, state.dropped), (1, 0), "source {number}");
    }
    let known: Vec<SourceKey> = filter.sources().into_iter().map(|(key, _)| key).collect();
    println!("{} of {sources} sources known, room for {capacity}", known.len());
    assert!(known.len() <= capacity as usize);
    assert!(known.len() >= capacity as usize / 2, "only {} of {capacity} places are used", known.len());
    let inserts: u64 = filter.cpu_states().iter().map(|cpu| cpu.sources.inserts).sum();
    assert_eq!(inserts, u64::from(sources));
    // The source seen last is still limited.
    let outcome = filter.run(&frame);
    assert_eq!(outcome, Outcome::of(Reason::RateExceeded, 1, frame.len()));
}

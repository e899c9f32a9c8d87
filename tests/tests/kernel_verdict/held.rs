//! The hold cache: it drops what the table would drop, for a tick, and loses no count.

use synguard_common::{
    abi::Config,
    addr::HashSeed,
    hash, hold_cache,
    reason::Reason,
    source::{SourceKey, SourceState},
};
use synguard_tests::{
    SECOND_NS,
    packet::Packet,
    testrun::{Filter, now_ns},
};

use crate::table::{PORT, V4, V4_TO, exact, held as in_hold, idle, key, strict};

const SEED: HashSeed = HashSeed([7, 11]);

fn seeded() -> Config {
    Config { hash_seed: SEED, ..strict() }
}

fn syn(source: &str) -> Vec<u8> {
    Packet::eth().ipv4(source, V4_TO).tcp(40_000, PORT).syn().build()
}

fn slot(key: SourceKey) -> usize {
    hold_cache::index(hash::address(key.address, SEED))
}

/// Returns the drops that a source's own entry counts, without the pending ones of the hold cache.
fn counted(filter: &Filter, key: SourceKey) -> u64 {
    filter.source(key).unwrap().dropped - filter.uncounted(key)
}

#[test]
fn flood_in_hold_is_dropped_from_the_hold_cache() {
    const REPEAT: u32 = 200_000;
    let mut filter = Filter::with_config(seeded());
    filter.set_source(key(V4), in_hold());
    let outcome = filter.run_repeat(&syn(V4), REPEAT);
    assert_eq!(outcome.delta[Reason::Hold.index() as usize].packets, u64::from(REPEAT));
    assert_eq!(filter.source(key(V4)).unwrap().dropped, idle().dropped + u64::from(REPEAT));
    assert!(filter.uncounted(key(V4)) > 0, "the memory was never used");
}

#[test]
fn a_hold_that_ends_ends_for_the_memory_too() {
    let mut filter = Filter::with_config(seeded());
    filter.set_source(key(V4), SourceState { hold_until_ns: now_ns() + SECOND_NS / 10, ..idle() });
    let (frame, mut held) = (syn(V4), 0);
    let passed = loop {
        let outcome = filter.run_repeat(&frame, 1000);
        held += outcome.delta[Reason::Hold.index() as usize].packets;
        let passed = outcome.delta[Reason::SynPassed.index() as usize].packets;
        if passed > 0 {
            break passed;
        }
    };
    // The first SYN after the hold passes; it brings the count of those before it along. The next begins a hold.
    assert_eq!(passed, 1);
    let state = filter.source(key(V4)).unwrap();
    assert_eq!((state.passed, state.dropped), (idle().passed + 1, idle().dropped + held + 1));
}

#[test]
fn sources_sharing_a_slot_are_dropped_and_counted() {
    const ROUNDS: u32 = 50;
    const REPEAT: u32 = 500;
    let first = key(V4);
    let other = (1..=u8::MAX)
        .flat_map(|net| (1..=u8::MAX).map(move |host| format!("198.51.{net}.{host}")))
        .find(|address| slot(key(address)) == slot(first))
        .unwrap();
    let apart = (1..=u8::MAX).map(|host| format!("203.0.113.{host}"));
    let apart = apart.into_iter().find(|address| slot(key(address)) != slot(first)).unwrap();
    let mut filter = Filter::with_config(seeded());
    let sources = [V4, &other, &apart];
    for source in sources {
        filter.set_source(key(source), in_hold());
    }
    for _ in 0..ROUNDS {
        for source in sources {
            let outcome = filter.run_repeat(&syn(source), REPEAT);
            assert_eq!(outcome.delta[Reason::Hold.index() as usize].packets, u64::from(REPEAT), "{source}");
        }
    }
    for source in sources {
        let dropped = filter.source(key(source)).unwrap().dropped;
        assert_eq!(dropped, idle().dropped + u64::from(ROUNDS * REPEAT), "{source}");
    }
    // The previous source's drops were added to its entry when the slot changed hands.
    assert!(counted(&filter, first) > idle().dropped && counted(&filter, key(&other)) > idle().dropped);
}

#[test]
fn a_neighbour_of_a_source_in_hold_passes() {
    let mut filter = Filter::with_config(seeded());
    filter.set_source(key(V4), in_hold());
    let _ = filter.run_repeat(&syn(V4), 1000);
    // In the same slot or not: each address of the next /24 passes once, whatever the memory holds.
    for host in 0..=u8::MAX {
        let address = format!("192.0.3.{host}");
        assert_eq!(filter.run(&syn(&address)).reason(), Some(Reason::SynPassed), "{address}");
    }
    assert_eq!(filter.source(exact("::ffff:192.0.3.0".parse().unwrap())).unwrap().dropped, 0);
}

//! Sequences: a burst, then drops, then hold; and the events about it.

use synguard_common::{
    abi::{Config, Counter, EVENT_LIMIT, FLAG_MONITOR},
    reason::Reason,
    source::{SourceKey, SourceState},
};
use synguard_tests::{
    SECOND_NS,
    command::pin_to_cpu,
    packet::Packet,
    testrun::{Filter, HOLD_NS, Outcome, REASONS, action, earliest_reading_ns, now_ns},
};

use crate::table::{PORT, V4, V4_TO, V6, V6_TO, key, strict};

fn syn() -> Vec<u8> {
    Packet::eth().ipv4(V4, V4_TO).tcp(40_000, PORT).syn().build()
}

fn syn6() -> Vec<u8> {
    Packet::eth().vlan(3).ipv6(V6, V6_TO).hop_by_hop().tcp(40_000, 8443).syn().build()
}

/// Settings for bursts of `burst` and no more while a test runs.
fn bursts(burst: u64) -> Config {
    let interval = 100 * SECOND_NS;
    Config {
        syn_interval_ns: interval,
        syn_tolerance_ns: interval * (burst - 1),
        hold_ns: HOLD_NS,
        ..strict()
    }
}

/// Returns the outcome of SYNs of which these numbers passed, exceeded the rate, and came in hold.
fn outcome(frame: &[u8], action: u32, counts: [(Reason, u64); 3]) -> Outcome {
    let mut outcome = Outcome { action, delta: [Counter::default(); REASONS] };
    for (reason, packets) in counts {
        let delta = &mut outcome.delta[reason.index() as usize];
        (delta.packets, delta.bytes) = (packets, packets * frame.len() as u64);
    }
    outcome
}

#[test]
fn burst_passes_then_one_exceeds_then_hold_begins() {
    for (frame, source) in [(syn(), key(V4)), (syn6(), key(V6))] {
        for burst in [1, 2, 3, 10, 100, 1000] {
            let filter = Filter::with_config(bursts(burst));
            for number in 1..=burst.min(10) {
                assert_eq!(
                    filter.run(&frame),
                    Outcome::of(Reason::SynPassed, 1, frame.len()),
                    "{number} of {burst}"
                );
            }
            let rest = (burst - burst.min(10)) as u32;
            if rest > 0 {
                let expected = Outcome::of(Reason::SynPassed, rest.into(), frame.len());
                assert_eq!(filter.run_repeat(&frame, rest), expected, "burst {burst}");
            }
            let before = earliest_reading_ns();
            assert_eq!(
                filter.run(&frame),
                Outcome::of(Reason::RateExceeded, 1, frame.len()),
                "burst {burst}"
            );
            let after = now_ns();
            let state = filter.source(source).unwrap();
            let held = before + HOLD_NS..=after + HOLD_NS;
            assert!(held.contains(&state.hold_until_ns), "burst {burst}: {state:?}, not in {held:?}");
            assert_eq!((state.passed, state.dropped), (burst, 1), "burst {burst}");
            assert_eq!(
                filter.run_repeat(&frame, 50),
                Outcome::of(Reason::Hold, 50, frame.len()),
                "burst {burst}"
            );
            // The hold is not extended by SYNs that come in it.
            let later = filter.source(source).unwrap();
            assert_eq!((later.hold_until_ns, later.dropped), (state.hold_until_ns, 51), "burst {burst}");
            assert_eq!(filter.sources().len(), 1, "burst {burst}");
        }
    }
}

#[test]
fn call_with_many_packets_counts_each() {
    let frame = syn();
    let filter = Filter::with_config(bursts(100));
    let counts = [(Reason::SynPassed, 100), (Reason::RateExceeded, 1), (Reason::Hold, 9_899)];
    assert_eq!(filter.run_repeat(&frame, 10_000), outcome(&frame, action::DROP, counts));
    let filter = Filter::with_config(Config { hold_ns: 0, ..bursts(100) });
    let counts = [(Reason::SynPassed, 100), (Reason::RateExceeded, 9_900), (Reason::Hold, 0)];
    assert_eq!(filter.run_repeat(&frame, 10_000), outcome(&frame, action::DROP, counts), "without hold");
    let monitor = bursts(100);
    let filter = Filter::with_config(Config { flags: monitor.flags | FLAG_MONITOR, ..monitor });
    let counts = [(Reason::SynPassed, 100), (Reason::WouldRateExceeded, 1), (Reason::WouldHold, 9_899)];
    assert_eq!(filter.run_repeat(&frame, 10_000), outcome(&frame, action::PASS, counts), "monitor mode");
}

#[test]
fn the_bucket_fills_at_the_rate() {
    let frame = syn();
    let config = bursts(10);
    let mut filter = Filter::with_config(config);
    // The SYNs that the bucket lacks, and the SYNs that it still accepts.
    for (used, passes) in [(0, 10), (1, 9), (5, 5), (9, 1), (10, 0)] {
        // Half an interval off the edge, so that the moment of the call does not matter.
        let tat_ns =
            if used == 0 { 0 } else { now_ns() + used * config.syn_interval_ns - config.syn_interval_ns / 2 };
        filter.set_source(key(V4), SourceState { tat_ns, ..SourceState::default() });
        let counts =
            [(Reason::SynPassed, passes), (Reason::RateExceeded, 1), (Reason::Hold, 20 - passes - 1)];
        assert_eq!(filter.run_repeat(&frame, 20), outcome(&frame, action::DROP, counts), "{used} used");
    }
    // A value that no bucket of this size can have is left over from another setting: the bucket is full.
    let tat_ns = now_ns() + 20 * config.syn_interval_ns;
    filter.set_source(key(V4), SourceState { tat_ns, ..SourceState::default() });
    assert_eq!(filter.run(&frame), Outcome::of(Reason::SynPassed, 1, frame.len()));
    let state = filter.source(key(V4)).unwrap();
    assert!(state.tat_ns <= now_ns() + config.syn_interval_ns, "{state:?}");
}

#[test]
fn a_source_in_hold_does_not_touch_its_neighbours() {
    let filter = Filter::with_config(bursts(5));
    assert_eq!(filter.run_uncounted(&syn(), 100), action::DROP);
    for source in ["192.0.2.0", "192.0.2.2", "192.0.3.1"] {
        let frame = Packet::eth().ipv4(source, V4_TO).tcp(40_000, PORT).syn().build();
        assert_eq!(filter.run_repeat(&frame, 5), Outcome::of(Reason::SynPassed, 5, frame.len()), "{source}");
    }
    // Nor its own connections.
    let frame = Packet::eth().ipv4(V4, V4_TO).tcp(40_000, PORT).ack().build();
    assert_eq!(filter.run_repeat(&frame, 100), Outcome::of(Reason::NotSyn, 100, frame.len()));
}

fn one_event(frame: &[u8], source: SourceKey, port: u16, flags: u32) {
    let config = bursts(3);
    let filter = Filter::with_config(Config { flags: config.flags | flags, ..config });
    assert_ne!(filter.run_uncounted(frame, 3), action::DROP);
    assert_eq!(filter.events(), [], "nothing has exceeded anything");
    let before = earliest_reading_ns();
    filter.run_uncounted(frame, 100);
    let events = filter.events();
    let [event] = events.as_slice() else { panic!("one event, not {events:?}") };
    assert_eq!((event.source, event.port, event.reason), (source, port, Reason::RateExceeded.index()));
    assert!((before..=now_ns()).contains(&event.at_ns), "{event:?}");
    assert_eq!(event.reserved, 0);
}

#[test]
fn a_source_that_exceeds_its_rate_makes_one_event() {
    one_event(&syn(), key(V4), PORT, 0);
    one_event(&syn6(), key(V6), 8443, 0);
    one_event(&syn(), key(V4), PORT, FLAG_MONITOR);
    let hidden =
        Packet::eth().ipv4(V4, V4_TO).fragment(0, true).tcp(40_000, PORT).syn().truncate(14 + 20 + 8);
    one_event(&hidden.build(), key(V4), 0, 0);
}

#[test]
fn events_are_bounded_and_none_is_lost_uncounted() {
    const PACKETS: u32 = 50_000;
    // The bound is for each CPU.
    pin_to_cpu(0).unwrap();
    // Without hold every SYN exceeds the rate anew, and would be an event.
    let filter = Filter::with_config(Config { hold_ns: 0, ..strict() });
    assert_eq!(filter.run_uncounted(&syn(), 1), action::PASS);
    let begun = earliest_reading_ns();
    assert_eq!(filter.run_uncounted(&syn(), PACKETS), action::DROP);
    let elapsed = now_ns() - begun;
    let events = filter.events().len() as u64;
    let burst = EVENT_LIMIT.tolerance_ns / EVENT_LIMIT.interval_ns + 1;
    let bound = burst + elapsed / EVENT_LIMIT.interval_ns + 1;
    assert!((burst..=bound).contains(&events), "{events} events, not {burst} to {bound}");
    let states = filter.cpu_states();
    assert_eq!(states.iter().map(|cpu| cpu.events_sent).sum::<u64>(), events);
    let suppressed: u64 = states.iter().map(|cpu| cpu.events_suppressed).sum();
    assert_eq!(suppressed + events, u64::from(PACKETS));
}

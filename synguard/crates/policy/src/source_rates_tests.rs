use proptest::prelude::*;
use synguard_common::addr::Addr;

use super::*;

const TICK: Duration = Duration::from_millis(250);
const LIMIT: u32 = 100;

fn key(number: u32) -> Prefix {
    Prefix::new(Addr::from_v4((0x0b00_0000 + number).to_be()), 128)
}

fn tick(number: u64) -> Monotonic {
    Monotonic::from_ns(1_000_000_000_000) + TICK * number as u32
}

fn count(number: u32, syns: u64) -> SourceCount {
    SourceCount {
        key: key(number),
        syns,
        hits: 0,
        first_seen: Monotonic::default(),
        recent: None,
        is_blocked: false,
    }
}

fn names(sources: &[AttackSource]) -> Vec<(&str, u64)> {
    sources.iter().map(|source| (source.source.as_str(), source.syn_rate)).collect()
}

#[test]
fn busiest_three_are_named_by_rate() {
    let mut rates = SourceRates::default();
    for at in 0..9 {
        let counts: Vec<_> = (1..6).map(|number| count(number, at * u64::from(number) * 100)).collect();
        rates.observe(&counts, tick(at));
    }
    let top = rates.top_now(6_000.0, LIMIT);
    assert_eq!(names(&top), [("11.0.0.5", 2_000), ("11.0.0.4", 1_600), ("11.0.0.3", 1_200)]);
    assert_eq!(rates.rate(&key(1)), 400.0);
    // None of them stands out in a large flood, and none where the limit is higher.
    assert_eq!(rates.top_now(1e6, LIMIT), []);
    assert_eq!(rates.top_now(6_000.0, 2_000), []);
}

#[test]
fn new_source_has_a_rate_at_once() {
    let mut rates = SourceRates::default();
    let new = SourceCount { first_seen: tick(3) + Duration::from_millis(50), ..count(1, 20_000) };
    rates.observe(&[new, count(2, 20_000)], tick(4));
    assert_eq!(
        names(&rates.top_now(20_000.0, LIMIT)),
        [("11.0.0.1", 20_000)],
        "the other may have sent it at any time"
    );
    rates.observe(&[SourceCount { syns: 40_000, ..new }, count(2, 20_000)], tick(5));
    assert_eq!((rates.rate(&key(1)), rates.rate(&key(2))), (40_000.0, 0.0));
}

#[test]
fn blocked_source_that_begins_has_a_rate_at_once() {
    let mut rates = SourceRates::default();
    // A million packets were blocked long ago, and 5 000 SYNs since the tick before.
    let recent = RecentSyns { since: tick(3), syns: 5_000 };
    let blocked = SourceCount { hits: 1_005_000, recent: Some(recent), is_blocked: true, ..count(1, 70) };
    rates.observe(&[blocked], tick(4));
    rates.begin_attack();
    let top = rates.top_now(5_000.0, LIMIT);
    assert_eq!((names(&top), top[0].syns, top[0].blocked), (vec![("11.0.0.1", 5_000)], 5_000, true));
    rates.observe(&[SourceCount { hits: 1_010_000, recent: None, ..blocked }], tick(5));
    assert_eq!((rates.rate(&key(1)), rates.top_of_attack(10_000, LIMIT)[0].syns), (10_000.0, 10_000));
    // What was measured over too long a time says nothing of this moment.
    let old = RecentSyns { since: tick(0), syns: 5_000 };
    rates.observe(&[SourceCount { recent: Some(old), ..SourceCount { key: key(2), ..blocked } }], tick(6));
    assert_eq!(rates.rate(&key(2)), 0.0);
}

#[test]
fn silent_source_is_forgotten_after_the_attack() {
    let mut rates = SourceRates::default();
    rates.observe(&[count(1, 0)], tick(0));
    rates.begin_attack();
    rates.observe(&[count(1, 1_000)], tick(1));
    (2..400).for_each(|at| rates.observe(&[], tick(at)));
    assert_eq!(rates.rate(&key(1)), 0.0);
    assert_eq!(names(&rates.top_of_attack(1_000, LIMIT)), [("11.0.0.1", 1_000)], "the highest rate");
    rates.end_attack();
    rates.observe(&[], tick(400));
    assert!(rates.tracks.is_empty());
}

#[test]
fn number_of_sources_is_bounded_and_the_busiest_stays() {
    let mut rates = SourceRates::default();
    for at in 0..8 {
        rates.observe(&[count(0, at * 10_000)], tick(at));
        let others: Vec<_> = (0..500).map(|number| count(1 + at as u32 * 500 + number, 9)).collect();
        rates.observe(&others, tick(at));
    }
    assert_eq!(rates.tracks.len(), TRACKS_MAX);
    assert!(rates.rate(&key(0)) > 10_000.0);
}

proptest! {
    /// A steady source has its rate, whatever the pauses between the counts.
    #[test]
    fn rate_of_a_steady_source_is_exact(per_ms in 1u64..1_000, pauses in prop::collection::vec(1u64..2_000, 5..60)) {
        let mut rates = SourceRates::default();
        let (mut at_ms, mut measured_ms) = (1_000_000, 0);
        for pause in pauses {
            rates.observe(&[count(1, at_ms * per_ms)], Monotonic::from_ns(at_ms * 1_000_000));
            let rate = rates.rate(&key(1));
            prop_assert!(rate <= per_ms as f64 * 1_000.0 + 1e-3, "{rate}");
            if measured_ms >= 1_000 {
                prop_assert!((rate - per_ms as f64 * 1_000.0).abs() < 1e-3, "{rate} after {measured_ms} ms");
            }
            at_ms += pause;
            measured_ms += pause;
        }
    }

    /// Every SYN that a count adds is in the total of the attack once, although entries are evicted and made anew, hits move
    /// from the blocklist to the table, and what several CPUs count is read a little too low.
    #[test]
    fn total_is_the_sum_of_the_counts(steps in prop::collection::vec((0u64..5_000, 0u8..5), 1..80)) {
        let mut rates = SourceRates::default();
        rates.observe(&[count(1, 0)], tick(0));
        rates.begin_attack();
        let (mut seen, mut total) = (count(1, 0), 0);
        for (at, (mut fresh, what)) in (1..).zip(steps) {
            let mut lag = 0;
            match what {
                0 => {
                    fresh = fresh.min(seen.syns.saturating_sub(1));
                    (seen.syns, seen.first_seen) = (fresh, tick(at) - TICK / 2);
                }
                1 => {
                    seen.syns += fresh;
                    lag = fresh + 3;
                }
                2 => seen.hits += fresh,
                3 => (seen.syns, seen.hits) = (seen.syns + seen.hits + fresh, 0),
                _ => seen.syns += fresh,
            }
            total += fresh;
            rates.observe(&[SourceCount { syns: seen.syns.saturating_sub(lag), ..seen }], tick(at));
            prop_assert!(rates.tracks[&key(1)].syns_of_attack() <= total);
            // The next count has them all.
            rates.observe(&[seen], tick(at) + TICK / 4);
            prop_assert_eq!(rates.tracks[&key(1)].syns_of_attack(), total);
        }
    }
}

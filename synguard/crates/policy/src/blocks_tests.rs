use proptest::prelude::*;
use synguard_common::addr::Addr;

use super::*;

const LIMIT: SourceLimit = SourceLimit { syn_rate: 100, hold: Duration::from_secs(10) };

fn second(at: u64) -> Monotonic {
    Monotonic::default() + Duration::from_secs(at)
}

fn source(number: u32) -> SourceKey {
    SourceKey { address: Addr::from_v4((0x0a00_0000 + number).to_be()) }
}

/// Records a violation at `at` seconds with so many SYNs dropped by then, and decides about the source if it is a candidate.
fn violate(
    blocks: &mut Blocks,
    number: u32,
    at: u64,
    dropped: u64,
    exemption: Option<Exemption>,
) -> Vec<BlockDecision> {
    blocks.record(&[Violation { source: source(number), dropped }], LIMIT, second(at));
    let candidates = blocks.candidates().into_iter().map(|candidate| (candidate, exemption)).collect();
    blocks.decide(&candidates, LIMIT, false, second(at))
}

/// Returns when and for how long a source is blocked that sends `rate` SYNs per second and violates after every hold. While
/// it is blocked the datapath sees no violation.
fn ladder(blocks: &mut Blocks, rate: u64, from: u64, until: u64) -> Vec<(u64, u64)> {
    let mut decisions = Vec::new();
    let (mut at, mut dropped) = (from, 0);
    while at < until {
        let mut next = at + 10;
        for decision in violate(blocks, 1, at, dropped, None) {
            if let BlockDecision::Block { ttl, .. } = decision {
                decisions.push((at, ttl.as_secs()));
                next = at + ttl.as_secs();
            }
        }
        dropped += rate * 10;
        at = next;
    }
    decisions
}

#[test]
fn persistent_source_is_blocked_ever_longer() {
    let mut blocks = Blocks::default();
    let minutes = |n: u64| n * 60;
    assert_eq!(
        ladder(&mut blocks, 1_000, 0, minutes(200)),
        [
            // The third strike in a row, then the second after each block.
            (20, minutes(5)),
            (20 + minutes(5) + 10, minutes(10)),
            (40 + minutes(15), minutes(20)),
            (50 + minutes(35), minutes(40)),
            (60 + minutes(75), minutes(80)),
            (70 + minutes(155), minutes(80)),
        ]
    );
}

#[test]
fn source_that_slows_down_is_never_blocked() {
    // 399 SYNs per second where 100 are allowed: many people behind one address who retry.
    assert_eq!(ladder(&mut Blocks::default(), 399, 0, 7200), []);
    assert_ne!(ladder(&mut Blocks::default(), 400, 0, 7200), []);
}

#[test]
fn strikes_are_forgotten_and_blocks_forgiven() {
    let mut blocks = Blocks::default();
    // Two strikes, then nothing for longer than six holds, then two more.
    for (at, dropped) in [(0, 0), (10, 10_000), (75, 10_000), (85, 20_000)] {
        assert_eq!(violate(&mut blocks, 1, at, dropped, None), []);
    }
    assert_eq!(ladder(&mut blocks, 1_000, 1_000, 1_030), [(1_020, 300)]);
    // Ten minutes after its end the block of five is forgiven: the next is as long as the first.
    assert_eq!(ladder(&mut blocks, 1_000, 1_320 + 600, 1_320 + 640), [(1_320 + 620, 300)]);
    // A second earlier it is not.
    let end = 1_320 + 620 + 300;
    assert_eq!(ladder(&mut blocks, 1_000, end + 599, end + 620), [(end + 609, 600)]);
}

#[test]
fn records_are_forgotten() {
    let mut blocks = Blocks::default();
    ladder(&mut blocks, 1_000, 0, 30);
    for number in 2..100 {
        violate(&mut blocks, number, 40, 0, None);
    }
    assert_eq!(blocks.records.len(), 99);
    blocks.record(&[], LIMIT, second(101));
    assert_eq!(blocks.records.len(), 1);
    blocks.record(&[], LIMIT, second(2_000));
    assert_eq!(blocks.records.len(), 0);
}

#[test]
fn number_of_blocks_is_bounded() {
    let mut blocks = Blocks::default();
    let many = BLOCKS_MAX as u32 + 10;
    let mut decisions = Vec::new();
    for at in [0, 10, 20] {
        let violations: Vec<_> =
            (0..many).map(|number| Violation { source: source(number), dropped: at * 1_000 }).collect();
        blocks.record(&violations, LIMIT, second(at));
        let candidates = blocks.candidates().into_iter().map(|candidate| (candidate, None)).collect();
        decisions.extend(blocks.decide(&candidates, LIMIT, false, second(at)));
    }
    assert_eq!(blocks.in_force(second(20)), BLOCKS_MAX);
    assert_eq!(decisions.len(), BLOCKS_MAX + 1);
    assert_eq!(decisions.last(), Some(&BlockDecision::Full));
    // The number of records is bounded, too.
    let violations: Vec<_> =
        (0..20_000).map(|number| Violation { source: source(number), dropped: 0 }).collect();
    blocks.record(&violations, LIMIT, second(21));
    assert_eq!(blocks.records.len(), RECORDS_MAX);
}

#[test]
fn removed_block_is_judged_anew() {
    let mut blocks = Blocks::default();
    assert_eq!(ladder(&mut blocks, 1_000, 0, 25), [(20, 300)]);
    let listed = |is_listed| BTreeMap::from([(source(1), is_listed)]);
    assert_eq!(blocks.confirm(&listed(true)), [source(1)]);
    assert_eq!(blocks.confirm(&listed(true)), [], "once");
    assert_eq!(blocks.in_force(second(25)), 1);
    // The operator removes the block after ten seconds. The flood goes on, and is judged as one of a new source.
    assert_eq!(blocks.confirm(&listed(false)), []);
    assert_eq!(blocks.in_force(second(30)), 0);
    assert_eq!(ladder(&mut blocks, 1_000, 30, 60), [(50, 300)]);
    // Sources that are not blocked are none of the list's business.
    assert_eq!(blocks.confirm(&BTreeMap::from([(source(2), false)])), []);
}

#[test]
fn would_be_blocks_end_with_monitor_mode() {
    let mut blocks = Blocks::default();
    for at in [0, 10, 20] {
        blocks.record(&[Violation { source: source(1), dropped: at * 1_000 }], LIMIT, second(at));
    }
    let candidates = BTreeMap::from([(source(1), None)]);
    let decisions = blocks.decide(&candidates, LIMIT, true, second(20));
    assert!(matches!(decisions[..], [BlockDecision::Block { .. }]), "{decisions:?}");
    assert_eq!((blocks.in_force(second(21)), blocks.decided(second(21))), (0, 1));
    blocks.forget_would_be();
    assert_eq!(blocks.decided(second(21)), 0);
    assert_eq!(ladder(&mut blocks, 1_000, 30, 60), [(50, 300)]);
}

proptest! {
    /// Whatever the violations: a block never gets shorter while it lasts, is never longer than the longest, and the
    /// exempt are never blocked.
    #[test]
    fn blocks_stay_within_their_bounds(violations in prop::collection::vec((0u32..5, 0u64..60, 0u64..100_000), 1..300)) {
        let mut blocks = Blocks::default();
        let (mut at, mut dropped) = (0, [0u64; 5]);
        let mut until = [0u64; 5];
        for (number, pause, more) in violations {
            at += pause;
            dropped[number as usize] += more;
            let exemption = (number == 0).then_some(Exemption::Connected);
            for decision in violate(&mut blocks, number, at, dropped[number as usize], exemption) {
                let BlockDecision::Block { source: blocked, ttl, .. } = decision else { continue };
                prop_assert_ne!(number, 0);
                prop_assert_eq!(blocked, source(number));
                prop_assert!(at >= until[number as usize], "blocked again while blocked");
                prop_assert!(ttl <= block_duration(DOUBLINGS, LIMIT) && ttl >= block_duration(0, LIMIT));
                until[number as usize] = at + ttl.as_secs();
            }
        }
    }
}

use proptest::prelude::*;
use synguard_common::addr;

use super::*;

const SECOND: u64 = 1_000_000_000;
const TERMS: Terms = Terms { syn_rate: 100, hold: Duration::from_secs(10) };

fn source(number: u32) -> SourceKey {
    SourceKey { address: addr::v4_mapped((0x0a00_0000 + number).to_be()) }
}

/// Offends at `at` seconds with so many SYNs dropped by then, and is judged if it is suspected.
fn offend(
    blocks: &mut Blocks,
    number: u32,
    at: u64,
    dropped: u64,
    exemption: Option<Exemption>,
) -> Vec<Sentence> {
    blocks.note(&[Violation { source: source(number), dropped }], TERMS, at * SECOND);
    let suspects = blocks.suspects().into_iter().map(|suspect| (suspect, exemption)).collect();
    blocks.judge(&suspects, TERMS, at * SECOND)
}

/// A source's SYNs a second, offending after every hold from `from` on: when and for how long it is blocked. While
/// it is blocked the datapath sees no offence.
fn ladder(blocks: &mut Blocks, rate: u64, from: u64, until: u64) -> Vec<(u64, u64)> {
    let mut sentences = Vec::new();
    let (mut at, mut dropped) = (from, 0);
    while at < until {
        let mut next = at + 10;
        for sentence in offend(blocks, 1, at, dropped, None) {
            if let Sentence::Block { ttl, .. } = sentence {
                sentences.push((at, ttl.as_secs()));
                next = at + ttl.as_secs();
            }
        }
        dropped += rate * 10;
        at = next;
    }
    sentences
}

#[test]
fn one_that_keeps_on_is_blocked_for_longer_and_longer() {
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
fn what_is_held_but_slackens_is_never_blocked() {
    // 399 SYNs a second where 100 are allowed: many people behind one address, who try again and again.
    assert_eq!(ladder(&mut Blocks::default(), 399, 0, 7200), []);
    assert_ne!(ladder(&mut Blocks::default(), 400, 0, 7200), []);
}

#[test]
fn strikes_are_forgotten_and_blocks_forgiven() {
    let mut blocks = Blocks::default();
    // Two strikes, then nothing for longer than six holds, then two more.
    for (at, dropped) in [(0, 0), (10, 10_000), (75, 10_000), (85, 20_000)] {
        assert_eq!(offend(&mut blocks, 1, at, dropped, None), []);
    }
    assert_eq!(ladder(&mut blocks, 1_000, 1_000, 1_030), [(1_020, 300)]);
    // Ten minutes after its end the block of five is forgiven: the next is as long as the first.
    assert_eq!(ladder(&mut blocks, 1_000, 1_320 + 600, 1_320 + 640), [(1_320 + 620, 300)]);
    // A little sooner it is not.
    let end = 1_320 + 620 + 300;
    assert_eq!(ladder(&mut blocks, 1_000, end + 599, end + 620), [(end + 609, 600)]);
}

#[test]
fn nobody_is_kept_in_mind_for_ever() {
    let mut blocks = Blocks::default();
    ladder(&mut blocks, 1_000, 0, 30);
    for number in 2..100 {
        offend(&mut blocks, number, 40, 0, None);
    }
    assert_eq!(blocks.records.len(), 99);
    blocks.note(&[], TERMS, 101 * SECOND);
    assert_eq!(blocks.records.len(), 1);
    blocks.note(&[], TERMS, 2_000 * SECOND);
    assert_eq!(blocks.records.len(), 0);
}

#[test]
fn there_are_only_so_many_blocks() {
    let mut blocks = Blocks::default();
    let many = BLOCKS_MAX as u32 + 10;
    let mut sentences = Vec::new();
    for at in [0, 10, 20] {
        let offences: Vec<_> =
            (0..many).map(|number| Violation { source: source(number), dropped: at * 1_000 }).collect();
        blocks.note(&offences, TERMS, at * SECOND);
        let suspects = blocks.suspects().into_iter().map(|suspect| (suspect, None)).collect();
        sentences.extend(blocks.judge(&suspects, TERMS, at * SECOND));
    }
    assert_eq!(blocks.in_force(20 * SECOND), BLOCKS_MAX);
    assert_eq!(sentences.len(), BLOCKS_MAX + 1);
    assert_eq!(sentences.last(), Some(&Sentence::Full));
    // And only so many sources are kept in mind.
    let offences: Vec<_> =
        (0..20_000).map(|number| Violation { source: source(number), dropped: 0 }).collect();
    blocks.note(&offences, TERMS, 21 * SECOND);
    assert_eq!(blocks.records.len(), RECORDS_MAX);
}

proptest! {
    /// Whatever offends when: a block never gets shorter while it lasts, is never longer than the longest, and the
    /// exempt are never blocked.
    #[test]
    fn blocks_keep_to_their_bounds(offences in prop::collection::vec((0u32..5, 0u64..60, 0u64..100_000), 1..300)) {
        let mut blocks = Blocks::default();
        let (mut at, mut dropped) = (0, [0u64; 5]);
        let mut until = [0u64; 5];
        for (number, pause, more) in offences {
            at += pause;
            dropped[number as usize] += more;
            let exemption = (number == 0).then_some(Exemption::Connected);
            for sentence in offend(&mut blocks, number, at, dropped[number as usize], exemption) {
                let Sentence::Block { source: who, ttl, .. } = sentence else { continue };
                prop_assert_ne!(number, 0);
                prop_assert_eq!(who, source(number));
                prop_assert!(at >= until[number as usize], "blocked while it is blocked");
                prop_assert!(ttl <= length(DOUBLINGS, TERMS) && ttl >= length(0, TERMS));
                until[number as usize] = at + ttl.as_secs();
            }
        }
    }
}

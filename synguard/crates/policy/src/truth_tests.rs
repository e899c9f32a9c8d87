//! The phase and the totals of attacks are true, whatever the traffic: floods, blocks, unblocks and pulses at random.

use std::iter;

use proptest::prelude::*;
use synguard_common::{abi::Counter, reason::Reason};
use synguard_model::snapshot::Counters;

use super::*;
use crate::{
    phase::ENTER,
    tests::{CONCENTRATED, DISTRIBUTED, SECOND, TICK, Traffic, VISITORS, World},
};

/// A piece of a trace: its flood lasts `on` ticks of every `on + off`, for `ticks` in all.
#[derive(Clone, Copy, Debug)]
struct Piece {
    ticks: u64,
    on: u64,
    off: u64,
    /// SYNs in a tick while the flood is on.
    syns: u64,
    /// Share of them that the blocklist drops, in percent.
    blocked: u64,
    is_distributed: bool,
}

impl Piece {
    fn traffic(self, tick: u64) -> Traffic {
        if tick % (self.on + self.off) >= self.on {
            return VISITORS;
        }
        let blocked = self.syns * self.blocked / 100;
        let rest = self.syns - blocked;
        let (passed, excess) = if self.is_distributed { (rest, 0) } else { (0, rest) };
        Traffic {
            passed: VISITORS.passed + passed,
            excess,
            blocked,
            distinct: if self.is_distributed { rest as f64 * 4.0 } else { VISITORS.distinct },
            ..VISITORS
        }
    }
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let blocked = prop::sample::select(vec![0, 0, 50, 100]);
    let piece = (1u64..400, 2u64..240, 0u64..240, 0u64..60_000, blocked, any::<bool>());
    let piece = piece.prop_map(|(ticks, on, off, syns, blocked, is_distributed)| Piece {
        ticks,
        on,
        off,
        syns,
        blocked,
        is_distributed,
    });
    prop::collection::vec(piece, 1..8)
}

/// The counters at the last ticks, to look up what an attack should have counted.
#[derive(Default)]
struct History(Vec<(Monotonic, Counters)>);

impl History {
    fn at(&self, at: Monotonic) -> Option<&Counters> {
        self.0.iter().find(|(time, _)| *time >= at).map(|(_, counters)| counters)
    }
}

fn cases() -> ProptestConfig {
    // `PROPTEST_CASES=10000` is the campaign.
    if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default()
    } else {
        ProptestConfig::with_cases(200)
    }
}

proptest! {
    #![proptest_config(cases())]

    /// The phase is never calm while unwanted or blocked SYNs have exceeded the entry level for a second, and the totals of
    /// each attack are the difference of the counters between its beginning and its end.
    #[test]
    fn floods_are_never_called_calm_and_totals_are_exact(pieces in pieces()) {
        let mut world = World::new();
        let mut history = History::default();
        let (mut began, mut over, mut high_ticks) = (None, Monotonic::default(), 0);
        let quiet = Piece { ticks: 1_100, on: 1, off: 0, syns: 0, blocked: 0, is_distributed: false };
        let before = Piece { ticks: 8, ..quiet };
        for piece in iter::once(before).chain(pieces).chain([quiet]) {
            for tick in 0..piece.ticks {
                let traffic = piece.traffic(tick);
                let reported = world.actions.len();
                history.0.push((world.snapshot.at, world.snapshot.counters.clone()));
                world.tick(traffic);
                let now = world.snapshot.at;

                let is_high = (traffic.excess + traffic.blocked) as f64 * 4.0
                    >= ENTER * f64::from(world.settings.syn_rate);
                high_ticks = if is_high { high_ticks + 1 } else { 0 };
                if high_ticks > SECOND / TICK {
                    prop_assert_eq!(world.policy.phase(), Phase::Attack, "after {} ticks", high_ticks);
                }

                for (_, action) in &world.actions[reported..] {
                    match action {
                        Action::Report(Event::AttackBegan { again: false, .. }) => began = Some(now),
                        Action::Report(Event::AttackOver { syns, excess_syns, blocked_syns, .. }) => {
                            let window = began.take().expect("it began") - Duration::from_millis(1_100);
                            let before = history.at(window.max(over)).expect("in the history");
                            let delta = world.snapshot.counters.since(before);
                            prop_assert_eq!(*syns, delta.guarded_syns());
                            prop_assert_eq!((*excess_syns, *blocked_syns), (delta.excess_syns(), delta.blocked_syns()));
                            over = now;
                        }
                        _ => {}
                    }
                }
            }
        }
        prop_assert_eq!((world.policy.phase(), began), (Phase::Calm, None));
    }

    /// Every SYN has one fate in every sum, however the counters grew.
    #[test]
    fn fates_add_up(packets in prop::collection::vec((0..Reason::ALL.len(), 0u64..1 << 40), 0..200)) {
        let mut counters = Counters::default();
        for (reason, packets) in packets {
            counters.add(Reason::ALL[reason], &Counter { packets, bytes: 60 * packets });
        }
        let fates = counters.syn_fates();
        prop_assert_eq!(fates.total(), counters.guarded_syns());
        prop_assert!(counters.unwanted_syns() <= counters.guarded_syns());
        prop_assert!(fates.would_drop <= fates.passed);
    }
}

/// A course counts from the first SYN of the first flood to the last one, whatever the phase.
#[test]
fn course_knows_its_pulses_and_the_last_flood() {
    for traffic in [CONCENTRATED, DISTRIBUTED] {
        let mut world = World::new();
        let course = |world: &World| world.policy.course(&world.settings, world.snapshot.at);
        (0..40).for_each(|_| world.tick(VISITORS));
        assert_eq!(course(&world), None);
        let begun = world.snapshot.at;
        for pulse in 1..=3 {
            (0..20).for_each(|_| world.tick(traffic));
            let now = course(&world).expect("an attack");
            assert_eq!((now.last_on_ns, now.pulses), (None, pulse));
            let last = world.snapshot.at;
            for tick in 1..=20 {
                // The estimate of sources is that of a second.
                let distinct = if tick <= 4 { traffic.distinct } else { VISITORS.distinct };
                world.tick(Traffic { distinct, ..VISITORS });
                let now = course(&world).expect("the attack is not over");
                assert_eq!((now.last_on_ns, now.pulses), (Some(last), pulse), "tick {tick}");
                assert!(world.policy.calm_at().is_some() || tick < 9, "tick {tick}");
            }
            assert!(
                course(&world).expect("an attack").began_ns.since(begun) <= Duration::from_nanos(2 * TICK)
            );
        }
        (0..600).for_each(|_| world.tick(VISITORS));
        assert_eq!(course(&world), None);
    }
}

/// Each source has sent a SYN, so no event may count more sources than SYNs.
#[test]
fn sources_are_not_more_than_syns() {
    let mut world = World::new();
    (0..8).for_each(|_| world.tick(VISITORS));
    (0..8).for_each(|_| world.tick(Traffic { distinct: 66_000.0, ..DISTRIBUTED }));
    let mut seen = 0;
    for (_, action) in &world.actions {
        if let Action::Report(Event::AttackBegan { rates, .. }) | Action::RaiseSysctl(_, rates) = action {
            assert!(rates.distinct_sources <= rates.syn_rate.ceil(), "{rates}");
            seen += 1;
        }
    }
    assert!(seen >= 2, "{:?}", world.actions);
}

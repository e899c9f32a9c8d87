use proptest::prelude::*;
use synguard_common::addr::Addr;

use super::*;
use crate::tests::{CONCENTRATED, DISTRIBUTED, SECOND, TICK, Traffic, VISITORS, World};

const HOUR_TICKS: u64 = 4 * 3600;

/// SplitMix64, so that a seed determines a whole trace.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) as f64 / u64::MAX as f64
    }

    /// Returns a number between half of a value and one and a half times it.
    fn around(&mut self, value: f64) -> f64 {
        value * (0.5 + self.next())
    }
}

/// Centres of the noise, as multiples of each threshold of the policy.
fn thresholds() -> impl Strategy<Value = [f64; 4]> {
    let around = prop::sample::select(vec![0.0, 0.5, 1.0, 2.0]);
    let (excess, distinct) = (around.clone(), around);
    let completed = prop::sample::select(vec![0.0, 0.5, 0.75, 1.0]);
    let queue_full = prop::sample::select(vec![0.0, 1.0]);
    (excess, distinct, completed, queue_full).prop_map(|(a, b, c, d)| [a, b, c, d])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In an hour with noise around every threshold, an attack lasts at least a hold, and cookies stay raised for two.
    #[test]
    fn noise_does_not_make_the_phase_flap(seed: u64, [excess, distinct, completed, queue_full] in thresholds()) {
        let mut noise = Noise(seed);
        let mut world = World::new();
        for _ in 0..HOUR_TICKS {
            let passed = 1_000.0;
            world.tick(Traffic {
                passed: passed as u64,
                // 100 a second, 25 a tick, is one source's limit.
                excess: noise.around(25.0 * excess) as u64,
                distinct: noise.around(4096.0 * distinct),
                completed: noise.around(passed * completed) as u64,
                queue_full: noise.around(2.5 * queue_full) as u64,
                ..Traffic::default()
            });
        }
        let hold_ticks = 10 * SECOND / TICK;
        for pair in world.phases.windows(2) {
            let [(before, former), (after, _)] = *pair else { unreachable!() };
            prop_assert!(former != Phase::Attack || after - before >= hold_ticks, "{:?}", world.phases);
        }
        let cookies = world.cookies();
        for pair in cookies.windows(2) {
            let [(before, is_raised), (after, _)] = *pair else { unreachable!() };
            prop_assert!(!is_raised || after - before >= 2 * hold_ticks, "{cookies:?}");
        }
        // Raised and restored at most this often: each time the recovery takes longer.
        prop_assert!(cookies.len() <= 60, "{cookies:?}");
    }

    /// Whatever the traffic, every raise is followed by a restore before the next raise, and nothing is raised when calm.
    #[test]
    fn cookies_are_always_restored(seed: u64, pulses in prop::collection::vec((1u64..120, 1u64..120), 1..12)) {
        let mut noise = Noise(seed);
        let mut world = World::new();
        for (high, low) in pulses {
            world.run(high, if noise.next() < 0.5 { DISTRIBUTED } else { CONCENTRATED });
            world.run(low, VISITORS);
        }
        // A lull of ten seconds, and a recovery of two minutes.
        world.run(540, VISITORS);
        for (i, (_, is_raised)) in world.cookies().iter().enumerate() {
            prop_assert_eq!(*is_raised, i % 2 == 0);
        }
        prop_assert!(!world.policy.wants_kernel_cookies());
        prop_assert_eq!((world.policy.phase(), world.policy.kind()), (Phase::Calm, None));
    }

    /// Exempt sources are not blocked, and no other is before its third violation.
    #[test]
    fn exempt_sources_are_never_blocked(exempt in prop::collection::vec(0u8..4, 1..40)) {
        let mut world = World::new();
        let key = |i: usize| SourceKey { address: Addr::from_v4((0x0a00_0000 + i as u32).to_be()) };
        let exemptions: BTreeMap<_, _> = exempt.iter().enumerate().map(|(i, why)| (key(i), match why {
            0 => None,
            1 => Some(Exemption::Protected),
            2 => Some(Exemption::Allowed),
            _ => Some(Exemption::Connected),
        })).collect();
        let mut blocked = Vec::new();
        for round in 0..40u64 {
            let now = world.snapshot.at + Duration::from_secs(round * 10);
            let violations: Vec<_> =
                exemptions.keys().map(|&source| Violation { source, dropped: round * 10_000 }).collect();
            let observation = Observation {
                snapshot: &world.snapshot,
                settings: &world.settings,
                attachment: Attachment::Native,
                violations: &violations,
                sources: &[],
                blocks: &BTreeMap::new(),
                exemptions: &exemptions,
            };
            for action in world.policy.step(&observation, now) {
                if let Action::Block { source, .. } = action {
                    prop_assert!(exemptions[&source].is_none());
                    prop_assert!(round >= 3);
                    blocked.push(source);
                }
            }
        }
        let expected = exemptions.iter().filter(|(_, why)| why.is_none()).count();
        blocked.sort_unstable();
        blocked.dedup();
        prop_assert_eq!(blocked.len(), expected);
    }
}

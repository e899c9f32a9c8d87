//! Phases of an attack, derived from a fluctuating level without flapping.

use synguard_model::attack::Phase;

/// The level at which an attack begins.
pub(super) const ENTER: f64 = 1.0;
/// The level below which an attack may be over.
pub(super) const LEAVE: f64 = 0.5;
/// The unmistakable level: an attack begins at once when calm.
pub(super) const STRONG: f64 = 2.0;
/// Consecutive observations that a lesser level must last, so that a single one does not count.
const OBSERVATIONS: u32 = 2;
/// Time for which the level must be low before an attack counts as over, in nanoseconds; the hold if that is shorter.
const LULL_NS: u64 = 1_000_000_000;

/// A state machine that derives the phase from a level. Its transitions:
///
/// - From calm to attack: at once at [`STRONG`]; at [`ENTER`] if the level lasts two observations and the last transition was
///   at least a hold ago. From recovering to attack: the second rule only, because all measures are still in force.
/// - From attack to recovering: after at least a hold, when the level has been below [`LEAVE`] for a second.
/// - From recovering to calm: after at least another hold, all of it below [`LEAVE`].
///
/// So every phase lasts at least a hold, except calm when an attack is unmistakable.
#[derive(Clone, Debug, Default)]
pub(super) struct PhaseMachine {
    phase: Phase,
    changed_ns: Option<u64>,
    low_since_ns: Option<u64>,
    high_observations: u32,
}

impl PhaseMachine {
    /// Returns the phase.
    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns the beginning of the phase, in nanoseconds; `None` if it never changed.
    pub(super) const fn since_ns(&self) -> Option<u64> {
        self.changed_ns
    }

    /// Takes the level at `now_ns` into account. Reports whether an unmistakable attack began.
    pub(super) fn step(&mut self, level: f64, hold_ns: u64, now_ns: u64) -> bool {
        let is_sudden = self.phase == Phase::Calm && level >= STRONG;
        self.step_or_begin(level, is_sudden, hold_ns, now_ns)
    }

    /// Takes the level at `now_ns` into account as [`Self::step`] does, but begins an attack at once only if the caller
    /// found an unmistakable one (`is_sudden`).
    pub(super) fn step_or_begin(&mut self, level: f64, is_sudden: bool, hold_ns: u64, now_ns: u64) -> bool {
        self.high_observations = if level >= ENTER { self.high_observations.saturating_add(1) } else { 0 };
        self.low_since_ns = if level < LEAVE { self.low_since_ns.or(Some(now_ns)) } else { None };
        let held = self.changed_ns.is_none_or(|at| now_ns.saturating_sub(at) >= hold_ns);
        let low_for = |ns: u64| self.low_since_ns.is_some_and(|since| now_ns.saturating_sub(since) >= ns);
        let rises = is_sudden || held && self.high_observations >= OBSERVATIONS;
        let next = match self.phase {
            Phase::Calm | Phase::Recovering if rises => Phase::Attack,
            Phase::Attack if held && low_for(LULL_NS.min(hold_ns)) => Phase::Recovering,
            Phase::Recovering if held && low_for(hold_ns) => Phase::Calm,
            phase => phase,
        };
        let began = next == Phase::Attack && self.phase != Phase::Attack;
        if next != self.phase {
            self.phase = next;
            self.changed_ns = Some(now_ns);
        }
        began && is_sudden
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: u64 = 250_000_000;
    const SECOND: u64 = 1_000_000_000;
    const HOLD: u64 = 10 * SECOND;

    /// Returns the transitions that these levels, one a tick, lead to: the tick and the new phase.
    fn changes(levels: impl IntoIterator<Item = f64>) -> Vec<(u64, Phase)> {
        let mut machine = PhaseMachine::default();
        let mut changes = Vec::new();
        for (tick, level) in levels.into_iter().enumerate() {
            let before = machine.phase();
            machine.step(level, HOLD, SECOND + tick as u64 * TICK);
            if machine.phase() != before {
                changes.push((tick as u64, machine.phase()));
            }
        }
        changes
    }

    fn pulse(level: f64, high: usize, low: usize) -> impl Iterator<Item = f64> {
        std::iter::repeat_n(level, high).chain(std::iter::repeat_n(0.0, low))
    }

    #[test]
    fn phase_follows_the_level() {
        use Phase::{Attack, Calm, Recovering};
        // 40 ticks are a hold.
        type Row = (&'static str, Vec<f64>, &'static [(u64, Phase)]);
        let table: [Row; 8] = [
            ("nothing", vec![0.0; 100], &[]),
            ("just below", vec![0.99; 100], &[]),
            ("one observation is not enough", pulse(1.9, 1, 100).collect(), &[]),
            ("two observations are", vec![1.0; 100], &[(1, Attack)]),
            ("an unmistakable level begins an attack at once", vec![2.0; 1], &[(0, Attack)]),
            (
                "a short attack lasts a hold, then recovers for another",
                pulse(4.0, 2, 100).collect(),
                &[(0, Attack), (40, Recovering), (80, Calm)],
            ),
            (
                "a long attack recovers a second after its end",
                pulse(4.0, 60, 100).collect(),
                &[(0, Attack), (64, Recovering), (104, Calm)],
            ),
            (
                "between the thresholds the attack continues",
                pulse(4.0, 2, 0).chain([0.5; 100]).collect(),
                &[(0, Attack)],
            ),
        ];
        for (what, levels, expected) in table {
            assert_eq!(changes(levels), expected, "{what}");
        }
    }

    #[test]
    fn attack_begins_again() {
        use Phase::{Attack, Calm, Recovering};
        let again = |low, level| changes(pulse(4.0, 60, low).chain([level; 60]));
        // While recovering: when the hold is over, because all measures are still in force.
        assert_eq!(again(6, 4.0), [(0, Attack), (64, Recovering), (104, Attack)]);
        // When calm: at once if the attack is unmistakable, otherwise when the hold is over.
        assert_eq!(again(46, 4.0), [(0, Attack), (64, Recovering), (104, Calm), (106, Attack)]);
        assert_eq!(again(46, 1.5), [(0, Attack), (64, Recovering), (104, Calm), (144, Attack)]);
    }

    proptest! {
        /// Whatever the level does, every phase lasts at least a hold, except calm before an unmistakable attack.
        #[test]
        fn phases_last_at_least_a_hold(pieces in prop::collection::vec((0.0f64..4.0, 1usize..90), 1..40)) {
            let levels: Vec<f64> =
                pieces.into_iter().flat_map(|(level, ticks)| std::iter::repeat_n(level, ticks)).collect();
            let changes = changes(levels.iter().copied());
            for pair in changes.windows(2) {
                let [(before, calm), (after, phase)] = *pair else { unreachable!() };
                let sudden = phase == Phase::Attack && levels[after as usize] >= STRONG;
                prop_assert!(sudden && calm == Phase::Calm || (after - before) * TICK >= HOLD, "{changes:?}");
            }
        }

        /// A high level is detected within two observations if the last transition is long enough ago.
        #[test]
        fn attack_is_detected_within_two_observations(level in 1.0f64..100.0) {
            let changes = changes([0.0, 0.0, level, level]);
            prop_assert!(matches!(changes[..], [(2 | 3, Phase::Attack)]), "{changes:?}");
        }
    }
}

//! Phases of an attack, derived from a fluctuating level without flapping.

use std::time::Duration;

use synguard_model::{attack::Phase, time::Monotonic};

/// The level at which an attack begins.
pub(super) const ENTER: f64 = 1.0;
/// The level below which an attack may be over.
pub(super) const LEAVE: f64 = 0.5;
/// The unmistakable level: an attack begins at once.
pub(super) const STRONG: f64 = 2.0;
/// Consecutive observations that a lesser level must last, so that a single one does not count.
const OBSERVATIONS: u32 = 2;
/// Time for which the level must be low before an attack recovers; the hold if that is shorter, or if the attack recurs.
const LULL: Duration = Duration::from_secs(1);
/// Time after the end of an attack within which the next one counts as its recurrence.
const RECURRENCE: Duration = Duration::from_secs(120);
/// The longest recovery.
const RECOVERY_MAX: Duration = Duration::from_secs(120);
/// Recurrences after which the recovery is the longest for each hold.
const RECURRENCES_MAX: u32 = 7;

/// A state machine that derives the phase from a level. Its transitions:
///
/// - To attack, from calm and from recovering: at once at [`STRONG`]; at [`ENTER`] if the level lasts two observations.
/// - From attack to recovering: after at least a hold, when the level has been below [`LEAVE`] for a second.
/// - From recovering to calm: after at least another hold, all of it below [`LEAVE`].
///
/// So an attack lasts at least a hold, and a recovery as well unless the attack resumes. An attack that begins within two
/// minutes of the last one recurs: it takes a hold without attack to recover from it, and each recurrence doubles the recovery,
/// up to two minutes. So countermeasures stay in force against a flood that pulses.
#[derive(Clone, Debug, Default)]
pub(super) struct PhaseMachine {
    phase: Phase,
    changed: Option<Monotonic>,
    low_since: Option<Monotonic>,
    high_observations: u32,
    /// Time at which the last attack ended.
    ended: Option<Monotonic>,
    /// Attacks in a row that began soon after the one before.
    recurrences: u32,
}

impl PhaseMachine {
    /// Returns the phase.
    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns the beginning of the phase; `None` if it never changed.
    pub(super) const fn since(&self) -> Option<Monotonic> {
        self.changed
    }

    /// Takes the level at `now` into account.
    pub(super) fn step(&mut self, level: f64, hold: Duration, now: Monotonic) {
        self.advance(level, level >= STRONG, hold, now);
    }

    /// Takes the level at `now` into account as [`Self::step`] does, but begins an attack only if the level lasts two
    /// observations.
    pub(super) fn step_patiently(&mut self, level: f64, hold: Duration, now: Monotonic) {
        self.advance(level, false, hold, now);
    }

    fn advance(&mut self, level: f64, is_sudden: bool, hold: Duration, now: Monotonic) {
        self.high_observations = if level >= ENTER { self.high_observations.saturating_add(1) } else { 0 };
        self.low_since = if level < LEAVE { self.low_since.or(Some(now)) } else { None };
        let lasts = |since: Option<Monotonic>, time: Duration| since.is_none_or(|at| now.since(at) >= time);
        let low_for = |time: Duration| self.low_since.is_some() && lasts(self.low_since, time);
        let lull = self.lull(hold);
        let recovery = self.recovery(hold);
        let rises = is_sudden || self.high_observations >= OBSERVATIONS;
        match self.phase {
            Phase::Calm | Phase::Recovering if rises => {
                let recurs = self.ended.is_some_and(|at| now.since(at) < RECURRENCE.max(recovery));
                self.recurrences = if recurs { (self.recurrences + 1).min(RECURRENCES_MAX) } else { 0 };
                self.enter(Phase::Attack, now);
            }
            Phase::Attack if lasts(self.changed, hold) && low_for(lull) => {
                self.ended = Some(now);
                self.enter(Phase::Recovering, now);
            }
            Phase::Recovering if lasts(self.changed, recovery) && low_for(recovery) => {
                self.enter(Phase::Calm, now);
            }
            _ => {}
        }
    }

    /// Returns the duration of a recovery.
    pub(super) fn recovery(&self, hold: Duration) -> Duration {
        (hold * (1 << self.recurrences)).min(RECOVERY_MAX).max(hold)
    }

    /// Returns the time for which the level must be low before an attack recovers.
    fn lull(&self, hold: Duration) -> Duration {
        if self.recurrences == 0 { LULL.min(hold) } else { hold }
    }

    /// Returns the time at which all is calm if the level stays low; `None` while it is high, and when all is calm.
    pub(super) fn calm_at(&self, hold: Duration) -> Option<Monotonic> {
        let (changed, low_since, recovery) = (self.changed?, self.low_since?, self.recovery(hold));
        match self.phase {
            Phase::Calm => None,
            Phase::Attack => Some((changed + hold).max(low_since + self.lull(hold)) + recovery),
            Phase::Recovering => Some(changed.max(low_since) + recovery),
        }
    }

    const fn enter(&mut self, phase: Phase, now: Monotonic) {
        self.phase = phase;
        self.changed = Some(now);
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
            machine.step(level, Duration::from_nanos(HOLD), Monotonic::from_ns(SECOND + tick as u64 * TICK));
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
    fn attack_begins_again_at_once() {
        use Phase::{Attack, Calm, Recovering};
        let again = |low, level| changes(pulse(4.0, 60, low).chain([level; 60]));
        assert_eq!(again(6, 4.0), [(0, Attack), (64, Recovering), (66, Attack)]);
        assert_eq!(again(6, 1.5), [(0, Attack), (64, Recovering), (67, Attack)]);
        assert_eq!(again(46, 4.0), [(0, Attack), (64, Recovering), (104, Calm), (106, Attack)]);
        assert_eq!(again(46, 1.5), [(0, Attack), (64, Recovering), (104, Calm), (107, Attack)]);
    }

    #[test]
    fn recovery_doubles_with_each_recurrence() {
        use Phase::{Attack, Calm, Recovering};
        // A flood of a second each minute: the third of them meets raised settings.
        let minutes = (0..4).flat_map(|_| pulse(4.0, 4, 236)).chain([0.0; 600]);
        assert_eq!(
            changes(minutes),
            [
                (0, Attack),
                (40, Recovering),
                (80, Calm),
                (240, Attack),
                (284, Recovering),
                (364, Calm),
                (480, Attack),
                (524, Recovering),
                (684, Calm),
                (720, Attack),
                (764, Recovering),
                (1084, Calm),
            ]
        );
    }

    proptest! {
        /// Calm begins at the announced time, unless the level rises before.
        #[test]
        fn calm_begins_when_announced(
            pieces in prop::collection::vec((0.0f64..4.0, 1usize..90), 1..40),
        ) {
            let mut machine = PhaseMachine::default();
            let mut announced = None;
            let levels = pieces.into_iter().flat_map(|(level, ticks)| std::iter::repeat_n(level, ticks));
            for (tick, level) in levels.chain([0.0; 600]).enumerate() {
                let now = Monotonic::from_ns(SECOND + tick as u64 * TICK);
                let before = machine.phase();
                machine.step(level, Duration::from_nanos(HOLD), now);
                let calm_at = machine.calm_at(Duration::from_nanos(HOLD));
                match (before, machine.phase()) {
                    (Phase::Recovering, Phase::Calm) => prop_assert_eq!(announced, Some(now)),
                    (_, Phase::Calm) => prop_assert_eq!(calm_at, None),
                    // It is announced when the level falls, and stays as announced.
                    (_, phase) => {
                        prop_assert_eq!(calm_at.is_some(), level < LEAVE);
                        prop_assert!(announced.is_none() || calm_at.is_none() || announced == calm_at, "{phase:?}");
                    }
                }
                announced = calm_at;
            }
            prop_assert_eq!(machine.phase(), Phase::Calm);
        }

        /// Whatever the level does, an attack lasts at least a hold, and calm comes a hold after its end at the earliest.
        #[test]
        fn attacks_last_at_least_a_hold(pieces in prop::collection::vec((0.0f64..4.0, 1usize..90), 1..40)) {
            let levels = pieces.into_iter().flat_map(|(level, ticks)| std::iter::repeat_n(level, ticks));
            let changes = changes(levels);
            for pair in changes.windows(2) {
                let [(before, former), (after, phase)] = *pair else { unreachable!() };
                let is_short = (after - before) * TICK < HOLD;
                prop_assert!(!is_short || former != Phase::Attack && phase == Phase::Attack, "{changes:?}");
            }
        }

        /// A high level is detected within two observations, whatever happened before.
        #[test]
        fn attack_is_detected_within_two_observations(
            pieces in prop::collection::vec((0.0f64..4.0, 1usize..90), 0..20),
            level in 1.0f64..100.0,
        ) {
            let mut machine = PhaseMachine::default();
            let history = pieces.into_iter().flat_map(|(level, ticks)| std::iter::repeat_n(level, ticks));
            for (tick, level) in history.chain([level; 2]).enumerate() {
                machine.step(level, Duration::from_nanos(HOLD), Monotonic::from_ns(SECOND + tick as u64 * TICK));
            }
            prop_assert_eq!(machine.phase(), Phase::Attack);
        }

        /// A flood that pulses is met in the phase of an attack, and after a few pulses the phase is never calm again.
        #[test]
        fn pulses_do_not_outwait_the_recovery(high in 2usize..240, low in 2usize..240) {
            let mut machine = PhaseMachine::default();
            let levels = (0..20).flat_map(|_| pulse(4.0, high, low));
            for (tick, level) in levels.enumerate() {
                machine.step(level, Duration::from_nanos(HOLD), Monotonic::from_ns(SECOND + tick as u64 * TICK));
                prop_assert!(level < ENTER || machine.phase() == Phase::Attack);
                prop_assert!(tick / (high + low) < 4 || machine.phase() != Phase::Calm, "pulse {}", tick / (high + low));
            }
        }
    }
}

//! Calm, attack, recovering: a level that comes and goes, made into phases that do not flap.

use synguard_model::attack::Phase;

/// The level from which on there is an attack.
pub(super) const ENTER: f64 = 1.0;
/// The level below which it may be over.
pub(super) const LEAVE: f64 = 0.5;
/// The level that is unmistakable: it is an attack at once, whatever was before.
pub(super) const STRONG: f64 = 2.0;
/// How many looks in a row a lesser level has to last, so that a single one does not count.
const LOOKS: u32 = 2;
/// How long the level has to be low before an attack is called over, in nanoseconds; less if the hold is.
const LULL_NS: u64 = 1_000_000_000;

/// Follows a level. The rules:
///
/// - From calm into an attack: at once at [`STRONG`]; at [`ENTER`] if it lasts two looks and the last change of phase
///   was at least a hold ago. From recovering: the latter only, for whatever was done is still in force.
/// - Out of it, to recovering: after at least a hold, when the level has been below [`LEAVE`] for a second.
/// - From there to calm: after another hold at least, all of it below [`LEAVE`].
///
/// So no phase is left sooner than after a hold, but for calm when an attack is unmistakable.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    phase: Phase,
    changed_ns: Option<u64>,
    low_since_ns: Option<u64>,
    high_looks: u32,
}

impl Machine {
    /// The phase.
    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    /// When it began, in nanoseconds; `None` if it never was another.
    pub(super) const fn since_ns(&self) -> Option<u64> {
        self.changed_ns
    }

    /// Takes the level at `now_ns` into account, with a hold in nanoseconds. `true` if an unmistakable attack began.
    pub(super) fn step(&mut self, level: f64, hold_ns: u64, now_ns: u64) -> bool {
        let is_sudden = self.phase == Phase::Calm && level >= STRONG;
        self.step_or_begin(level, is_sudden, hold_ns, now_ns)
    }

    /// The same, but an attack begins at once only if the caller knows of a sudden one.
    pub(super) fn step_or_begin(&mut self, level: f64, is_sudden: bool, hold_ns: u64, now_ns: u64) -> bool {
        self.high_looks = if level >= ENTER { self.high_looks.saturating_add(1) } else { 0 };
        self.low_since_ns = if level < LEAVE { self.low_since_ns.or(Some(now_ns)) } else { None };
        let held = self.changed_ns.is_none_or(|at| now_ns.saturating_sub(at) >= hold_ns);
        let low_for = |ns: u64| self.low_since_ns.is_some_and(|since| now_ns.saturating_sub(since) >= ns);
        let rises = is_sudden || held && self.high_looks >= LOOKS;
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

    /// The phases that a level of each tick leads to, each with the tick it began at.
    fn changes(levels: impl IntoIterator<Item = f64>) -> Vec<(u64, Phase)> {
        let mut machine = Machine::default();
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
    fn levels_and_the_phases_they_lead_to() {
        use Phase::{Attack, Calm, Recovering};
        // 40 ticks are a hold.
        type Row = (&'static str, Vec<f64>, &'static [(u64, Phase)]);
        let table: [Row; 8] = [
            ("nothing", vec![0.0; 100], &[]),
            ("just below", vec![0.99; 100], &[]),
            ("one look is not enough", pulse(1.9, 1, 100).collect(), &[]),
            ("two looks are", vec![1.0; 100], &[(1, Attack)]),
            ("unmistakable at once", vec![2.0; 1], &[(0, Attack)]),
            (
                "a short one lasts a hold, then another",
                pulse(4.0, 2, 100).collect(),
                &[(0, Attack), (40, Recovering), (80, Calm)],
            ),
            (
                "a long one is over a second after its end",
                pulse(4.0, 60, 100).collect(),
                &[(0, Attack), (64, Recovering), (104, Calm)],
            ),
            (
                "in between the thresholds it goes on",
                pulse(4.0, 2, 0).chain([0.5; 100]).collect(),
                &[(0, Attack)],
            ),
        ];
        for (what, levels, expected) in table {
            assert_eq!(changes(levels), expected, "{what}");
        }
    }

    #[test]
    fn one_that_begins_again() {
        use Phase::{Attack, Calm, Recovering};
        let again = |low, level| changes(pulse(4.0, 60, low).chain([level; 60]));
        // While recovering: when the hold is over, for what was done is still in force.
        assert_eq!(again(6, 4.0), [(0, Attack), (64, Recovering), (104, Attack)]);
        // When it is calm: at once if it is unmistakable, or else when the hold is over.
        assert_eq!(again(46, 4.0), [(0, Attack), (64, Recovering), (104, Calm), (106, Attack)]);
        assert_eq!(again(46, 1.5), [(0, Attack), (64, Recovering), (104, Calm), (144, Attack)]);
    }

    proptest! {
        /// Whatever the level does, no phase is left sooner than after a hold, but calm for an unmistakable attack.
        #[test]
        fn no_phase_is_left_too_soon(pieces in prop::collection::vec((0.0f64..4.0, 1usize..90), 1..40)) {
            let levels: Vec<f64> =
                pieces.into_iter().flat_map(|(level, ticks)| std::iter::repeat_n(level, ticks)).collect();
            let changes = changes(levels.iter().copied());
            for pair in changes.windows(2) {
                let [(before, calm), (after, phase)] = *pair else { unreachable!() };
                let sudden = phase == Phase::Attack && levels[after as usize] >= STRONG;
                prop_assert!(sudden && calm == Phase::Calm || (after - before) * TICK >= HOLD, "{changes:?}");
            }
        }

        /// A high level is noticed within two looks if the last change is long enough ago.
        #[test]
        fn an_attack_is_noticed_at_once(level in 1.0f64..100.0) {
            let changes = changes([0.0, 0.0, level, level]);
            prop_assert!(matches!(changes[..], [(2 | 3, Phase::Attack)]), "{changes:?}");
        }
    }
}

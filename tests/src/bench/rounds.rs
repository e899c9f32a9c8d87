//! Rounds of a comparison, and which of them count.

use anyhow::{Result, anyhow};

use crate::{bench::spread::Spread, interrupt};

/// Limit on the floor's change within a round, as a share of it.
pub(super) const FLOOR_TOLERANCE: f64 = 0.05;
/// Limit on the rounds tried, as a multiple of the rounds wanted.
const ATTEMPTS: usize = 3;

/// Two cases, or one and its floor, round by round.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    /// Figure of the first case.
    pub(super) value: Spread,
    /// Figure of the second.
    pub(super) peer: Spread,
    /// First by second.
    pub(super) ratio: Spread,
    /// Caveats of the comparison.
    pub(super) notes: Vec<String>,
}

impl Comparison {
    /// Converts both figures to another unit by `factor`.
    pub(super) fn scaled(self, factor: f64) -> Self {
        Self { value: self.value.scaled(factor), peer: self.peer.scaled(factor), ..self }
    }
}

/// The rounds of a comparison: how far the floor moved, and the two figures.
#[derive(Debug)]
pub(super) struct Rounds {
    wanted: usize,
    done: Vec<(f64, f64, f64)>,
    failed: Vec<anyhow::Error>,
}

impl Rounds {
    /// Starts without rounds.
    pub(super) fn new(wanted: usize) -> Self {
        Self { wanted, done: Vec::new(), failed: Vec::new() }
    }

    fn steady(&self) -> usize {
        self.done.iter().filter(|round| round.0 <= FLOOR_TOLERANCE).count()
    }

    /// Reports whether to measure another round.
    pub(super) fn wants_more(&self) -> bool {
        self.steady() < self.wanted && self.done.len() + self.failed.len() < self.wanted * ATTEMPTS
    }

    /// A round: by which share the floor moved in it, and the figures.
    pub(super) fn push(&mut self, moved: f64, first: f64, second: f64) {
        self.done.push((moved, first, second));
    }

    /// Records a round that could not be measured; fails if it was interrupted.
    ///
    /// # Errors
    /// After a signal.
    pub(super) fn fail<T>(&mut self, result: Result<T>) -> Result<()> {
        interrupt::check()?;
        self.failed.extend(result.err());
        Ok(())
    }

    /// The rounds in which the floor moved least.
    ///
    /// # Errors
    /// When none was measured.
    pub(super) fn finish(mut self) -> Result<Comparison> {
        let (steady, tried) = (self.steady(), self.done.len());
        self.done.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.done.truncate(self.wanted);
        let Some(spreads) = (|| {
            Some((
                Spread::of(self.done.iter().map(|round| round.1))?,
                Spread::of(self.done.iter().map(|round| round.2))?,
                Spread::of(self.done.iter().map(|round| round.1 / round.2))?,
            ))
        })() else {
            let why = self.failed.pop();
            return Err(why.unwrap_or_else(|| anyhow!("nothing was measured")));
        };
        let mut notes = vec![format!("{} rounds of {tried} kept", self.done.len())];
        if steady < self.wanted {
            let worst = self.done.last().map_or(0.0, |round| round.0);
            notes.push(format!("NOT STEADY: the floor moved by up to {:.0} % in a round", worst * 100.0));
        }
        if let Some(error) = self.failed.first() {
            notes.push(format!("{} rounds failed, the first: {error:#}", self.failed.len()));
        }
        Ok(Comparison { value: spreads.0, peer: spreads.1, ratio: spreads.2, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_in_which_the_floor_moved_are_measured_again() {
        let mut rounds = Rounds::new(2);
        for moved in [0.2, 0.01, 0.06, 0.02] {
            assert!(rounds.wants_more());
            rounds.push(moved, 1.0 + moved, 1.0);
        }
        assert!(!rounds.wants_more());
        let result = rounds.finish().unwrap();
        assert_eq!((result.ratio.min, result.ratio.max), (1.01, 1.02));
        assert_eq!(result.notes, ["2 rounds of 4 kept"]);
    }

    #[test]
    fn steadiest_rounds_are_kept_and_marked() {
        let mut rounds = Rounds::new(1);
        rounds.push(0.3, 3.0, 1.0);
        rounds.push(0.1, 2.0, 1.0);
        rounds.fail::<()>(Err(anyhow!("lost"))).unwrap();
        assert!(!rounds.wants_more());
        let result = rounds.finish().unwrap();
        assert_eq!(result.value, Spread::single(2.0));
        assert!(result.notes[1].contains("10 %") && result.notes[2].contains("lost"), "{:?}", result.notes);
        Rounds::new(1).finish().unwrap_err();
    }
}

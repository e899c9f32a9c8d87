//! Counters of a program under test.

use std::{
    array,
    ops::{AddAssign, Sub},
};

use crate::testrun::REASONS;

/// Counters of synguard; other programs have none.
#[derive(Clone, Copy)]
pub(super) struct Counters {
    /// Packets, by the reason's index.
    pub(super) reasons: [u64; REASONS],
    /// Entries made in the table of sources.
    pub(super) inserts: u64,
}

impl Counters {
    /// Nothing.
    pub(super) const NONE: Self = Self { reasons: [0; REASONS], inserts: 0 };
}

impl Sub for Counters {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        let reasons = array::from_fn(|i| self.reasons[i] - before.reasons[i]);
        Self { reasons, inserts: self.inserts - before.inserts }
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, more: Self) {
        self.reasons.iter_mut().zip(more.reasons).for_each(|(sum, more)| *sum += more);
        self.inserts += more.inserts;
    }
}

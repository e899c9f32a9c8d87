//! Predicts how a rate table would charge one SYN.

use synguard_common::{
    admission::Admission,
    count_min::{self, ROWS},
    gcra::{self, RateLimit},
    source::SourceState,
};
use synguard_model::inspection::{Inspection, PerCpu, source_key};

/// The predicted outcome of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PredictedCharge {
    /// The SYN is within the limit.
    Conforms,
    /// The SYN exceeds the limit of its source.
    Exceeds,
    /// The source is in hold.
    Held,
    /// The source has no entry and gets none.
    Untracked,
}

/// The state that a charge depends on.
#[derive(Clone, Copy, Debug)]
pub struct ChargeState {
    /// The source's entry.
    pub entry: Option<SourceState>,
    /// The source's cells in the sketch.
    pub cells: [u16; ROWS],
    /// The CPU's admission to the table.
    pub admission: Admission,
    /// SYNs of the source that the CPU dropped from its hold cache and has not yet counted in the sketch.
    pub pending: u64,
}

impl ChargeState {
    /// Returns the state of a CPU for the source of the inspected address.
    pub(crate) fn for_source(inspection: &Inspection, cpu: &PerCpu) -> Self {
        let mut slot = cpu.hold_slot;
        let pending = slot.take_pending(&source_key(inspection.address, &inspection.config));
        Self { entry: inspection.source, cells: inspection.source_cells, admission: cpu.sources, pending }
    }

    /// Returns the state of a CPU for the prefix of the inspected address.
    pub(crate) const fn for_prefix(inspection: &Inspection, cpu: &PerCpu) -> Self {
        let Inspection { prefix: entry, prefix_cells: cells, .. } = *inspection;
        Self { entry, cells, admission: cpu.prefixes, pending: 0 }
    }

    /// Returns the sketch's estimate after one more SYN.
    pub fn estimate(&self, now_ns: u64) -> u32 {
        count_min::update(self.cells, count_min::epoch(now_ns), self.pending + 1).1
    }

    /// Predicts the outcome at `now_ns`. `hold_ns` is the duration of a hold.
    pub fn predict(&self, limit: RateLimit, hold_ns: u64, now_ns: u64) -> PredictedCharge {
        let mut admission = self.admission;
        let under_pressure = admission.is_under_pressure(now_ns);
        if under_pressure && self.estimate(now_ns) < admission.promotion_threshold(now_ns) {
            return PredictedCharge::Untracked;
        }
        match self.entry {
            Some(entry) if gcra::is_held(entry.hold_until_ns, hold_ns, now_ns) => PredictedCharge::Held,
            Some(entry) if gcra::take(entry.tat_ns, limit, now_ns).is_none() => PredictedCharge::Exceeds,
            Some(_) => PredictedCharge::Conforms,
            None => {
                let admitted =
                    if under_pressure { admission.promote(now_ns) } else { admission.admit_new(now_ns) };
                // A burst is at least one SYN, so the first always conforms.
                if admitted { PredictedCharge::Conforms } else { PredictedCharge::Untracked }
            }
        }
    }
}

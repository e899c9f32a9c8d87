//! What a table of limits would say to one SYN, without charging it.

use synguard_common::{
    admission::Admission,
    count_min::{self, ROWS},
    gcra::{self, RateLimit},
    source::SourceState,
};
use synguard_model::inspection::{Inspection, PerCpu, source_key};

/// What a table says to a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charged {
    /// It is within the limit.
    Conforms,
    /// It takes its source over the limit.
    Exceeds,
    /// Its source is in hold.
    Held,
    /// Its source has no entry and gets none.
    Untracked,
}

/// What there is to be known before it is asked.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The source's entry.
    pub entry: Option<SourceState>,
    /// Its cells in the sketch.
    pub cells: [u16; ROWS],
    /// The CPU's admission to the table.
    pub admission: Admission,
    /// SYNs of the source that the CPU dropped without asking, which the sketch does not count yet.
    pub uncounted: u64,
}

impl View {
    /// What a CPU knows of the source that an address belongs to.
    pub(crate) fn of_source(read: &Inspection, cpu: &PerCpu) -> Self {
        let mut held = cpu.hold_slot;
        let uncounted = held.take_pending(&source_key(read.address, &read.config));
        Self { entry: read.source, cells: read.source_cells, admission: cpu.sources, uncounted }
    }

    /// The estimate that the sketch would have, this SYN included.
    pub fn estimate(&self, now_ns: u64) -> u32 {
        count_min::update(self.cells, count_min::epoch(now_ns), self.uncounted + 1).1
    }

    /// What the table would say at `now_ns`. `hold_ns` is how long who exceeds stays in hold.
    pub fn charge(&self, limit: RateLimit, hold_ns: u64, now_ns: u64) -> Charged {
        let mut admission = self.admission;
        let crowded = admission.is_under_pressure(now_ns);
        if crowded && self.estimate(now_ns) < admission.promotion_threshold(now_ns) {
            return Charged::Untracked;
        }
        match self.entry {
            Some(entry) if gcra::is_held(entry.hold_until_ns, hold_ns, now_ns) => Charged::Held,
            Some(entry) if gcra::take(entry.tat_ns, limit, now_ns).is_none() => Charged::Exceeds,
            Some(_) => Charged::Conforms,
            None => {
                let admitted = if crowded { admission.promote(now_ns) } else { admission.admit_new(now_ns) };
                // A burst is at least one SYN, so the first always conforms.
                if admitted { Charged::Conforms } else { Charged::Untracked }
            }
        }
    }
}

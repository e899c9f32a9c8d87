//! The tables of sources and prefixes with their rate limits. An admission rule (`synguard_common::admission`) keeps
//! forged addresses out of them. The same code serves both tables; a [`RateTable`] names the maps.

use synguard_common::{
    admission::Admission,
    count_min::{self, CountMinSketch, ROWS},
    gcra::{self, RateLimit},
    source::{SourceKey, SourceState},
};

use crate::{atomic::SharedU64, maps};

/// Number of tries to charge an entry while other CPUs charge it too. After the last one the SYN passes uncharged. Each
/// failed try means that another CPU charged a SYN of this source, so at most one excess SYN a CPU passes for each SYN
/// that conforms.
const CHARGE_TRIES: usize = 4;

/// The outcome of charging a table with a SYN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// The SYN is within the limit.
    Conforms,
    /// The SYN exceeds the limit.
    Exceeds,
    /// The source is in hold.
    Held,
    /// The source has no entry.
    Untracked,
}

/// The parameters of a charge.
#[derive(Clone, Copy)]
pub struct ChargeParams {
    pub limit: RateLimit,
    /// Duration of the hold after a source exceeds the limit, in nanoseconds; 0 disables holds.
    pub hold_ns: u64,
    /// SYNs of the source that the hold cache dropped, to be added to its entry.
    pub pending: u64,
}

/// An LRU table with its sketch.
pub trait RateTable {
    /// Returns the entry of a source, to be used field by field: see [`maps::source`].
    fn lookup(key: &SourceKey) -> Option<*mut SourceState>;
    /// Adds a source. Fails if another CPU was faster, or the table has no room.
    fn insert(key: &SourceKey, state: &SourceState) -> Result<(), i32>;
    /// Returns the sketch in front of the table.
    fn sketch() -> Option<*mut CountMinSketch>;
    /// Returns this CPU's admission state for the table.
    fn admission() -> Option<&'static mut Admission>;
}

/// Charges a source with a SYN, if the source has an entry or is admitted to the table.
#[inline(always)]
pub fn charge<T: RateTable>(key: &SourceKey, hash: u64, params: ChargeParams, now_ns: u64) -> ChargeOutcome {
    let Some(admission) = T::admission() else { return ChargeOutcome::Untracked };
    let under_pressure = admission.is_under_pressure(now_ns);
    if under_pressure {
        // Includes the SYNs that the hold cache dropped; otherwise a source in hold would seem to send one a tick.
        let estimate = estimate::<T>(hash, now_ns, params.pending + 1);
        if estimate <= 1 {
            // Most likely a new source: the pressure lasts for as long as new sources come too fast.
            admission.admit_new(now_ns);
        }
        if estimate < admission.promotion_threshold(now_ns) {
            admission.not_admitted += 1;
            return ChargeOutcome::Untracked;
        }
    }
    if let Some(source) = T::lookup(key) {
        return charge_entry(source, params, now_ns);
    }
    let admitted = if under_pressure { admission.promote(now_ns) } else { admission.admit_new(now_ns) };
    if !admitted {
        admission.not_admitted += 1;
        return ChargeOutcome::Untracked;
    }
    admission.promotions += u64::from(under_pressure);
    admit::<T>(key, admission, params, now_ns)
}

/// Counts SYNs of a source in the sketch and returns the estimate. If two CPUs update a cell at the same time, one update
/// may be lost, which makes the estimate lower by one.
#[inline(always)]
fn estimate<T: RateTable>(hash: u64, now_ns: u64, syns: u64) -> u32 {
    let Some(sketch) = T::sketch() else { return 0 };
    let at: [usize; ROWS] = [count_min::index(hash, 0), count_min::index(hash, 1)];
    // SAFETY: `index` stays within a row; the map's value lives as long as the program. The accesses are
    // volatile because other CPUs make them too; each is a single instruction.
    unsafe {
        let cells = [&raw mut (*sketch).cells[0][at[0]], &raw mut (*sketch).cells[1][at[1]]];
        let before = [cells[0].read_volatile(), cells[1].read_volatile()];
        let (after, estimate) = count_min::update(before, count_min::epoch(now_ns), syns);
        cells[0].write_volatile(after[0]);
        cells[1].write_volatile(after[1]);
        estimate
    }
}

/// Adds an entry for a source, charged with its first SYN.
#[inline(always)]
fn admit<T: RateTable>(
    key: &SourceKey,
    admission: &mut Admission,
    params: ChargeParams,
    now_ns: u64,
) -> ChargeOutcome {
    let state = SourceState {
        // A burst is at least one SYN, so the first one always conforms.
        tat_ns: now_ns + params.limit.interval_ns,
        hold_until_ns: 0,
        passed: 1,
        // Not 0 only if the source had an entry before.
        dropped: params.pending,
        first_seen_ns: now_ns,
        last_seen_ns: now_ns,
    };
    if T::insert(key, &state).is_ok() {
        admission.inserts += 1;
        return ChargeOutcome::Conforms;
    }
    // Another CPU added the source meanwhile, or the table has no room.
    match T::lookup(key) {
        Some(source) => charge_entry(source, params, now_ns),
        None => {
            admission.not_admitted += 1;
            ChargeOutcome::Untracked
        }
    }
}

/// Charges the entry of a source with a SYN.
#[inline(always)]
fn charge_entry(source: *mut SourceState, params: ChargeParams, now_ns: u64) -> ChargeOutcome {
    // SAFETY: the verifier has seen the null check; the entry's memory stays valid, if not its meaning, for
    // the rest of the program run, and all its fields are u64 that are only ever accessed atomically.
    let (tat, hold_until, passed, dropped, last_seen) = unsafe {
        (
            SharedU64::new(&raw mut (*source).tat_ns),
            SharedU64::new(&raw mut (*source).hold_until_ns),
            SharedU64::new(&raw mut (*source).passed),
            SharedU64::new(&raw mut (*source).dropped),
            SharedU64::new(&raw mut (*source).last_seen_ns),
        )
    };
    last_seen.store(now_ns);
    if params.pending != 0 {
        dropped.add(params.pending);
    }
    if gcra::is_held(hold_until.load(), params.hold_ns, now_ns) {
        dropped.add(1);
        return ChargeOutcome::Held;
    }
    if conforms(tat, params.limit, now_ns) {
        passed.add(1);
        return ChargeOutcome::Conforms;
    }
    hold_until.store(now_ns + params.hold_ns);
    dropped.add(1);
    ChargeOutcome::Exceeds
}

/// Takes a SYN from the bucket, which other CPUs use at the same time.
#[inline(always)]
fn conforms(tat: SharedU64, limit: RateLimit, now_ns: u64) -> bool {
    let mut seen_ns = tat.load();
    for _ in 0..CHARGE_TRIES {
        let Some(new_ns) = gcra::take(seen_ns, limit, now_ns) else { return false };
        match tat.compare_exchange(seen_ns, new_ns) {
            Ok(()) => return true,
            Err(other_ns) => seen_ns = other_ns,
        }
    }
    true
}

/// Puts a source in hold into the hold cache, so that its other SYNs in this tick need no lookup. Adds the pending SYNs of
/// the slot's former source to that source's entry.
#[inline(always)]
pub fn cache_hold(key: &SourceKey, hash: u64, now_ns: u64) {
    let Some(slot) = maps::hold_slot(hash) else { return };
    let Some(before) = slot.insert(key, now_ns) else { return };
    if let Some(source) = maps::source(&before.source) {
        // SAFETY: as in `charge_entry`.
        unsafe { SharedU64::new(&raw mut (*source).dropped) }.add(before.pending);
    }
}

/// Returns a source's pending SYNs to the hold cache, until the next lookup of its entry.
#[inline(always)]
pub fn restore_pending(key: &SourceKey, hash: u64, pending: u64) {
    if pending != 0
        && let Some(slot) = maps::hold_slot(hash)
    {
        slot.restore(key, pending);
    }
}

/// The table of sources.
pub struct Sources;

impl RateTable for Sources {
    #[inline(always)]
    fn lookup(key: &SourceKey) -> Option<*mut SourceState> {
        maps::source(key)
    }

    #[inline(always)]
    fn insert(key: &SourceKey, state: &SourceState) -> Result<(), i32> {
        maps::insert_source(key, state)
    }

    #[inline(always)]
    fn sketch() -> Option<*mut CountMinSketch> {
        maps::source_sketch()
    }

    #[inline(always)]
    fn admission() -> Option<&'static mut Admission> {
        maps::cpu_state().map(|cpu| &mut cpu.sources)
    }
}

/// The table of prefixes: /24 and /48.
pub struct Prefixes;

impl RateTable for Prefixes {
    #[inline(always)]
    fn lookup(key: &SourceKey) -> Option<*mut SourceState> {
        maps::prefix(key)
    }

    #[inline(always)]
    fn insert(key: &SourceKey, state: &SourceState) -> Result<(), i32> {
        maps::insert_prefix(key, state)
    }

    #[inline(always)]
    fn sketch() -> Option<*mut CountMinSketch> {
        maps::prefix_sketch()
    }

    #[inline(always)]
    fn admission() -> Option<&'static mut Admission> {
        maps::cpu_state().map(|cpu| &mut cpu.prefixes)
    }
}

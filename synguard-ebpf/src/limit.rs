//! Rate limits in two tables, of sources and of prefixes, behind an admission that forged addresses cannot get
//! past (`synguard_common::admission`). The same code serves both; a [`Table`] names the maps.

use synguard_common::{
    abi::{SourceKey, SourceState},
    admission::Admission,
    rate::{self, Limit},
    sketch::{self, ROWS, Sketch},
};

use crate::{atomic::Shared, maps};

/// How often charging an entry is tried again when another CPU charged it in between. When all tries are
/// used up the SYN passes uncharged: each failed try means that another SYN of this source was charged, so
/// what passes in excess is at most one SYN a CPU for each that conforms.
const CHARGE_TRIES: usize = 4;

/// What became of a SYN at one table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// Within the limit.
    Conforms,
    /// It took its source over the limit.
    Exceeds,
    /// Its source is in hold.
    Held,
    /// Its source has no entry.
    Untracked,
}

/// A limit, and how long whoever exceeds it stays in hold.
#[derive(Clone, Copy)]
pub struct Terms {
    /// The limit.
    pub limit: Limit,
    /// Nanoseconds of hold; 0: each SYN is judged.
    pub hold_ns: u64,
    /// SYNs of the source that were dropped without asking, to be added to its entry.
    pub uncounted: u64,
}

/// An LRU table with its sketch.
pub trait Table {
    /// The entry of a source, to be used field by field: see [`maps::source`].
    fn lookup(key: &SourceKey) -> Option<*mut SourceState>;
    /// Adds a source unless another CPU was faster or there is no room.
    fn insert(key: &SourceKey, state: &SourceState) -> Result<(), i32>;
    /// The sketch in front of the table.
    fn sketch() -> Option<*mut Sketch>;
    /// This CPU's admission to the table.
    fn admission() -> Option<&'static mut Admission>;
}

/// Charges a source with a SYN, if it has or may have an entry.
#[inline(always)]
pub fn charge<T: Table>(key: &SourceKey, hash: u64, terms: Terms, now_ns: u64) -> Charged {
    let Some(admission) = T::admission() else { return Charged::Untracked };
    let crowded = admission.is_crowded(now_ns);
    if crowded {
        // With those that were dropped without asking, or a source in hold would seem to send one a tick.
        let estimate = estimate::<T>(hash, now_ns, terms.uncounted + 1);
        if estimate <= 1 {
            // Most likely new: whether such still come too fast decides how long this goes on.
            admission.newcomer(now_ns);
        }
        if estimate < admission.mark(now_ns) {
            admission.skips += 1;
            return Charged::Untracked;
        }
    }
    if let Some(source) = T::lookup(key) {
        return charge_entry(source, terms, now_ns);
    }
    let admitted = if crowded { admission.promote(now_ns) } else { admission.newcomer(now_ns) };
    if !admitted {
        admission.skips += 1;
        return Charged::Untracked;
    }
    admission.promotions += u64::from(crowded);
    admit::<T>(key, admission, terms, now_ns)
}

/// Counts SYNs of a source in the sketch. Two CPUs may lose an update to each other, which makes the estimate lower by one.
#[inline(always)]
fn estimate<T: Table>(hash: u64, now_ns: u64, syns: u64) -> u32 {
    let Some(sketch) = T::sketch() else { return 0 };
    let at: [usize; ROWS] = [sketch::index(hash, 0), sketch::index(hash, 1)];
    // SAFETY: `index` keeps within a row; the map's value lives as long as the program. The accesses are
    // volatile because other CPUs make them too; each is a single instruction.
    unsafe {
        let cells = [&raw mut (*sketch).cells[0][at[0]], &raw mut (*sketch).cells[1][at[1]]];
        let before = [cells[0].read_volatile(), cells[1].read_volatile()];
        let (after, estimate) = sketch::update(before, sketch::epoch(now_ns), syns);
        cells[0].write_volatile(after[0]);
        cells[1].write_volatile(after[1]);
        estimate
    }
}

/// Gives a source an entry, charged with its first SYN.
#[inline(always)]
fn admit<T: Table>(key: &SourceKey, admission: &mut Admission, terms: Terms, now_ns: u64) -> Charged {
    let state = SourceState {
        // A burst is at least one SYN, so the first always conforms.
        tat_ns: now_ns + terms.limit.interval_ns,
        hold_until_ns: 0,
        passed: 1,
        // It had an entry before.
        dropped: terms.uncounted,
        first_seen_ns: now_ns,
        last_seen_ns: now_ns,
    };
    if T::insert(key, &state).is_ok() {
        admission.inserts += 1;
        return Charged::Conforms;
    }
    // Another CPU added it meanwhile, or there is no room.
    match T::lookup(key) {
        Some(source) => charge_entry(source, terms, now_ns),
        None => {
            admission.skips += 1;
            Charged::Untracked
        }
    }
}

/// Charges a known source with a SYN.
#[inline(always)]
fn charge_entry(source: *mut SourceState, terms: Terms, now_ns: u64) -> Charged {
    // SAFETY: the verifier has seen the null check; the entry's memory stays valid, if not its meaning, for
    // the rest of the program run, and all its fields are u64 that are only ever accessed atomically.
    let (tat, hold_until, passed, dropped, last_seen) = unsafe {
        (
            Shared::new(&raw mut (*source).tat_ns),
            Shared::new(&raw mut (*source).hold_until_ns),
            Shared::new(&raw mut (*source).passed),
            Shared::new(&raw mut (*source).dropped),
            Shared::new(&raw mut (*source).last_seen_ns),
        )
    };
    last_seen.store(now_ns);
    if terms.uncounted != 0 {
        dropped.add(terms.uncounted);
    }
    if rate::is_held(hold_until.load(), terms.hold_ns, now_ns) {
        dropped.add(1);
        return Charged::Held;
    }
    if conforms(tat, terms.limit, now_ns) {
        passed.add(1);
        return Charged::Conforms;
    }
    hold_until.store(now_ns + terms.hold_ns);
    dropped.add(1);
    Charged::Exceeds
}

/// Takes a SYN from the bucket, in competition with other CPUs.
#[inline(always)]
fn conforms(tat: Shared, limit: Limit, now_ns: u64) -> bool {
    let mut seen_ns = tat.load();
    for _ in 0..CHARGE_TRIES {
        let Some(new_ns) = rate::take(seen_ns, limit, now_ns) else { return false };
        match tat.replace(seen_ns, new_ns) {
            Ok(()) => return true,
            Err(other_ns) => seen_ns = other_ns,
        }
    }
    true
}

/// Remembers that a source is in hold, so that the rest of its SYNs in this tick need not ask.
#[inline(always)]
pub fn remember_held(key: &SourceKey, hash: u64, now_ns: u64) {
    let Some(slot) = maps::held(hash) else { return };
    let Some(before) = slot.remember(key, now_ns) else { return };
    if let Some(source) = maps::source(&before.source) {
        // SAFETY: as in `charge_entry`.
        unsafe { Shared::new(&raw mut (*source).dropped) }.add(before.uncounted);
    }
}

/// Keeps the SYNs of a source that were dropped without asking until its entry is looked up again.
#[inline(always)]
pub fn keep_uncounted(key: &SourceKey, hash: u64, uncounted: u64) {
    if uncounted != 0
        && let Some(slot) = maps::held(hash)
    {
        slot.give_back(key, uncounted);
    }
}

/// Every address for itself.
pub struct Sources;

impl Table for Sources {
    #[inline(always)]
    fn lookup(key: &SourceKey) -> Option<*mut SourceState> {
        maps::source(key)
    }

    #[inline(always)]
    fn insert(key: &SourceKey, state: &SourceState) -> Result<(), i32> {
        maps::insert_source(key, state)
    }

    #[inline(always)]
    fn sketch() -> Option<*mut Sketch> {
        maps::source_sketch()
    }

    #[inline(always)]
    fn admission() -> Option<&'static mut Admission> {
        maps::cpu_state().map(|cpu| &mut cpu.sources)
    }
}

/// The addresses of a /24 or /48 together.
pub struct Prefixes;

impl Table for Prefixes {
    #[inline(always)]
    fn lookup(key: &SourceKey) -> Option<*mut SourceState> {
        maps::prefix(key)
    }

    #[inline(always)]
    fn insert(key: &SourceKey, state: &SourceState) -> Result<(), i32> {
        maps::insert_prefix(key, state)
    }

    #[inline(always)]
    fn sketch() -> Option<*mut Sketch> {
        maps::prefix_sketch()
    }

    #[inline(always)]
    fn admission() -> Option<&'static mut Admission> {
        maps::cpu_state().map(|cpu| &mut cpu.prefixes)
    }
}

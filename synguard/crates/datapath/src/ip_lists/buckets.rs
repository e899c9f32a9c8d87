//! Entries in the buckets of a list's table, see `synguard_common::ip_list::table`. Pure: works on any memory of that
//! layout, while others read it. There is one writer at a time.

use std::sync::atomic::{AtomicU64, Ordering};

use synguard_common::{
    addr::{Addr, HashSeed},
    ip_list::{
        ListEntry, Prefix,
        table::{self, Bucket, SLOTS},
    },
};

/// A [`Bucket`] in memory that others access at the same time.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(super) struct SharedBucket {
    metas: [AtomicU64; SLOTS],
    addresses: [[AtomicU64; 2]; SLOTS],
    expires_at_ns: [AtomicU64; SLOTS],
    hits: [AtomicU64; SLOTS],
    mask: AtomicU64,
}

const _: () = assert!(size_of::<SharedBucket>() == size_of::<Bucket>());

/// The buckets of a table.
#[derive(Clone, Copy)]
pub(super) struct Buckets<'a> {
    all: &'a [SharedBucket],
    seed: HashSeed,
}

/// A slot: number of the bucket, and place in the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot(usize, usize);

impl<'a> Buckets<'a> {
    /// Returns the number of buckets for this many entries. The entries then fill a quarter to a half of the slots, so
    /// that hardly any entry finds no free slot.
    pub(super) fn count_for(entries: u64) -> u64 {
        const MIN: u64 = 512;
        const MAX: u64 = 1 << 30;
        (entries * 2 / SLOTS as u64).next_power_of_two().clamp(MIN, MAX)
    }

    /// Uses existing memory, whose number of buckets must be a power of two plus one.
    pub(super) fn new(all: &'a [SharedBucket], seed: HashSeed) -> Self {
        debug_assert!((all.len() - 1).is_power_of_two(), "{} buckets", all.len());
        Self { all, seed }
    }

    /// Turns memory of zeros into an empty table.
    pub(super) fn format(self) -> Self {
        self.all[table::HEAD as usize].mask.store(self.mask(), Ordering::Release);
        self
    }

    /// Returns the number of entries that fit without a high risk of full buckets: half of the slots.
    pub(super) fn room(self) -> u64 {
        (self.mask() + 1) * SLOTS as u64 / 2
    }

    /// Returns the entry of a prefix.
    pub(super) fn find(self, key: &Prefix) -> Option<ListEntry> {
        self.slot_of(key, table::hash(key, self.seed)).map(|slot| self.entry(slot))
    }

    /// Passes every entry to `visit`, in no order.
    pub(super) fn for_each(self, mut visit: impl FnMut(&Prefix, &ListEntry)) {
        for slot in self.slots() {
            let meta = self.meta(slot).load(Ordering::Acquire);
            if meta != 0 {
                visit(&self.key(slot, meta), &self.entry(slot));
            }
        }
    }

    /// Adds an entry, or replaces the one of the same prefix, whose hits are kept. Returns `false` if there is no
    /// free slot, in which case nothing has changed.
    #[must_use]
    pub(super) fn insert(self, key: &Prefix, entry: &ListEntry) -> bool {
        let hash = table::hash(key, self.seed);
        let meta = table::meta(key, hash, entry);
        if let Some(slot) = self.slot_of(key, hash) {
            self.expiry(slot).store(entry.expires_at_ns, Ordering::Relaxed);
            self.meta(slot).store(meta, Ordering::Release);
            return true;
        }
        let Some(slot) = self.free_slot(hash).or_else(|| self.make_room(hash)) else { return false };
        self.write(slot, key, entry, meta);
        true
    }

    /// Removes an entry, and reports whether it existed.
    pub(super) fn remove(self, key: &Prefix) -> bool {
        let slot = self.slot_of(key, table::hash(key, self.seed));
        if let Some(slot) = slot {
            self.meta(slot).store(0, Ordering::Release);
        }
        slot.is_some()
    }

    fn mask(self) -> u64 {
        self.all.len() as u64 - 2
    }

    fn slots(self) -> impl Iterator<Item = Slot> {
        (1..self.all.len()).flat_map(|bucket| (0..SLOTS).map(move |place| Slot(bucket, place)))
    }

    fn slot_of(self, key: &Prefix, hash: u64) -> Option<Slot> {
        let places = table::buckets(hash, self.mask()).into_iter();
        let mut slots = places.flat_map(|bucket| (0..SLOTS).map(move |place| Slot(bucket as usize, place)));
        slots.find(|&slot| {
            let meta = self.meta(slot).load(Ordering::Acquire);
            meta != 0 && table::may_match(meta, key, hash) && self.address(slot) == key.address
        })
    }

    /// Returns a free slot in the emptier of the two buckets, which fills the buckets evenly.
    fn free_slot(self, hash: u64) -> Option<Slot> {
        let free = table::buckets(hash, self.mask()).map(|bucket| {
            let bucket = bucket as usize;
            let mut free = (0..SLOTS).filter(|&place| self.is_free(Slot(bucket, place)));
            (free.next().map(|place| Slot(bucket, place)), 1 + free.count())
        });
        match free {
            [(Some(_), first), (Some(slot), second)] if second > first => Some(slot),
            [(slot, _), (other, _)] => slot.or(other),
        }
    }

    /// Frees a slot in one of the two buckets by moving an entry from its first bucket to its second one.
    fn make_room(self, hash: u64) -> Option<Slot> {
        for bucket in table::buckets(hash, self.mask()) {
            for place in 0..SLOTS {
                let from = Slot(bucket as usize, place);
                let meta = self.meta(from).load(Ordering::Relaxed);
                let key = self.key(from, meta);
                let [first, second] = table::buckets(table::hash(&key, self.seed), self.mask());
                let mut places = (0..SLOTS).map(|place| Slot(second as usize, place));
                if first == bucket
                    && second != bucket
                    && let Some(to) = places.find(|&slot| self.is_free(slot))
                {
                    self.write(to, &key, &self.entry(from), meta);
                    self.meta(from).store(0, Ordering::Release);
                    return Some(from);
                }
            }
        }
        None
    }

    fn write(self, slot: Slot, key: &Prefix, entry: &ListEntry, meta: u64) {
        let Slot(bucket, place) = slot;
        for (half, value) in self.all[bucket].addresses[place].iter().zip(key.address.0) {
            half.store(value, Ordering::Relaxed);
        }
        self.expiry(slot).store(entry.expires_at_ns, Ordering::Relaxed);
        self.all[bucket].hits[place].store(entry.hits, Ordering::Relaxed);
        self.meta(slot).store(meta, Ordering::Release);
    }

    fn is_free(self, slot: Slot) -> bool {
        self.meta(slot).load(Ordering::Relaxed) == 0
    }

    fn meta(self, Slot(bucket, place): Slot) -> &'a AtomicU64 {
        &self.all[bucket].metas[place]
    }

    fn expiry(self, Slot(bucket, place): Slot) -> &'a AtomicU64 {
        &self.all[bucket].expires_at_ns[place]
    }

    fn address(self, Slot(bucket, place): Slot) -> Addr {
        let [high, low] = &self.all[bucket].addresses[place];
        Addr([high.load(Ordering::Relaxed), low.load(Ordering::Relaxed)])
    }

    fn key(self, slot: Slot, meta: u64) -> Prefix {
        Prefix { address: self.address(slot), length: table::length(meta) }
    }

    fn entry(self, slot: Slot) -> ListEntry {
        let Slot(bucket, place) = slot;
        let hits = self.all[bucket].hits[place].load(Ordering::Relaxed);
        table::entry(self.meta(slot).load(Ordering::Relaxed), self.expiry(slot).load(Ordering::Relaxed), hits)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SEED: HashSeed = HashSeed([3, 5]);

    fn memory(buckets: usize) -> Vec<SharedBucket> {
        (0..=buckets).map(|_| SharedBucket::default()).collect()
    }

    fn key(number: u64) -> Prefix {
        Prefix::new(Addr([0, number]), 128)
    }

    fn entry(hits: u64) -> ListEntry {
        ListEntry { expires_at_ns: 7, hits, scope: 1, origin: 2 }
    }

    /// Inserts as many entries as [`Buckets::room`] returns, each at the first attempt.
    #[test]
    fn table_of_the_right_size_takes_every_entry() {
        for entries in [300, 8_191, 98_000, 390_000] {
            let memory = memory(Buckets::count_for(entries) as usize);
            let table = Buckets::new(&memory, SEED).format();
            assert!(
                (entries..=4 * entries.max(768)).contains(&table.room()),
                "{} for {entries}",
                table.room()
            );
            for number in 0..table.room() {
                assert!(table.insert(&key(number), &entry(number)), "{number} of {}", table.room());
            }
            assert!((0..table.room()).all(|number| table.find(&key(number)) == Some(entry(number))));
        }
    }

    #[test]
    fn full_table_refuses_and_keeps_its_entries() {
        let memory = memory(2);
        let table = Buckets::new(&memory, SEED).format();
        let placed: Vec<u64> =
            (0..100).filter(|&number| table.insert(&key(number), &entry(number))).collect();
        assert!((4..=6).contains(&placed.len()), "{placed:?}");
        assert!(placed.iter().all(|&number| table.find(&key(number)) == Some(entry(number))));
        assert!(table.insert(&key(placed[0]), &entry(9)), "the entry exists already");
        assert!(table.remove(&key(placed[0])) && !table.remove(&key(placed[0])));
    }

    proptest! {
        /// Compares a nearly full table with a map after any sequence of changes.
        #[test]
        fn table_agrees_with_a_map(changes in prop::collection::vec((0u64..60, any::<bool>(), 0u32..3), 1..400)) {
            let memory = memory(16);
            let table = Buckets::new(&memory, SEED).format();
            let mut model = BTreeMap::new();
            for (number, add, scope) in changes {
                let fresh = ListEntry { scope, ..entry(number) };
                if !add {
                    prop_assert_eq!(table.remove(&key(number)), model.remove(&key(number)).is_some());
                } else if table.insert(&key(number), &fresh) {
                    model.insert(key(number), fresh);
                }
            }
            let mut found = BTreeMap::new();
            table.for_each(|key, entry| {
                found.insert(*key, *entry);
            });
            prop_assert_eq!(&found, &model);
            for number in 0..60 {
                prop_assert_eq!(table.find(&key(number)), model.get(&key(number)).copied());
            }
        }
    }
}

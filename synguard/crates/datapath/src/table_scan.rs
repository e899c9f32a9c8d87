//! Reading a hash table that the program changes meanwhile, without ever reading for longer than was asked for.
//!
//! A batched read goes from bucket to bucket, so it ends however much comes and goes, and how far it got is known.
//! Going on from key to key has neither property: when the key that it stands at vanishes, the kernel begins anew
//! at the first one. So that way, kept for kernels without batches, is bounded by the table's capacity, and what
//! it meets twice is passed on once.

use std::{collections::HashSet, hash::Hash, io, time::Duration};

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use synguard_kernel::clock;

use crate::bpf_syscall;

/// Entries asked for in one batched read. A batch ends at a bucket's end, so it must hold the fullest bucket.
const BATCH: usize = 4096;
/// Between two looks at the clock when reading one by one.
const STRIDE: u64 = 256;
/// Linux's own error number for what a kind of map does not offer.
const ENOTSUPP: i32 = 524;

/// How a table is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanMethod {
    /// In batches, and one by one where the kernel has none.
    #[default]
    Batched,
    /// One by one.
    OneByOne,
}

/// How much of a table may be read, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Longest that it may take, to within one batch.
    pub time: Duration,
    /// In batches or one by one.
    pub way: ScanMethod,
}

impl Budget {
    /// In batches, in at most this time.
    pub const fn new(time: Duration) -> Self {
        Self { time, way: ScanMethod::Batched }
    }
}

/// How much of a table was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Entries that were passed on.
    pub entries: u64,
    /// The share of the table that was looked at, 0 to 1. Where the time ran out on the way from key to key: the
    /// share of the table's capacity that was found in use, which is the least that it can be.
    pub share: f64,
}

/// Passes the entries of a hash map to `visit`, in no order, until all were passed on or the time is up.
///
/// # Errors
///
/// If the map cannot be read.
pub(super) fn for_each<K, V>(map: &MapData, budget: Budget, mut visit: impl FnMut(&K, &V)) -> Result<Coverage>
where
    K: Copy + Default + Eq + Hash,
    V: Copy + Default,
{
    let capacity = map.info().context("ask about a table")?.max_entries();
    let deadline_ns = clock::now_ns().saturating_add(budget.time.as_nanos().try_into().unwrap_or(u64::MAX));
    if budget.way == ScanMethod::Batched {
        match batched(map, capacity, deadline_ns, &mut visit) {
            Err(error) if lacks_batches(&error) => {}
            result => return result.context("read a table in batches"),
        }
    }
    singly(map, capacity, deadline_ns, &mut visit).context("read a table")
}

/// Whether the kernel has no batches for this map. Nothing was passed on then.
fn lacks_batches(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | ENOTSUPP))
}

fn batched<K: Copy + Default, V: Copy + Default>(
    map: &MapData,
    capacity: u32,
    deadline_ns: u64,
    visit: &mut impl FnMut(&K, &V),
) -> io::Result<Coverage> {
    // As the kernel sizes them.
    let buckets = capacity.next_power_of_two();
    let mut keys = vec![K::default(); BATCH];
    let mut values = vec![V::default(); BATCH];
    let mut entries = 0;
    let mut cursor = None;
    loop {
        match bpf_syscall::lookup_batch(map.fd(), cursor, &mut keys, &mut values) {
            Ok((count, next)) => {
                for (key, value) in keys.iter().zip(&values).take(count) {
                    visit(key, value);
                }
                entries += count as u64;
                let Some(bucket) = next else { return Ok(Coverage { entries, share: 1.0 }) };
                if clock::now_ns() >= deadline_ns {
                    let share = f64::from(bucket) / f64::from(buckets);
                    return Ok(Coverage { entries, share: share.min(1.0) });
                }
                cursor = next;
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) && keys.len() <= capacity as usize => {
                let room = keys.len() * 2;
                keys.resize(room, K::default());
                values.resize(room, V::default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn singly<K: Copy + Default + Eq + Hash, V: Copy + Default>(
    map: &MapData,
    capacity: u32,
    deadline_ns: u64,
    visit: &mut impl FnMut(&K, &V),
) -> io::Result<Coverage> {
    let mut seen = HashSet::new();
    let mut key = None;
    for step in 0..u64::from(capacity) {
        let Some(next) = bpf_syscall::next_key(map.fd(), key.as_ref())? else {
            return Ok(Coverage { entries: seen.len() as u64, share: 1.0 });
        };
        if !seen.contains(&next)
            && let Some(value) = bpf_syscall::lookup(map.fd(), &next)?
        {
            seen.insert(next);
            visit(&next, &value);
        }
        key = Some(next);
        if step % STRIDE == 0 && clock::now_ns() >= deadline_ns {
            break;
        }
    }
    let entries = seen.len() as u64;
    Ok(Coverage { entries, share: entries as f64 / f64::from(capacity.max(1)) })
}

//! Scans of a hash table that the program changes at the same time, within a time budget.
//!
//! A batched scan proceeds from bucket to bucket, so it ends regardless of the changes, and its progress is known. A
//! scan from key to key has neither property: if the current key disappears, the kernel starts again at the first
//! one. This method, for kernels without batches, is therefore bounded by the table's capacity, and a key that it
//! meets twice is visited once.

use std::{collections::HashSet, hash::Hash, io, time::Duration};

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use synguard_kernel::clock;

use crate::bpf_syscall;

/// Entries requested in one batched read. A batch ends at the end of a bucket, so it must hold the fullest bucket.
const BATCH: usize = 4096;
/// Number of entries between two readings of the clock when they are read one by one.
const STRIDE: u64 = 256;
/// Linux-internal error number for an operation that a type of map does not support.
const ENOTSUPP: i32 = 524;

/// Method of reading a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanMethod {
    /// In batches; one by one if the kernel does not support batches.
    #[default]
    Batched,
    /// One by one, from key to key.
    OneByOne,
}

/// Time budget and method of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Maximum duration of the scan, to within one batch.
    pub time: Duration,
    pub method: ScanMethod,
}

impl Budget {
    /// Returns a budget for a batched scan of at most this duration.
    pub const fn new(time: Duration) -> Self {
        Self { time, method: ScanMethod::Batched }
    }
}

/// Extent of a scan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Number of entries visited.
    pub entries: u64,
    /// Share of the table that was scanned, 0 to 1. If the time ran out in a scan from key to key, this is the share
    /// of the table's capacity that was found in use, which is a lower bound.
    pub share: f64,
}

/// Passes the entries of a hash map to `visit`, in no order, until all were visited or the time is up.
pub(super) fn for_each<K, V>(map: &MapData, budget: Budget, mut visit: impl FnMut(&K, &V)) -> Result<Coverage>
where
    K: Copy + Default + Eq + Hash,
    V: Copy + Default,
{
    let capacity = map.info().context("ask about a table")?.max_entries();
    let deadline_ns = clock::now_ns().saturating_add(budget.time.as_nanos().try_into().unwrap_or(u64::MAX));
    if budget.method == ScanMethod::Batched {
        match scan_batched(map, capacity, deadline_ns, &mut visit) {
            Err(error) if lacks_batches(&error) => {}
            result => return result.context("read a table in batches"),
        }
    }
    scan_one_by_one(map, capacity, deadline_ns, &mut visit).context("read a table")
}

/// Reports whether the error means that the kernel has no batches for this map. No entry was visited then.
fn lacks_batches(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | ENOTSUPP))
}

fn scan_batched<K: Copy + Default, V: Copy + Default>(
    map: &MapData,
    capacity: u32,
    deadline_ns: u64,
    visit: &mut impl FnMut(&K, &V),
) -> io::Result<Coverage> {
    // The kernel rounds the number of buckets up to a power of two.
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

fn scan_one_by_one<K: Copy + Default + Eq + Hash, V: Copy + Default>(
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

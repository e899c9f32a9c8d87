//! A rate limit for every network at once, in fixed memory: a count-min sketch (Cormode, Muthukrishnan: An Improved
//! Data Stream Summary, 2005) whose cells are not counts but buckets, each one a theoretical arrival time as in
//! [`crate::rate`]. Pure; each CPU has its own, so nothing here is shared.
//!
//! A network has a bucket in each row and shares it with others. The emptiest of its buckets, the one whose time is
//! least far ahead, has been charged with all that the network took and with what others took besides, so no network
//! gets more than the limit; one that shares all its buckets with busy ones may get less. Only what is behind is moved
//! on (conservative update), so that company costs as little as possible.

/// Rows; a network has one bucket in each.
pub const ROWS: usize = 2;
/// Buckets a row, a power of two. Both rows fill 32 KiB, the most that a value of a per-CPU map may have.
pub const WIDTH: usize = 1 << 12;
/// Nanoseconds in a unit of a bucket's time, as a power of two.
pub const UNIT_SHIFT: u32 = 10;
/// Units in a second.
const SECOND: u32 = (1_000_000_000u64 >> UNIT_SHIFT) as u32;

/// The buckets.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkSketch {
    /// Row by row, in units of [`UNIT_SHIFT`], modulo 2^32.
    pub tats: [[u32; WIDTH]; ROWS],
}

/// The bucket of a hash in a row. The rows take bits that do not overlap.
#[inline(always)]
pub const fn index(hash: u64, row: usize) -> usize {
    (hash >> (16 * row)) as usize & (WIDTH - 1)
}

/// Takes one answer from a network's buckets and returns what they become, or `None` if the network is over `rate`
/// answers a second (0: any number). As many may come at once.
#[inline(always)]
pub const fn take(tats: [u32; ROWS], rate: u32, now_ns: u64) -> Option<[u32; ROWS]> {
    if rate == 0 {
        return Some(tats);
    }
    // Rounded up, so that the limit is never exceeded. A rate above one a unit is no limit that could be kept.
    let interval = SECOND.div_ceil(rate);
    let tolerance = (rate - 1).saturating_mul(interval);
    let now = (now_ns >> UNIT_SHIFT) as u32;
    let ahead = [ahead(tats[0], now, tolerance), ahead(tats[1], now, tolerance)];
    let least = if ahead[0] < ahead[1] { ahead[0] } else { ahead[1] };
    if least > tolerance {
        return None;
    }
    let charged = least + interval;
    Some([moved(ahead[0], charged, now), moved(ahead[1], charged, now)])
}

/// How far ahead of now a bucket's time is. What is further ahead than the limit can explain lies in the past, or is
/// left over from another limit: nothing.
#[inline(always)]
const fn ahead(tat: u32, now: u32, tolerance: u32) -> u32 {
    let ahead = tat.wrapping_sub(now);
    if ahead > tolerance.saturating_add(2 * SECOND) { 0 } else { ahead }
}

#[inline(always)]
const fn moved(ahead: u32, charged: u32, now: u32) -> u32 {
    now.wrapping_add(if ahead < charged { charged } else { ahead })
}

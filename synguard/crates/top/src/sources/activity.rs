//! The activity of a source: whether it sends SYNs now, or has fallen silent. Pure.

use super::Row;

/// Time without a SYN after which a row is shown as silent, in nanoseconds.
pub const SILENT_NS: u64 = 5_000_000_000;
/// Time without a SYN after which a row is hidden, in nanoseconds.
pub const HIDDEN_NS: u64 = 60_000_000_000;

/// The activity of a source or prefix. The order is that of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Activity {
    /// It has sent SYNs in the last seconds.
    Sending,
    /// It has sent none for some seconds.
    Silent,
    /// It has sent none for a minute.
    LongSilent,
}

impl Activity {
    /// Returns the activity of a row that was read at `read_ns`.
    pub const fn of(row: &Row, read_ns: u64) -> Self {
        match read_ns.saturating_sub(row.last_seen_ns) {
            _ if row.fresh > 0 => Self::Sending,
            0..SILENT_NS => Self::Sending,
            SILENT_NS..HIDDEN_NS => Self::Silent,
            _ => Self::LongSilent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_judged_from_the_latest_syn() {
        const SECOND: u64 = 1_000_000_000;
        let read_ns = 100 * SECOND;
        for (ago, fresh, activity) in [
            (0, 0, Activity::Sending),
            (4, 0, Activity::Sending),
            (5, 0, Activity::Silent),
            (59, 0, Activity::Silent),
            (60, 0, Activity::LongSilent),
            // Read every minute: it has sent SYNs since the last reading.
            (60, 1, Activity::Sending),
        ] {
            let row = Row { fresh, last_seen_ns: read_ns - ago * SECOND, ..Row::default() };
            assert_eq!(Activity::of(&row, read_ns), activity, "{ago} s ago, {fresh} SYNs");
        }
    }
}

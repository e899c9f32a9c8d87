//! The data of the charts: the last minutes, one value a second. Pure.

use std::collections::VecDeque;

/// Length of the history, in nanoseconds: ten minutes.
const SPAN_NS: u64 = 600_000_000_000;
/// Time span of a chart in seconds, unless it has more columns.
const SHOWN_SECONDS: usize = 180;

/// The values of one refresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// Time of the refresh, in nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// SYNs to guarded ports a second.
    pub offered: u64,
    /// SYNs dropped, blocked or answered by XDP a second: those that did not reach the server. In monitor mode those that would have
    /// been dropped or blocked.
    pub not_passed: u64,
    /// Connections accepted a second.
    pub accepted: u64,
    /// Distinct sources of SYNs in the last second.
    pub distinct: u64,
}

/// The points of the last minutes, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    points: VecDeque<Point>,
}

impl History {
    /// Adds a point. A point older than the latest begins a new history, because its clock is another machine's.
    pub fn push(&mut self, point: Point) {
        if self.points.back().is_some_and(|latest| point.at_ns < latest.at_ns) {
            self.points.clear();
        }
        self.points.push_back(point);
        while self.points.front().is_some_and(|first| point.at_ns - first.at_ns > SPAN_NS) {
            self.points.pop_front();
        }
    }

    /// Returns the latest point.
    pub fn latest(&self) -> Option<&Point> {
        self.points.back()
    }

    /// Returns a value for each of `columns` columns, the latest at the right, and their time span in seconds. A column
    /// shows the highest value of its interval; a column without a point repeats the column before it.
    pub fn columns(&self, columns: usize, value: impl Fn(&Point) -> u64) -> (Vec<Option<u64>>, u64) {
        let step_seconds = SHOWN_SECONDS.div_ceil(columns.max(1)).max(1) as u64;
        let step_ns = step_seconds * 1_000_000_000;
        let mut shown = vec![None; columns];
        let Some(latest) = self.points.back() else { return (shown, step_seconds * columns as u64) };
        // Columns begin at whole multiples of their interval, so that a value stays in its column.
        let last = latest.at_ns / step_ns;
        for point in &self.points {
            let back = (last - point.at_ns / step_ns) as usize;
            if let Some(column) = columns.checked_sub(back + 1).and_then(|i| shown.get_mut(i)) {
                *column = (*column).max(Some(value(point)));
            }
        }
        for i in 1..columns {
            shown[i] = shown[i].or(shown[i - 1]);
        }
        (shown, step_seconds * columns as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn offered(seconds: u64, offered: u64) -> Point {
        Point { at_ns: seconds * SECOND, offered, ..Point::default() }
    }

    #[test]
    fn latest_value_is_rightmost_and_columns_show_maxima() {
        let mut history = History::default();
        for (at, value) in [(100, 1), (101, 5), (102, 2), (105, 9)] {
            history.push(offered(at, value));
        }
        let (columns, span) = history.columns(90, |point| point.offered);
        assert_eq!(span, 180, "two seconds a column");
        assert_eq!(columns[86..], [None, Some(5), Some(2), Some(9)]);
        let (wide, span) = history.columns(200, |point| point.offered);
        assert_eq!(span, 200);
        assert_eq!(wide[194..], [Some(1), Some(5), Some(2), Some(2), Some(2), Some(9)]);
    }

    proptest! {
        #[test]
        fn any_history_has_as_many_columns_as_asked_for(
            points in prop::collection::vec((0u64..10_000, any::<u64>()), 0..100),
            columns in 0usize..300,
        ) {
            let mut history = History::default();
            for (at, value) in points {
                history.push(offered(at, value));
            }
            prop_assert_eq!(history.columns(columns, |point| point.offered).0.len(), columns);
            prop_assert!(history.points.len() <= 601);
        }
    }
}

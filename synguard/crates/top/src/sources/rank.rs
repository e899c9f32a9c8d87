//! Selects the busiest rows with a heap: each offered row is compared with the least of those kept, and mostly
//! discarded.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashSet},
};

use super::Row;

/// The number by which rows are selected and sorted, highest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By SYNs a second.
    #[default]
    Rate,
    /// By SYNs since the entry was created.
    Total,
    /// By dropped SYNs.
    Dropped,
}

impl Sort {
    /// All orders.
    pub const ALL: [Self; 3] = [Self::Rate, Self::Total, Self::Dropped];

    /// Returns the name used on the command line and on the screen.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Total => "total",
            Self::Dropped => "dropped",
        }
    }

    /// Returns the next order, cyclically.
    pub const fn next(self) -> Self {
        match self {
            Self::Rate => Self::Total,
            Self::Total => Self::Dropped,
            Self::Dropped => Self::Rate,
        }
    }

    /// Compares two rows. The other numbers decide between equals, then the address, so that idle rows
    /// keep their place.
    pub fn compare(self, a: &Row, b: &Row) -> Ordering {
        self.rank(b).cmp(&self.rank(a)).then_with(|| a.key.cmp(&b.key))
    }

    fn rank(self, row: &Row) -> [u64; 3] {
        match self {
            Self::Rate => [row.fresh, row.syn_total, row.dropped],
            Self::Total => [row.syn_total, row.fresh, row.dropped],
            Self::Dropped => [row.dropped, row.fresh, row.syn_total],
        }
    }
}

/// The busiest of the rows offered so far.
#[derive(Debug)]
pub struct Busiest {
    sort: Sort,
    limit: usize,
    // The least of the kept rows is on top.
    heap: BinaryHeap<Reverse<Ranked>>,
}

#[derive(Debug)]
struct Ranked {
    sort: Sort,
    row: Row,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort.compare(&other.row, &self.row)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

impl Busiest {
    /// Creates a selection of at most `limit` rows.
    pub const fn new(sort: Sort, limit: usize) -> Self {
        Self { sort, limit, heap: BinaryHeap::new() }
    }

    /// Offers a row.
    pub fn offer(&mut self, row: Row) {
        let ranked = Ranked { sort: self.sort, row };
        if self.heap.len() < self.limit {
            self.heap.push(Reverse(ranked));
        } else if let Some(mut least) = self.heap.peek_mut()
            && ranked > least.0
        {
            *least = Reverse(ranked);
        }
    }

    /// Returns the kept rows, busiest first. A row that was offered twice appears once, with its higher numbers.
    pub fn finish(self) -> Vec<Row> {
        // Ascending order of `Reverse` is descending order.
        let mut rows: Vec<Row> = self.heap.into_sorted_vec().into_iter().map(|kept| kept.0.row).collect();
        let mut seen = HashSet::with_capacity(rows.len());
        rows.retain(|row| seen.insert(row.key));
        rows
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use synguard_common::{addr::Addr, source::SourceKey};

    use super::*;

    fn row(key: u64, fresh: u64, syn_total: u64, dropped: u64) -> Row {
        Row { key: SourceKey { address: Addr([0, key]) }, fresh, syn_total, dropped, ..Row::default() }
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        prop::collection::vec((0u64..5, 0u64..50, 0u64..50), 0..300).prop_map(|figures| {
            let number =
                |(i, (fresh, total, dropped)): (usize, (u64, u64, u64))| row(i as u64, fresh, total, dropped);
            figures.into_iter().enumerate().map(number).collect()
        })
    }

    proptest! {
        #[test]
        fn the_heap_keeps_what_sorting_everything_would(rows in rows(), limit in 0usize..40) {
            for sort in [Sort::Rate, Sort::Total, Sort::Dropped] {
                let mut busiest = Busiest::new(sort, limit);
                for row in &rows {
                    busiest.offer(*row);
                }
                let mut sorted = rows.clone();
                sorted.sort_by(|a, b| sort.compare(a, b));
                sorted.truncate(limit);
                prop_assert_eq!(busiest.finish(), sorted);
            }
        }

        #[test]
        fn duplicate_candidate_is_listed_once(rows in rows()) {
            let mut busiest = Busiest::new(Sort::Rate, rows.len() * 2);
            rows.iter().chain(&rows).for_each(|row| busiest.offer(*row));
            prop_assert_eq!(busiest.finish().len(), rows.len());
        }
    }

    #[test]
    fn each_order_looks_at_its_own_figure() {
        let all = [row(1, 9, 1, 1), row(2, 1, 9, 1), row(3, 1, 1, 9)];
        for (sort, first) in [(Sort::Rate, 1), (Sort::Total, 2), (Sort::Dropped, 3)] {
            let mut busiest = Busiest::new(sort, 1);
            for row in all {
                busiest.offer(row);
            }
            assert_eq!(busiest.finish()[0].key.address.0[1], first, "{sort:?}");
        }
    }
}

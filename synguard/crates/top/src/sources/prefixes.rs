//! Totals over the sources of one /24 or /48, in bounded memory.

use synguard_common::{addr::Mask, source::SourceKey};
use synguard_model::source::SourceStatus;

use super::{Busiest, Row, Sort, seeded::SourceMap};

/// Maximum number of prefixes that are summed: a flood from forged addresses has a prefix for each.
const PREFIXES_MAX: usize = 8192;

/// Sums over the sources of each prefix. When there are too many prefixes, those with the fewest SYNs are forgotten, and begin anew
/// with their next source.
#[derive(Debug, Default)]
pub struct PrefixTotals {
    rows: SourceMap<Row>,
}

impl PrefixTotals {
    /// Adds a source to its prefix.
    pub fn add(&mut self, row: &Row) {
        let mask = if row.key.address.is_v4() { Mask::PREFIX_V4 } else { Mask::PREFIX_V6 };
        let key = SourceKey { address: row.key.address.masked(mask) };
        if self.rows.len() >= PREFIXES_MAX && !self.rows.contains_key(&key) {
            self.forget_smallest();
        }
        let fresh = Row { key, first_seen_ns: u64::MAX, ..Row::default() };
        let sum = self.rows.entry(key).or_insert(fresh);
        sum.fresh += row.fresh;
        sum.syn_total += row.syn_total;
        sum.dropped += row.dropped;
        sum.hold_until_ns = sum.hold_until_ns.max(row.hold_until_ns);
        sum.first_seen_ns = sum.first_seen_ns.min(row.first_seen_ns);
        sum.last_seen_ns = sum.last_seen_ns.max(row.last_seen_ns);
        if row.status == SourceStatus::Hold {
            sum.status = SourceStatus::Hold;
        }
    }

    /// Forgets half of the prefixes: those with the fewest SYNs of the last interval.
    fn forget_smallest(&mut self) {
        let mut counts: Vec<u64> = self.rows.values().map(|row| row.fresh).collect();
        let middle = counts.len() / 2;
        let (_, &mut median, _) = counts.select_nth_unstable(middle);
        let mut spared = middle;
        // Many may have as few as the median: only some of these are spared.
        self.rows.retain(|_, row| {
            let is_kept = row.fresh > median || (row.fresh == median && spared > middle / 2);
            spared -= usize::from(is_kept && row.fresh == median);
            is_kept
        });
    }

    /// Returns the busiest prefixes, by SYNs of the last `seconds`. A prefix is in hold if one of its sources is.
    pub fn busiest(self, sort: Sort, limit: usize, seconds: f64) -> Vec<Row> {
        let mut busiest = Busiest::new(sort, limit);
        for mut row in self.rows.into_values() {
            row.syn_rate = if seconds > 0.0 { row.fresh as f64 / seconds } else { 0.0 };
            busiest.offer(row);
        }
        busiest.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synguard_model::source::{display_prefix, key_of};

    #[test]
    fn memory_is_bounded_and_busy_prefixes_are_kept() {
        let mut prefixes = PrefixTotals::default();
        for i in 0..100_000u32 {
            let forged = std::net::Ipv4Addr::from(0x0b00_0000 + i * 256);
            prefixes.add(&Row { key: key_of(forged.into()), fresh: 1, ..Row::default() });
            if i % 1000 == 0 {
                let busy = std::net::Ipv4Addr::from(0xc000_0200 + i / 1000);
                prefixes.add(&Row { key: key_of(busy.into()), fresh: 40, ..Row::default() });
            }
            assert!(prefixes.rows.len() <= PREFIXES_MAX);
        }
        let busiest = prefixes.busiest(Sort::Rate, 1, 1.0);
        assert_eq!((display_prefix(&busiest[0].key).as_str(), busiest[0].fresh), ("192.0.2.0/24", 4000));
    }

    #[test]
    fn sources_are_summed_by_prefix() {
        let mut prefixes = PrefixTotals::default();
        for (source, fresh) in [("192.0.2.1", 5), ("192.0.2.9", 7), ("192.0.3.1", 1), ("2001:db8:1:2::", 4)] {
            let key = key_of(source.parse().expect("an address"));
            prefixes.add(&Row { key, fresh, syn_total: 10, ..Row::default() });
        }
        let rows: Vec<(String, u64, u64, f64)> = prefixes
            .busiest(Sort::Rate, 2, 2.0)
            .iter()
            .map(|row| (display_prefix(&row.key), row.fresh, row.syn_total, row.syn_rate))
            .collect();
        let expected = [("192.0.2.0/24", 12, 20, 6.0), ("2001:db8:1::/48", 4, 10, 2.0)];
        assert_eq!(rows, expected.map(|(name, fresh, total, rate)| (name.to_owned(), fresh, total, rate)));
    }
}

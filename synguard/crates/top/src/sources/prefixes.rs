//! Totals over the sources of one /24 or /48.

use std::collections::HashMap;

use synguard_common::{addr::Mask, source::SourceKey};
use synguard_model::source::SourceStatus;

use super::{Busiest, Row, Sort};

/// Sums over the sources of each prefix.
#[derive(Debug, Default)]
pub struct PrefixTotals {
    rows: HashMap<SourceKey, Row>,
}

impl PrefixTotals {
    /// Adds a source to its prefix.
    pub fn add(&mut self, row: &Row) {
        let mask = if row.key.address.is_v4() { Mask::PREFIX_V4 } else { Mask::PREFIX_V6 };
        let key = SourceKey { address: row.key.address.masked(mask) };
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

//! The busiest sources between two readings of the whole table, which are rare when the table is large. Pure.
//!
//! The first rows of the list, and sources that are in hold or dropped by the blocklist by now, are looked up one by one at each
//! refresh. So the rates of the sources that matter are of this moment, however rarely all sources are read.

use std::collections::HashMap;

use synguard_common::source::{SourceKey, SourceState};
use synguard_model::source::total_syns;

use super::{Row, Sort, seeded::SourceMap};

/// Number of rows that are read again.
pub const WATCHED_MAX: usize = 100;

/// Counts of the watched sources.
#[derive(Debug, Default)]
pub struct WatchedSources {
    totals: SourceMap<u64>,
    /// Packets that a blocklist entry of the source itself dropped, of all such entries that are known.
    hits: SourceMap<u64>,
    at_ns: u64,
}

/// What was found of the watched sources and those in hold.
#[derive(Debug, Default)]
pub struct FoundAgain {
    /// Their entries in the table.
    pub entries: HashMap<SourceKey, SourceState>,
    /// The packets that a blocklist entry of the source itself dropped: the table does not count these.
    pub hits: HashMap<SourceKey, u64>,
}

impl FoundAgain {
    /// Returns all SYNs of a source; `None` if nothing is known of it.
    fn total(&self, key: &SourceKey) -> Option<u64> {
        let hits = self.hits.get(key);
        let total = self.entry_total(key).saturating_add(hits.copied().unwrap_or(0));
        (self.entries.contains_key(key) || hits.is_some()).then_some(total)
    }

    /// Returns the SYNs of a source that its entry in the table counts.
    fn entry_total(&self, key: &SourceKey) -> u64 {
        self.entries.get(key).map_or(0, total_syns)
    }
}

impl WatchedSources {
    /// Begins after a reading of the whole table: rates are measured from here on.
    pub fn begin(&mut self, rows: &[Row], found: &FoundAgain, at_ns: u64) {
        self.at_ns = at_ns;
        self.hits = found.hits.iter().map(|(key, hits)| (*key, *hits)).collect();
        self.totals.clear();
        for row in rows.iter().take(WATCHED_MAX) {
            self.totals.extend(found.total(&row.key).map(|total| (row.key, total)));
        }
    }

    /// Updates rows that were sorted by rate with what was found at `at_ns`, and adds the sources that were not among them. Rows
    /// below the watched ones stay as they were read. Returns the number of updated rows; they come first.
    pub fn update(&mut self, rows: &mut Vec<Row>, found: &FoundAgain, at_ns: u64) -> usize {
        let (seconds, since_ns) = (at_ns.saturating_sub(self.at_ns) as f64 / 1e9, self.at_ns);
        let others = rows.split_off(rows.len().min(WATCHED_MAX));
        let mut known: SourceMap<Row> = rows.iter().map(|row| (row.key, *row)).collect();
        let hits_before = std::mem::take(&mut self.hits);
        let is_blocked_now =
            |(key, hits): &(&SourceKey, &u64)| hits_before.get(key).is_none_or(|before| *hits > before);
        let blocked = found.hits.iter().filter(is_blocked_now).map(|(key, _)| key);
        for key in found.entries.keys().chain(blocked) {
            known.entry(*key).or_insert(Row { key: *key, ..Row::default() });
        }
        self.hits = found.hits.iter().map(|(key, hits)| (*key, *hits)).collect();
        let former = std::mem::take(&mut self.totals);
        rows.clear();
        for (key, row) in known {
            // The table does not count what the blocklist drops, so of a source that was not watched only the hits are new.
            let unwatched =
                || hits_before.get(&key).map(|hits| found.entry_total(&key).saturating_add(*hits));
            let before = former.get(&key).copied().or_else(unwatched);
            rows.push(self.again(row, before, found, seconds, since_ns, at_ns));
        }
        rows.sort_by(|a, b| Sort::Rate.compare(a, b));
        let updated = rows.len();
        let is_other = |row: &Row| !self.totals.contains_key(&row.key);
        // Their age is still that at which they were read.
        let aged = |row: Row| Row { last_seen_ns: row.last_seen_ns.saturating_add(at_ns - since_ns), ..row };
        rows.extend(others.into_iter().filter(is_other).map(aged));
        self.at_ns = at_ns;
        updated
    }

    /// Returns a row with its present counts.
    fn again(
        &mut self,
        row: Row,
        before: Option<u64>,
        found: &FoundAgain,
        seconds: f64,
        since_ns: u64,
        at_ns: u64,
    ) -> Row {
        let Some(total) = found.total(&row.key) else {
            // Its entry was evicted.
            return Row { fresh: 0, syn_rate: 0.0, ..row };
        };
        self.totals.insert(row.key, total);
        let state = found.entries.get(&row.key).copied().unwrap_or_default();
        let is_new = state.first_seen_ns >= since_ns;
        let fresh = match before.map(|before| total.checked_sub(before)) {
            Some(Some(fresh)) => fresh,
            // A recreated entry counts from zero. Where it is only gone, the hits of a block are left, and they are not new.
            Some(None) if is_new => found.entry_total(&row.key),
            None if is_new => total,
            // Of a source that was not read before the rate is known at the next time.
            Some(None) | None => 0,
        };
        let hits = found.hits.get(&row.key).copied().unwrap_or(0);
        let now = Row::new(&row.key, &state, fresh, seconds, at_ns);
        Row {
            syn_total: total,
            dropped: now.dropped.saturating_add(hits),
            first_seen_ns: if now.first_seen_ns == 0 { row.first_seen_ns } else { now.first_seen_ns },
            last_seen_ns: match fresh {
                0 => now.last_seen_ns.max(row.last_seen_ns),
                _ if hits > 0 => at_ns,
                _ => now.last_seen_ns,
            },
            ..now
        }
    }
}

#[cfg(test)]
mod tests {
    use synguard_model::source::key_of;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn key(number: u32) -> SourceKey {
        key_of(std::net::Ipv4Addr::from(0x0a00_0000 + number).into())
    }

    fn row(number: u32, fresh: u64) -> Row {
        Row {
            key: key(number),
            fresh,
            syn_rate: fresh as f64 / 16.0,
            last_seen_ns: 99 * SECOND,
            ..Row::default()
        }
    }

    fn found(entries: &[(u32, u64, u64)], hits: &[(u32, u64)]) -> FoundAgain {
        let state = |passed, first_seen_ns| SourceState {
            passed,
            first_seen_ns,
            last_seen_ns: 101 * SECOND,
            ..SourceState::default()
        };
        FoundAgain {
            entries: entries
                .iter()
                .map(|&(source, total, first)| (key(source), state(total, first)))
                .collect(),
            hits: hits.iter().map(|&(source, hits)| (key(source), hits)).collect(),
        }
    }

    fn rates(rows: &[Row]) -> Vec<(SourceKey, f64)> {
        rows.iter().map(|row| (row.key, row.syn_rate)).collect()
    }

    #[test]
    fn watched_sources_have_the_rates_of_this_moment() {
        let mut watched = WatchedSources::default();
        let mut rows = vec![row(1, 1600), row(2, 800)];
        watched.begin(&rows, &found(&[(1, 5000, SECOND), (2, 900, SECOND)], &[]), 100 * SECOND);
        let now = found(&[(1, 5000, SECOND), (2, 1900, SECOND)], &[]);
        assert_eq!(watched.update(&mut rows, &now, 102 * SECOND), 2);
        assert_eq!(rates(&rows), [(key(2), 500.0), (key(1), 0.0)], "the first one has stopped");
        assert_eq!((rows[0].syn_total, rows[0].last_seen_ns), (1900, 101 * SECOND));
        let now = found(&[(1, 5007, SECOND), (2, 1900, SECOND)], &[]);
        watched.update(&mut rows, &now, 103 * SECOND);
        assert_eq!(rates(&rows), [(key(1), 7.0), (key(2), 0.0)], "since the latest time");
        // The second one's entry is evicted and made anew, and the first one's is evicted.
        watched.update(&mut rows, &found(&[(2, 30, 103 * SECOND)], &[]), 104 * SECOND);
        assert_eq!(rates(&rows), [(key(2), 30.0), (key(1), 0.0)]);
    }

    #[test]
    fn source_in_hold_appears_before_the_table_is_read() {
        let mut watched = WatchedSources::default();
        let mut rows = vec![row(1, 16)];
        watched.begin(&rows, &found(&[(1, 50, SECOND)], &[]), 100 * SECOND);
        // One has a new entry, and of the other one it is unknown how much it has sent in this second.
        let now = found(&[(1, 51, SECOND), (7, 9000, 100 * SECOND), (8, 70_000, SECOND)], &[]);
        assert_eq!(watched.update(&mut rows, &now, 101 * SECOND), 3);
        assert_eq!(rates(&rows), [(key(7), 9000.0), (key(1), 1.0), (key(8), 0.0)]);
        let now = found(&[(1, 52, SECOND), (7, 9000, 100 * SECOND), (8, 80_000, SECOND)], &[]);
        watched.update(&mut rows, &now, 102 * SECOND);
        assert_eq!(rates(&rows)[0], (key(8), 10_000.0));
    }

    #[test]
    fn blocked_source_appears_when_it_begins_to_send() {
        let mut watched = WatchedSources::default();
        let mut rows = vec![row(1, 16)];
        let before = found(&[(1, 50, SECOND)], &[(7, 400), (8, 70_000), (9, 3)]);
        watched.begin(&rows, &before, 100 * SECOND);
        // One floods, one is silent, and one has an entry of the table from the time before its block.
        let now = found(&[(1, 51, SECOND), (9, 600, SECOND)], &[(7, 30_400), (8, 70_000), (9, 5_003)]);
        watched.update(&mut rows, &now, 101 * SECOND);
        assert_eq!(rates(&rows), [(key(7), 30_000.0), (key(9), 5_000.0), (key(1), 1.0)]);
        let now = found(&[(1, 51, SECOND)], &[(7, 30_400), (8, 70_010), (9, 5_003)]);
        watched.update(&mut rows, &now, 102 * SECOND);
        assert_eq!(rates(&rows)[0], (key(8), 10.0));
    }

    #[test]
    fn hits_of_a_block_belong_to_its_source() {
        let mut watched = WatchedSources::default();
        let mut rows = vec![row(1, 16)];
        watched.begin(&rows, &found(&[(1, 50, SECOND)], &[]), 100 * SECOND);
        watched.update(&mut rows, &found(&[(1, 60, SECOND)], &[(1, 990)]), 101 * SECOND);
        assert_eq!((rows[0].syn_rate, rows[0].syn_total, rows[0].dropped), (1000.0, 1050, 990));
        assert_eq!(rows[0].last_seen_ns, 101 * SECOND);
        // The entry of the list is removed, and its hits move to the source.
        watched.update(&mut rows, &found(&[(1, 1050, SECOND)], &[]), 102 * SECOND);
        assert_eq!((rows[0].syn_rate, rows[0].syn_total), (0.0, 1050));
        // The table has no entry of a source that was always blocked.
        watched.update(&mut rows, &found(&[], &[(1, 1060)]), 103 * SECOND);
        assert_eq!((rows[0].syn_rate, rows[0].syn_total), (10.0, 1060));
    }

    #[test]
    fn other_rows_stay_below_with_their_age() {
        let mut watched = WatchedSources::default();
        let mut rows: Vec<Row> = (0..300).map(|i| row(i, 1000 - u64::from(i))).collect();
        watched.begin(&rows, &FoundAgain::default(), 100 * SECOND);
        // One of them is in hold by now.
        let updated = watched.update(&mut rows, &found(&[(250, 70_000, SECOND)], &[]), 103 * SECOND);
        assert_eq!((updated, rows.len()), (WATCHED_MAX + 1, 300), "none is listed twice");
        let others = &rows[updated..];
        assert!(others.iter().all(|row| row.last_seen_ns == 102 * SECOND), "a second ago, as it was read");
        assert!(others.is_sorted_by(|a, b| a.fresh >= b.fresh));
        assert_eq!(rows[..updated].iter().filter(|row| row.key == key(250)).count(), 1);
    }
}

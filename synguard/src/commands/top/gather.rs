//! Reads the filter for `top`: opens the pins anew for each look, so that it survives a filter that is taken off
//! and attached again.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use anyhow::Result;
use synguard_common::{
    addr::is_v4_mapped,
    ip_list::{List, Prefix},
    source::{SourceKey, SourceState},
};
use synguard_datapath::{Budget, Coverage, Datapath, ListSize};
use synguard_kernel::{clock, instance::Instance, tcp_counters};
use synguard_model::snapshot::{Snapshot, SourceSummary};
use synguard_top::{
    sources::{Busiest, Networks, Rates, Row, Sort},
    view_model::{Cookies, Cost, Gauge, Interface, Listeners, Survey, Want},
};

use super::{
    events::RecentEvents,
    listed::{Lists, Standings},
};
use crate::commands::{
    filter::{open, snapshot},
    status::{Status, place_brief},
};

/// How long reading a table may take: a table of a million is read in a third of that.
const READ_MAX: Duration = Duration::from_secs(1);
/// The same where nobody waits for an answer to a key.
const READ_MAX_ONCE: Duration = Duration::from_secs(5);
/// Networks that are looked at; more are not of interest to anybody.
const NETWORKS_MAX: usize = 1000;

/// Leading bits that make a network of IPv4, in its mapped form, and of IPv6.
const NETWORK_LENGTHS: [u32; 2] = [96 + 24, 48];

/// Looks at the filter again and again.
pub(super) struct Gatherer {
    instance: Instance,
    rates: Rates,
    network_rates: Rates,
    lists: Lists,
    events: RecentEvents,
    budget: Budget,
    earlier: Option<Snapshot>,
    cpu_ns: u64,
}

/// What was found in the table of sources.
struct Found {
    summary: SourceSummary,
    rows: Vec<Row>,
    networks: Vec<Row>,
    coverage: Coverage,
}

impl Gatherer {
    pub(super) fn new(instance: Instance, is_live: bool) -> Self {
        Self {
            events: RecentEvents::new(&instance),
            lists: Lists::default(),
            budget: Budget::new(if is_live { READ_MAX } else { READ_MAX_ONCE }),
            instance,
            rates: Rates::default(),
            network_rates: Rates::default(),
            earlier: None,
            cpu_ns: clock::cpu_ns(),
        }
    }

    /// Takes a look. The first one has no rates.
    ///
    /// # Errors
    ///
    /// Not attached, or the filter cannot be read.
    pub(super) fn gather(&mut self, want: &Want) -> Result<(Survey, Status)> {
        let datapath = open(&self.instance)?;
        let earlier = match self.earlier.take() {
            Some(earlier) => earlier,
            None => snapshot(&datapath)?,
        };
        let begun_ns = clock::now_ns();
        let (settings, _) = datapath.settings()?;
        self.lists.read(&datapath, clock::now())?;
        let mut found = self.sources(&datapath, want, settings.source_prefix_v6)?;
        if settings.prefix_rate != 0 {
            found.networks = self.networks(&datapath)?;
        }
        self.look_up(&datapath, &mut found, settings.source_prefix_v6)?;
        let reading_ms = clock::now_ns().saturating_sub(begun_ns) as f64 / 1e6;
        let status = Status::since(&self.instance, &datapath, &earlier, found.summary)?;
        let seconds = status.snapshot.at_ns.saturating_sub(earlier.at_ns) as f64 / 1e9;
        self.earlier = Some(status.snapshot.clone());
        let mut survey = survey(&status, found);
        survey.cost = self.cost(seconds, reading_ms);
        Ok((survey, status))
    }

    /// Adds what only the screen shows: the entries of the lists, and what happened.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(super) fn add_stories(&mut self, survey: &mut Survey) -> Result<()> {
        let now = clock::now();
        self.lists.read_reasons(&self.instance, &open(&self.instance)?, now)?;
        survey.listed = self.lists.listed(now);
        survey.reasons_unread = self.lists.reasons_unread();
        self.events.read()?;
        survey.happenings = self.events.latest();
        Ok(())
    }

    fn sources(&mut self, datapath: &Datapath, want: &Want, v6_length: u8) -> Result<Found> {
        let now_ns = clock::now_ns();
        self.rates.begin(now_ns);
        let seconds = self.rates.seconds();
        let mut summary = SourceSummary::default();
        let mut busiest = Busiest::new(want.sort, want.limit);
        let mut networks = Networks::default();
        let coverage = datapath.for_each_source(self.budget, |key, state| {
            summary.add(state, now_ns);
            let fresh = self.rates.fresh(key, state);
            let row = Row::new(key, state, fresh, seconds, now_ns);
            if fresh > 0 {
                networks.add(&row);
            }
            if want.filter.admits(key, v6_length) {
                busiest.offer(row);
            }
        })?;
        let networks = networks.busiest(want.sort, NETWORKS_MAX, seconds);
        let mut rows = busiest.finish();
        self.add_blocked(datapath, want, &mut rows, v6_length)?;
        Ok(Found { summary, rows, networks, coverage })
    }

    /// Adds what the blocklist drops to its sources, of which the table does not hear while they are blocked.
    fn add_blocked(
        &self,
        datapath: &Datapath,
        want: &Want,
        rows: &mut Vec<Row>,
        v6_length: u8,
    ) -> Result<()> {
        let (seconds, now_ns) = (self.lists.seconds(), clock::now_ns());
        let mut places: HashMap<SourceKey, usize> =
            rows.iter().enumerate().map(|(i, row)| (row.key, i)).collect();
        for (key, shown) in self.lists.blocked_sources(v6_length) {
            let place = match places.entry(key) {
                Entry::Occupied(place) => *place.get(),
                Entry::Vacant(_) if !want.filter.admits(&key, v6_length) => continue,
                Entry::Vacant(place) => {
                    let state = datapath.source(&key)?.unwrap_or_default();
                    rows.push(Row::new(&key, &state, 0, seconds, now_ns));
                    *place.insert(rows.len() - 1)
                }
            };
            if let Some(row) = rows.get_mut(place) {
                *row = row.with_hits(shown.fresh, shown.hits(), seconds, now_ns);
            }
        }
        rows.sort_by(|a, b| want.sort.compare(a, b));
        rows.truncate(want.limit);
        Ok(())
    }

    /// Looks up what the lists say of what was found.
    fn look_up(&self, datapath: &Datapath, found: &mut Found, v6_length: u8) -> Result<()> {
        let standings = Standings::of(datapath)?;
        let now_ns = clock::now_ns();
        let rows = found.rows.iter_mut().map(|row| (row, [128, v6_length.into()]));
        let networks = found.networks.iter_mut().map(|row| (row, NETWORK_LENGTHS));
        for (row, [v4, v6]) in rows.chain(networks) {
            let length = if is_v4_mapped(row.key.address) { v4 } else { v6 };
            let listed = standings.of_prefix(&Prefix::new(row.key.address, length), now_ns)?;
            row.standing = listed.unwrap_or(row.standing);
        }
        Ok(())
    }

    fn networks(&mut self, datapath: &Datapath) -> Result<Vec<Row>> {
        let now_ns = clock::now_ns();
        self.network_rates.begin(now_ns);
        let seconds = self.network_rates.seconds();
        let mut busiest = Busiest::new(Sort::Rate, NETWORKS_MAX);
        let mut visit = |key: &SourceKey, state: &SourceState| {
            let fresh = self.network_rates.fresh(key, state);
            busiest.offer(Row::new(key, state, fresh, seconds, now_ns));
        };
        datapath.for_each_prefix(self.budget, &mut visit)?;
        Ok(busiest.finish())
    }

    fn cost(&mut self, seconds: f64, reading_ms: f64) -> Cost {
        let now_ns = clock::cpu_ns();
        let used = now_ns.saturating_sub(self.cpu_ns) as f64 / 1e9;
        self.cpu_ns = now_ns;
        Cost { cpu: if seconds > 0.0 { used / seconds } else { 0.0 }, reading_ms }
    }
}

fn survey(status: &Status, found: Found) -> Survey {
    let listeners = tcp_counters::read_counters().ok();
    Survey {
        at_ns: status.snapshot.at_ns,
        instance: status.name.clone(),
        interfaces: status
            .interfaces
            .iter()
            .map(|link| Interface { name: link.name.clone(), place: place_brief(link).to_owned() })
            .collect(),
        controller: status.controller,
        phase: status.control.phase,
        kind: status.control.kind.map(|_| status.control.kind_names().join("+")),
        phase_seconds: status.control.phase_seconds(status.snapshot.at_ns),
        arming: status.arming(),
        counters: status.snapshot.counters.clone(),
        distinct: status.snapshot.distinct_sources.round() as u64,
        distinct_limit: status.settings.distinct_limit.into(),
        cookies: Cookies {
            mode: status.control.cookie_mode().to_owned(),
            sysctl: status.control.cookies.now,
            timestamps: status.control.timestamps.now,
        },
        listeners: listeners
            .map(|counts| Listeners { drops: counts.listen_drops, queue_full: counts.queue_full_drops }),
        tracked: Gauge { used: status.sources.tracked, capacity: status.capacity.into() },
        in_hold: status.sources.in_hold,
        crowded: status.snapshot.cpus.sources.is_under_pressure(status.snapshot.at_ns),
        allowlist: gauge(status.lists[List::Allow.index()]),
        blocklist: gauge(status.lists[List::Block.index()]),
        v6_length: status.settings.source_prefix_v6,
        sources: found.rows,
        coverage: found.coverage.share,
        networks: found.networks,
        networks_limited: status.settings.prefix_rate != 0,
        ..Survey::default()
    }
}

fn gauge(size: ListSize) -> Gauge {
    Gauge { used: size.entries, capacity: size.capacity }
}

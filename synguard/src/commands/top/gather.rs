//! Reads the filter for `top`: opens the pins anew for each look, so that it survives a filter that is taken off
//! and attached again.

use std::time::Duration;

use anyhow::Result;
use synguard_common::abi::{SourceKey, SourceState};

use crate::{
    clock,
    commands::{
        open, snapshot,
        status::{Status, place_brief},
    },
    datapath::{Budget, Coverage, Datapath, ListSize},
    instance::Instance,
    lists::List,
    snapshot::{Snapshot, SourceSummary},
    sources::{Busiest, Networks, Rates, Row, Sort},
    tcpext,
    tui::data::{Cookies, Cost, Gauge, Interface, Listeners, Survey, Want},
};

/// How long reading a table may take: a table of a million is read in a third of that.
const READ_MAX: Duration = Duration::from_secs(1);
/// Networks that are looked at; more are not of interest to anybody.
const NETWORKS_MAX: usize = 1000;

/// Looks at the filter again and again.
pub(super) struct Gatherer {
    instance: Instance,
    rates: Rates,
    network_rates: Rates,
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
    pub(super) fn new(instance: Instance) -> Self {
        Self {
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
        let mut found = self.sources(&datapath, want, settings.source_prefix_v6)?;
        if settings.prefix_rate != 0 {
            found.networks = self.networks(&datapath)?;
        }
        let reading_ms = clock::now_ns().saturating_sub(begun_ns) as f64 / 1e6;
        let status = Status::since(&self.instance, &datapath, &earlier, found.summary)?;
        let seconds = status.snapshot.at_ns.saturating_sub(earlier.at_ns) as f64 / 1e9;
        self.earlier = Some(status.snapshot.clone());
        let mut survey = survey(&status, found);
        survey.cost = self.cost(seconds, reading_ms);
        Ok((survey, status))
    }

    fn sources(&mut self, datapath: &Datapath, want: &Want, v6_length: u8) -> Result<Found> {
        let now_ns = clock::now_ns();
        self.rates.begin(now_ns);
        let seconds = self.rates.seconds();
        let mut summary = SourceSummary::default();
        let mut busiest = Busiest::new(want.sort, want.limit);
        let mut networks = Networks::default();
        let coverage = datapath.for_each_source(Budget::new(READ_MAX), |key, state| {
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
        Ok(Found { summary, rows: busiest.finish(), networks, coverage })
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
        datapath.for_each_prefix(Budget::new(READ_MAX), &mut visit)?;
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
    let listeners = tcpext::read().ok();
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
        kind: status.control.kind.map(|kind| kind.to_string()),
        phase_seconds: status.control.phase_seconds(status.snapshot.at_ns),
        arming: status.arming(),
        counters: status.snapshot.counters.clone(),
        distinct: status.snapshot.distinct_sources.round() as u64,
        distinct_limit: status.settings.distinct_limit.into(),
        cookies: Cookies { mode: status.control.cookie_mode().to_owned(), sysctl: status.control.sysctl },
        listeners: listeners
            .map(|counts| Listeners { drops: counts.listen_drops, queue_full: counts.queue_full_drops }),
        tracked: Gauge { used: status.sources.tracked, capacity: status.capacity.into() },
        in_hold: status.sources.in_hold,
        crowded: status.snapshot.cpus.sources.is_crowded(status.snapshot.at_ns),
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

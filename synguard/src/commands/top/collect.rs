//! Reads the filter for `top`. Each refresh opens the pins anew, so that `top` survives a filter that is detached
//! and attached again.

use std::time::Duration;

use anyhow::Result;
use synguard_common::ip_list::List;
use synguard_datapath::{Budget, ListSize};
use synguard_kernel::{clock, instance::Instance, tcp_counters};
use synguard_model::snapshot::Snapshot;
use synguard_top::view_model::{CookieState, Cost, Gauge, InterfaceRow, ListenDrops, TopQuery, TopView};

use super::events::EventReader;
use crate::commands::{
    busiest::{BusiestReader, TableScan},
    filter::{open, snapshot},
    status::{Status, place_brief},
};

/// Time budget for reading a table: a table of a million sources takes a third of it.
const READ_MAX: Duration = Duration::from_secs(1);
/// The same for `--once`, where no user waits for a key to take effect.
const READ_MAX_ONCE: Duration = Duration::from_secs(5);
/// Collects a view of the filter at each refresh.
pub(super) struct Collector {
    instance: Instance,
    reader: BusiestReader,
    events: EventReader,
    earlier: Option<Snapshot>,
    cpu_ns: u64,
}

impl Collector {
    pub(super) fn new(instance: Instance, is_live: bool) -> Self {
        Self {
            events: EventReader::new(&instance),
            reader: BusiestReader::new(Budget::new(if is_live { READ_MAX } else { READ_MAX_ONCE }), is_live),
            instance,
            earlier: None,
            cpu_ns: clock::cpu_ns(),
        }
    }

    /// Collects a view. The first view has no rates.
    ///
    /// # Errors
    ///
    /// Not attached, or the filter cannot be read.
    pub(super) fn collect(&mut self, query: &TopQuery) -> Result<(TopView, Status)> {
        let datapath = open(&self.instance)?;
        let earlier = match self.earlier.take() {
            Some(earlier) => earlier,
            None => snapshot(&datapath)?,
        };
        let begun_ns = clock::now_ns();
        let (settings, _) = datapath.settings()?;
        let mut found = self.reader.read(&datapath, Some(query), &settings)?;
        let reading_ms = clock::now_ns().saturating_sub(begun_ns) as f64 / 1e6;
        let summary = (found.summary, std::mem::take(&mut found.top_sources));
        let status = Status::since(&self.instance, &datapath, &earlier, summary)?;
        let seconds = status.snapshot.at.since(earlier.at).as_secs_f64();
        self.earlier = Some(status.snapshot.clone());
        let mut view = view(&status, found);
        view.cost = self.cost(seconds, reading_ms);
        Ok((view, status))
    }

    /// Adds the details that only the live screen shows: list entries and events.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(super) fn add_details(&mut self, view: &mut TopView) -> Result<()> {
        let now = clock::now();
        self.reader.lists.read_reasons(&self.instance, &open(&self.instance)?, now)?;
        view.list_rows = self.reader.lists.list_rows(now);
        view.reasons_unread = self.reader.lists.reasons_unread();
        self.events.read()?;
        view.events = self.events.latest();
        Ok(())
    }

    fn cost(&mut self, seconds: f64, reading_ms: f64) -> Cost {
        let now_ns = clock::cpu_ns();
        let used = now_ns.saturating_sub(self.cpu_ns) as f64 / 1e9;
        self.cpu_ns = now_ns;
        Cost { cpu: if seconds > 0.0 { used / seconds } else { 0.0 }, reading_ms }
    }
}

fn view(status: &Status, found: TableScan) -> TopView {
    let listeners = tcp_counters::read_counters().ok();
    TopView {
        at_ns: status.snapshot.at.as_ns(),
        instance: status.name.clone(),
        interfaces: status
            .interfaces
            .iter()
            .map(|link| InterfaceRow { name: link.name.clone(), place: place_brief(link).to_owned() })
            .collect(),
        controller: status.controller.map(|health| health.pid),
        controller_silence: status
            .controller
            .filter(|health| !health.is_responding())
            .and_then(|health| health.silence)
            .map(|silence| silence.as_secs()),
        phase: status.control.phase,
        kind: status.control.kind.map(|_| status.control.kinds_text()),
        phase_seconds: status.control.phase_seconds(status.snapshot.at),
        monitor: status.settings.monitor,
        arming: status.arming(),
        counters: status.snapshot.counters.clone(),
        distinct: status.snapshot.distinct_sources.round() as u64,
        distinct_limit: status.settings.distinct_limit.into(),
        cookies: CookieState {
            mode: status.control.cookie_mode().name().to_owned(),
            sysctl: status.control.cookies.now,
            timestamps: status.control.timestamps.now,
        },
        listeners: listeners
            .map(|counts| ListenDrops { drops: counts.listen_drops, queue_full: counts.queue_full_drops }),
        tracked: Gauge { used: status.sources.tracked, capacity: status.capacity.into() },
        in_hold: status.sources.in_hold,
        under_pressure: status.snapshot.cpus.sources.is_under_pressure(status.snapshot.at.as_ns()),
        allowlist: gauge(status.lists[List::Allow.index()]),
        blocklist: gauge(status.lists[List::Block.index()]),
        v6_length: status.settings.v6_length(),
        sources: found.rows,
        coverage: found.coverage.share,
        prefixes: found.prefixes,
        prefixes_limited: status.settings.prefix_rate != 0,
        ..TopView::default()
    }
}

fn gauge(size: ListSize) -> Gauge {
    Gauge { used: size.entries, capacity: size.capacity }
}

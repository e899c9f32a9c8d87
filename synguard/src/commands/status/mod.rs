//! `synguard status`: the settings, the interfaces and the counters of the filter.

mod allowlist;
mod control;
mod place;
mod protection;
mod situation;
mod text;

use std::{thread, time::Duration};

use anyhow::Result;
use synguard_common::{
    ip_list::List,
    reason::{Reason, Verdict},
};
use synguard_datapath::{Attached, Budget, Datapath, ListSize};
use synguard_kernel::{clock, instance::Instance};
use synguard_model::{
    settings::Settings,
    situation::{AllowedFamily, SynRates, still_sending},
    snapshot::Snapshot,
};

use self::{control::ControlState, protection::ControllerHealth};
use super::{
    busiest::{BusiestReader, FoundSources},
    filter::{open, snapshot},
    stdout::{emit, has_colour},
};
use crate::output::{
    ControllerJson, CountersJson, EventCountsJson, HeadJson, ListStateJson, PrefixTableJson, ResponseJson,
    SchemaVersion, SourceTableJson, StatusJson, SynJson, to_line,
};

pub(super) use self::{place::place_brief, text::write_answers};

/// Time over which the SYN rate is measured.
const RATE_SAMPLE: Duration = Duration::from_millis(200);
/// Time limit for reading the table of sources: many times the need of the largest table.
const READ_MAX: Duration = Duration::from_secs(30);

/// The state of a filter, for `status` and `top`.
pub(super) struct Status {
    pub(super) name: String,
    pub(super) interfaces: Vec<Attached>,
    /// The controller, if one is running.
    pub(super) controller: Option<ControllerHealth>,
    pub(super) control: ControlState,
    pub(super) settings: Settings,
    /// Deadline of `confirm` in nanoseconds of `CLOCK_MONOTONIC`; 0 if nothing has to be confirmed.
    disarm_at_ns: u64,
    pub(super) snapshot: Snapshot,
    pub(super) syn_rate: f64,
    syn_rates: SynRates,
    /// Connections accepted a second in the time of `syn_rates`; `None` unless a controller responds, and if the time is short.
    accepted_rate: Option<f64>,
    pub(super) found: FoundSources,
    allowed_families: Vec<AllowedFamily>,
    /// Capacity of the table of sources.
    pub(super) capacity: u32,
    prefixes_capacity: u32,
    /// By [`List::index`].
    pub(super) lists: [ListSize; 2],
    /// Lists with changes that are not in their files, by [`List::index`].
    unsaved_lists: [bool; 2],
}

/// Prints the status, or with `check` one line about the protection.
pub(super) fn run(instance: &Instance, as_json: bool, check: bool) -> Result<()> {
    let status = Status::measure(instance, &open(instance)?)?;
    if check {
        let phase = status.control.phase_text(status.snapshot.at);
        return emit(protection::check(
            &status.interfaces,
            status.controller,
            &status.allowed_families,
            &phase,
        )?);
    }
    if as_json { emit(to_line(&status.json())?) } else { emit(status.text(has_colour())) }
}

impl Status {
    /// Reads the filter twice, [`RATE_SAMPLE`] apart.
    fn measure(instance: &Instance, datapath: &Datapath) -> Result<Self> {
        let mut reader = BusiestReader::new(Budget::new(READ_MAX), false);
        let (settings, _) = datapath.settings()?;
        reader.read(datapath, None, &settings)?;
        let earlier = snapshot(datapath)?;
        thread::sleep(RATE_SAMPLE);
        let scan = reader.read(datapath, None, &settings)?;
        Self::since(instance, datapath, &earlier, scan.found)
    }

    /// Reads the filter. The rates are those since `earlier`; the sources were found before.
    pub(super) fn since(
        instance: &Instance,
        datapath: &Datapath,
        earlier: &Snapshot,
        found: FoundSources,
    ) -> Result<Self> {
        let snapshot = snapshot(datapath)?;
        let (settings, disarm_at_ns) = datapath.settings()?;
        let lists = datapath.lists()?;
        let controller = ControllerHealth::read(instance);
        let config = datapath.syn_cookie_config()?;
        let syn_rate = snapshot.syn_rate(earlier);
        Ok(Self {
            name: instance.name.clone(),
            interfaces: synguard_datapath::attached(&instance.pins)?,
            controller,
            control: ControlState::read(instance, controller, earlier, &snapshot, &settings, &config),
            settings,
            disarm_at_ns,
            syn_rate,
            syn_rates: situation::syn_rates(earlier, &snapshot),
            accepted_rate: controller
                .filter(|health| health.is_responding())
                .and_then(|_| situation::accepted_rate(earlier, &snapshot)),
            found: FoundSources { top: still_sending(found.top, syn_rate), ..found },
            allowed_families: allowlist::allowed_families(&lists)?,
            snapshot,
            capacity: datapath.sources_capacity()?,
            prefixes_capacity: datapath.prefixes_capacity()?,
            lists: [lists.size(List::Allow)?, lists.size(List::Block)?],
            unsaved_lists: datapath.unsaved_lists()?,
        })
    }

    fn json(&self) -> StatusJson {
        StatusJson { head: self.head_json(), sources: self.source_table_json() }
    }

    /// Returns the keys that `top` shares.
    pub(super) fn head_json(&self) -> HeadJson {
        let (control, counters, cpus) = (&self.control, &self.snapshot.counters, &self.snapshot.cpus);
        let fates = counters.syn_fates();
        let situation = self.situation();
        HeadJson {
            schema: SchemaVersion,
            instance: self.name.clone(),
            attached: protection::is_attached(&self.interfaces),
            interfaces: self.interfaces.iter().map(Into::into).collect(),
            controller: self.controller_json(),
            visitors: situation.visitors.into(),
            response: ResponseJson { measures: situation.measures(), text: situation.response() },
            next: situation.next(),
            top_sources: situation.top_sources.iter().map(Into::into).collect(),
            phase: control.phase.into(),
            phase_seconds: control.phase_seconds(self.snapshot.at),
            attack_kind: control.main_kind(),
            attack_kinds: control.kinds(),
            monitor: self.settings.monitor,
            allowed_families: self.allowed_families.iter().map(|family| family.name.to_lowercase()).collect(),
            confirm_seconds_left: (self.disarm_at_ns != 0)
                .then(|| self.disarm_at_ns.saturating_sub(clock::now_ns()) as f64 / 1e9),
            settings: self.settings.clone(),
            counters: CountersJson {
                packets: counters.total().packets,
                bytes: counters.total().bytes,
                passed: counters.with_verdict(Verdict::Pass).packets,
                dropped: counters.with_verdict(Verdict::Drop).packets,
                answered: counters.with_verdict(Verdict::Transmit).packets,
                reasons: Reason::ALL
                    .iter()
                    .map(|&reason| (reason.label(), counters.get(reason).packets))
                    .collect(),
            },
            syn: SynJson {
                total: fates.total(),
                passed: fates.passed,
                dropped: fates.dropped,
                answered: fates.answered,
                blocked: fates.blocked,
                would_drop: fates.would_drop,
                rate: self.syn_rate,
                distinct_sources: self.distinct_sources(),
                distinct_limit: self.settings.distinct_limit,
            },
            cookies: control.cookies_json(),
            timestamps: control.timestamps.into(),
            answering: control.xdp_cookies_json(),
            prefixes: PrefixTableJson {
                capacity: self.prefixes_capacity,
                inserts: cpus.prefixes.inserts,
                insert_skips: cpus.prefixes.not_admitted,
                promotions: cpus.prefixes.promotions,
                crowded: cpus.prefixes.is_under_pressure(self.snapshot.at.as_ns()),
            },
            events: EventCountsJson { sent: cpus.events_sent, suppressed: cpus.events_suppressed },
            blocklist: self.list_json(List::Block),
            allowlist: self.list_json(List::Allow),
        }
    }

    fn list_json(&self, list: List) -> ListStateJson {
        ListStateJson::new(self.lists[list.index()], self.unsaved_lists[list.index()])
    }

    fn controller_json(&self) -> ControllerJson {
        let silence = self.controller.and_then(|health| health.silence);
        ControllerJson {
            running: self.controller.is_some(),
            pid: self.controller.map(|health| health.pid),
            responding: self.controller.map(ControllerHealth::is_responding),
            seen_seconds_ago: silence.map(|silence| (silence.as_secs_f64() * 1e3).round() / 1e3),
        }
    }

    pub(super) fn source_table_json(&self) -> SourceTableJson {
        let admission = &self.snapshot.cpus.sources;
        SourceTableJson {
            tracked: self.found.summary.tracked,
            capacity: self.capacity,
            in_hold: self.found.summary.in_hold,
            inserts: admission.inserts,
            insert_skips: admission.not_admitted,
            promotions: admission.promotions,
            crowded: admission.is_under_pressure(self.snapshot.at.as_ns()),
        }
    }
}

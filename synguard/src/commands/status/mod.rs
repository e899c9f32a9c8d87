//! `synguard status`: what the filter is, where it is, and what it has counted.

mod control;

use std::{fmt::Write as _, thread, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};
use synguard_common::{
    ip_list::List,
    reason::{Reason, Verdict},
};
use synguard_datapath::{Attached, Budget, Datapath, ListSize};
use synguard_kernel::{clock, instance::Instance, lock, netlink::XdpPlace};
use synguard_model::{
    settings::Settings,
    snapshot::{Snapshot, SourceSummary},
};

use self::control::Control;
use super::{
    filter::{open, snapshot},
    output::emit,
};

/// How long the rate is measured.
const RATE_SAMPLE: Duration = Duration::from_millis(200);
/// How long reading the table of sources may take: many times what the largest one needs.
const READ_MAX: Duration = Duration::from_secs(30);

/// Everything that is shown, also by `top`.
pub(super) struct Status {
    pub(super) name: String,
    pub(super) interfaces: Vec<Attached>,
    pub(super) controller: Option<u32>,
    pub(super) control: Control,
    pub(super) settings: Settings,
    disarm_at_ns: u64,
    pub(super) snapshot: Snapshot,
    pub(super) syn_rate: f64,
    pub(super) sources: SourceSummary,
    pub(super) capacity: u32,
    prefixes_capacity: u32,
    /// By [`List::index`].
    pub(super) lists: [ListSize; 2],
}

/// Prints the status.
///
/// # Errors
///
/// Not attached, or the filter cannot be read.
pub(super) fn run(instance: &Instance, json: bool) -> Result<()> {
    let status = Status::take(instance, &open(instance)?)?;
    if json { emit(format!("{}\n", status.json())) } else { emit(status.text()) }
}

impl Status {
    fn take(instance: &Instance, datapath: &Datapath) -> Result<Self> {
        let earlier = snapshot(datapath)?;
        thread::sleep(RATE_SAMPLE);
        let mut sources = SourceSummary::default();
        let at_ns = clock::now_ns();
        datapath.for_each_source(Budget::new(READ_MAX), |_, state| sources.add(state, at_ns))?;
        Self::since(instance, datapath, &earlier, sources)
    }

    /// The status now, with the rates since `earlier` and what was found in the table of sources.
    pub(super) fn since(
        instance: &Instance,
        datapath: &Datapath,
        earlier: &Snapshot,
        sources: SourceSummary,
    ) -> Result<Self> {
        let snapshot = snapshot(datapath)?;
        let (settings, disarm_at_ns) = datapath.settings()?;
        let lists = datapath.lists()?;
        let controller = lock::controller_pid(instance);
        Ok(Self {
            name: instance.name.clone(),
            interfaces: synguard_datapath::attached(&instance.pins)?,
            controller,
            control: Control::find(
                instance,
                controller,
                earlier,
                &snapshot,
                &settings,
                &datapath.syn_cookie_config()?,
            ),
            settings,
            disarm_at_ns,
            syn_rate: snapshot.syn_rate(earlier),
            snapshot,
            sources,
            capacity: datapath.sources_capacity()?,
            prefixes_capacity: datapath.prefixes_capacity()?,
            lists: [lists.size(List::Allow)?, lists.size(List::Block)?],
        })
    }

    /// Whether the filter drops at all, or why not.
    pub(super) fn arming(&self) -> Option<String> {
        let left_ns = self.disarm_at_ns.saturating_sub(clock::now_ns());
        match (self.settings.monitor, self.disarm_at_ns, left_ns) {
            (true, ..) => Some("monitor: nothing is dropped".to_owned()),
            (false, 0, _) => None,
            (false, _, 0) => Some("not confirmed in time: nothing is dropped".to_owned()),
            (false, _, left_ns) => {
                Some(format!("to be confirmed within {:.0} s (synguard confirm)", left_ns as f64 / 1e9))
            }
        }
    }

    pub(super) fn json(&self) -> Value {
        let (counters, cpus) = (&self.snapshot.counters, &self.snapshot.cpus);
        let reasons: serde_json::Map<String, Value> = Reason::ALL
            .iter()
            .map(|&reason| (reason.label().to_owned(), counters.get(reason).packets.into()))
            .collect();
        let interfaces: Vec<Value> = self.interfaces.iter().map(interface_json).collect();
        let confirm_seconds = match self.disarm_at_ns {
            0 => Value::Null,
            at_ns => json!(at_ns.saturating_sub(clock::now_ns()) as f64 / 1e9),
        };
        json!({
            "schema": 1,
            "instance": self.name,
            "attached": !self.interfaces.is_empty(),
            "interfaces": interfaces,
            "controller": { "running": self.controller.is_some(), "pid": self.controller },
            "phase": self.control.phase.name(),
            "phase_seconds": self.control.phase_seconds(self.snapshot.at_ns),
            "attack_kind": self.control.kind_name(),
            "attack_kinds": self.control.kind_names(),
            "monitor": self.settings.monitor,
            "confirm_seconds_left": confirm_seconds,
            "settings": self.settings,
            "counters": {
                "packets": counters.total().packets,
                "bytes": counters.total().bytes,
                "passed": counters.with_verdict(Verdict::Pass).packets,
                "dropped": counters.with_verdict(Verdict::Drop).packets,
                "answered": counters.with_verdict(Verdict::Transmit).packets,
                "reasons": reasons,
            },
            "syn": {
                "total": counters.guarded_syns(),
                "rate": self.syn_rate,
                "distinct_sources": self.snapshot.distinct_sources.round() as u64,
                "distinct_limit": self.settings.distinct_limit,
            },
            "cookies": self.control.cookies_json(),
            "timestamps": self.control.timestamps_json(),
            "answering": self.control.answering_json(),
            "sources": {
                "tracked": self.sources.tracked,
                "capacity": self.capacity,
                "in_hold": self.sources.in_hold,
                "inserts": cpus.sources.inserts,
                "insert_skips": cpus.sources.not_admitted,
                "promotions": cpus.sources.promotions,
                "crowded": cpus.sources.is_under_pressure(self.snapshot.at_ns),
            },
            "prefixes": {
                "capacity": self.prefixes_capacity,
                "inserts": cpus.prefixes.inserts,
                "insert_skips": cpus.prefixes.not_admitted,
                "promotions": cpus.prefixes.promotions,
                "crowded": cpus.prefixes.is_under_pressure(self.snapshot.at_ns),
            },
            "events": {
                "sent": cpus.events_sent,
                "suppressed": cpus.events_suppressed,
            },
            "blocklist": list_json(self.lists[List::Block.index()]),
            "allowlist": list_json(self.lists[List::Allow.index()]),
        })
    }

    fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_text(&mut out);
        out
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let controller = match self.controller {
            Some(pid) => format!("running (pid {pid})"),
            None => "not running; the filter works without it".to_owned(),
        };
        writeln!(out, "instance    {}", self.name)?;
        for link in &self.interfaces {
            writeln!(out, "interface   {}: {}", link.name, place_text(link))?;
        }
        if self.interfaces.is_empty() {
            writeln!(out, "interface   none: the filter is loaded, but on no interface")?;
        }
        writeln!(out, "controller  {controller}")?;
        writeln!(out, "phase       {}", self.control.phase_text(self.snapshot.at_ns))?;
        writeln!(out, "cookies     {}", self.control.cookies_text())?;
        if let Some(arming) = self.arming() {
            writeln!(out, "            {arming}")?;
        }
        let settings: Vec<String> =
            self.settings.entries().iter().map(|(key, value)| format!("{key}={value}")).collect();
        writeln!(out, "settings    {}", settings.join(" "))?;
        let counters = &self.snapshot.counters;
        let (total, dropped) = (counters.total(), counters.with_verdict(Verdict::Drop));
        writeln!(out, "SYNs        {:.0} /s now, {} in all", self.syn_rate, counters.guarded_syns())?;
        let SourceSummary { tracked, in_hold } = self.sources;
        let distinct = self.snapshot.distinct_sources;
        writeln!(
            out,
            "sources     {distinct:.0} in the last second; {tracked} of {} entries in use, {in_hold} in hold",
            self.capacity
        )?;
        if self.snapshot.cpus.sources.is_under_pressure(self.snapshot.at_ns) {
            writeln!(out, "            crowded: only conspicuous sources are given an entry")?;
        }
        for list in List::ALL {
            let ListSize { entries, capacity } = self.lists[list.index()];
            writeln!(out, "{:11} {entries} of {capacity} entries in use", list.name())?;
        }
        let answered = counters.with_verdict(Verdict::Transmit).packets;
        write!(out, "packets     {} seen, {} dropped", total.packets, dropped.packets)?;
        writeln!(out, "{}", if answered == 0 { String::new() } else { format!(", {answered} answered") })?;
        for &reason in Reason::ALL {
            let counter = counters.get(reason);
            if counter.packets > 0 {
                let verdict = match reason.verdict() {
                    Verdict::Pass => "pass",
                    Verdict::Drop => "drop",
                    Verdict::Transmit => "answer",
                };
                writeln!(out, "  {verdict:6} {:26} {:>16}", reason.label(), counter.packets)?;
            }
        }
        Ok(())
    }
}

fn list_json(size: ListSize) -> Value {
    json!({ "entries": size.entries, "capacity": size.capacity })
}

fn interface_json(link: &Attached) -> Value {
    json!({
        "name": link.name,
        "ifindex": link.ifindex,
        "mode": link.place.map_or("unknown", place_label),
        "prog_id": link.program_id,
    })
}

fn place_label(place: XdpPlace) -> &'static str {
    match place {
        XdpPlace::Native => "native",
        XdpPlace::Generic => "generic",
        XdpPlace::Offloaded => "offloaded",
    }
}

/// Where the program of an interface runs, or why it does not, in a word or two.
pub(super) fn place_brief(link: &Attached) -> &'static str {
    match (link.ifindex, link.place) {
        (0, _) => "gone",
        (_, None) => "in another namespace",
        (_, Some(place)) => place_label(place),
    }
}

fn place_text(link: &Attached) -> String {
    match (link.ifindex, link.place) {
        (0, _) => "gone; it is attached again when it comes back".to_owned(),
        (_, None) => "in another network namespace".to_owned(),
        (_, Some(place)) => format!("{} mode, program {}", place_label(place), link.program_id),
    }
}

//! The status for people.

use std::fmt::Write as _;

use synguard_common::{
    ip_list::List,
    reason::{Reason, Verdict},
};
use synguard_datapath::{Attached, ListSize};
use synguard_kernel::{clock, netlink};
use synguard_model::snapshot::{SourceSummary, SynFates};

use super::{
    Status, place,
    protection::{self, ControllerHealth},
};
use crate::commands::verdict_label;

impl Status {
    /// Returns the reason why the filter drops nothing, or the time left to confirm it; `None` if it simply drops.
    pub(in crate::commands) fn arming(&self) -> Option<String> {
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

    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_head(&mut out).and_then(|()| self.write_counters(&mut out));
        out
    }

    fn write_head(&self, out: &mut String) -> std::fmt::Result {
        let controller = match self.controller {
            Some(health) => health.text(),
            None if self.control.has_raised_sysctl() => {
                "not running; the filter works without it. `synguard attach` \
                 takes over, `synguard detach` removes it; both restore the raised kernel settings"
                    .to_owned()
            }
            None if protection::is_attached(&self.interfaces) => {
                "not running; the filter works without it".to_owned()
            }
            None => "not running".to_owned(),
        };
        if let Some(warning) = protection::warning(&self.interfaces) {
            writeln!(out, "{warning}")?;
        }
        writeln!(out, "instance    {}", self.name)?;
        for link in &self.interfaces {
            writeln!(out, "interface   {}: {}", link.name, self.place_text(link))?;
        }
        if self.interfaces.is_empty() {
            writeln!(out, "interface   none: the filter is loaded but attached to no interface")?;
        }
        writeln!(out, "controller  {controller}")?;
        writeln!(out, "phase       {}", self.control.phase_text(self.snapshot.at))?;
        writeln!(out, "cookies     {}", self.control.cookies_text())?;
        if let Some(arming) = self.arming() {
            writeln!(out, "            {arming}")?;
        }
        let settings: Vec<String> =
            self.settings.entries().iter().map(|(key, value)| format!("{key}={value}")).collect();
        writeln!(out, "settings    {}", settings.join(" "))
    }

    /// Returns where the program of an interface runs, or why it does not, and what will be done about that.
    fn place_text(&self, link: &Attached) -> String {
        match (link.ifindex, link.place) {
            (0, _) => {
                let why = match netlink::interface_by_name(&link.name) {
                    Ok(Some(_)) => "the filter was removed from it",
                    Ok(None) => "gone",
                    Err(_) => "not filtered",
                };
                let remedy = if self.controller.is_some_and(ControllerHealth::is_responding) {
                    "the controller attaches it again as soon as that is possible"
                } else {
                    "nobody attaches it again: run `synguard attach`"
                };
                format!("{why}; {remedy}")
            }
            (_, None) => "in another network namespace".to_owned(),
            (_, Some(at)) => format!("{} mode, program {}", place::place_label(at), link.program_id),
        }
    }

    fn write_counters(&self, out: &mut String) -> std::fmt::Result {
        let counters = &self.snapshot.counters;
        let (total, dropped) = (counters.total(), counters.with_verdict(Verdict::Drop));
        let SynFates { passed, dropped: over_limit, answered, blocked, would_drop } = counters.syn_fates();
        writeln!(out, "SYNs        {:.0}/s now, {} in all", self.syn_rate, counters.guarded_syns())?;
        let would = if would_drop == 0 {
            String::new()
        } else {
            format!(" ({would_drop} of them would have been dropped outside monitor mode)")
        };
        writeln!(
            out,
            "            {passed} passed{would}, {over_limit} dropped over a limit, {answered} answered, {blocked} blocked"
        )?;
        let SourceSummary { tracked, in_hold } = self.sources;
        let distinct = self.snapshot.distinct_sources;
        writeln!(
            out,
            "sources     {distinct:.0} in the last second; {tracked} of {} entries in use, {in_hold} in hold",
            self.capacity
        )?;
        if self.snapshot.cpus.sources.is_under_pressure(self.snapshot.at.as_ns()) {
            writeln!(out, "            under pressure: only sources that send many SYNs get an entry")?;
        }
        for list in List::ALL {
            let ListSize { entries, capacity } = self.lists[list.index()];
            writeln!(out, "{:11} {entries} of {capacity} entries in use", list.name())?;
        }
        let answered = counters.with_verdict(Verdict::Transmit).packets;
        write!(out, "packets     {} seen, {} dropped", total.packets, dropped.packets)?;
        let cookies = if answered == 0 { String::new() } else { format!(", {answered} SYN cookies sent") };
        writeln!(out, "{cookies}")?;
        for &reason in Reason::ALL {
            let counter = counters.get(reason);
            if counter.packets > 0 {
                let (verdict, label) = (verdict_label(reason.verdict()), reason.label());
                writeln!(out, "  {verdict:6} {label:26} {:>16}", counter.packets)?;
            }
        }
        Ok(())
    }
}

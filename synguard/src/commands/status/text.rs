//! The status for people: the five answers first, then the facts.

use std::{
    fmt::{self, Write as _},
    iter,
};

use clap::builder::styling::{AnsiColor, Style};
use synguard_common::{
    ip_list::List,
    reason::{Reason, Verdict},
};
use synguard_datapath::{Attached, ListSize};
use synguard_kernel::{clock, netlink};
use synguard_model::{
    attack::Phase,
    duration,
    instance_name::DEFAULT_NAME,
    ports::Ports,
    settings::Settings,
    situation::Situation,
    snapshot::{SourceSummary, SynFates},
};
use synguard_top::format::{grouped, short};

use super::{
    Status, place,
    protection::{self, ControllerHealth},
};
use crate::{commands::verdict_label, controller::next_save_text};

/// Interfaces that are named.
const NAMED_MAX: usize = 4;
/// Bright yellow is told apart from other text by nearly everybody.
const ALERT: Style = AnsiColor::BrightYellow.on_default().bold();

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

    pub(super) fn text(&self, colour: bool) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = write_answers(&mut out, &self.situation(), colour)
            .and_then(|()| self.write_filter(&mut out))
            .and_then(|()| self.write_state(&mut out))
            .and_then(|()| self.write_counters(&mut out));
        out
    }

    /// Writes where the filter is and who controls it.
    fn write_filter(&self, out: &mut String) -> fmt::Result {
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
        let (filtered, unfiltered): (Vec<&Attached>, Vec<&Attached>) =
            self.interfaces.iter().partition(|link| link.ifindex != 0);
        writeln!(out, "filter       {}", places_text(&filtered))?;
        for link in unfiltered.iter().take(NAMED_MAX) {
            writeln!(out, "             {}: {}", link.name, self.absence_text(link))?;
        }
        if unfiltered.len() > NAMED_MAX {
            writeln!(
                out,
                "             and {} more interfaces that are not filtered",
                unfiltered.len() - NAMED_MAX
            )?;
        }
        writeln!(out, "controller   {controller}")?;
        if self.name != DEFAULT_NAME {
            writeln!(out, "instance     {}", self.name)?;
        }
        Ok(())
    }

    /// Returns why the filter is not on an interface, and what will be done about that.
    fn absence_text(&self, link: &Attached) -> String {
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

    /// Writes the settings, the lists, the kernel's settings and the table of sources.
    fn write_state(&self, out: &mut String) -> fmt::Result {
        if let Some(arming) = self.arming() {
            writeln!(out, "mode         {arming}")?;
        }
        writeln!(out, "limits       {}", limits_text(&self.settings))?;
        writeln!(out, "settings     {}", settings_text(&self.settings))?;
        let [block, allow] = [List::Block, List::Allow]
            .map(|list| format!("{} {}", list.name(), size_text(self.lists[list.index()])));
        let auto = self.control.auto_blocks.map_or_else(String::new, |count| format!(" ({count} automatic)"));
        writeln!(out, "lists        {block}{auto}, {allow}")?;
        let is_controlled = self.controller.is_some_and(ControllerHealth::is_responding);
        for list in [List::Block, List::Allow].iter().filter(|list| self.unsaved_lists[list.index()]) {
            let (name, next) = (list.name(), next_save_text(is_controlled));
            writeln!(out, "             the {name} is in force, but not saved; {next}")?;
        }
        writeln!(out, "kernel       {}", self.control.kernel_text(is_controlled))?;
        if let Some(cookies) = self.control.cookies_text() {
            writeln!(out, "cookies      {cookies}")?;
        }
        let SourceSummary { tracked, in_hold } = self.found.summary;
        writeln!(
            out,
            "sources      {} of {} tracked, {} in hold; about {} in the last second{}",
            grouped(tracked),
            grouped(self.capacity.into()),
            grouped(in_hold),
            grouped(self.distinct_sources()),
            match self.found.active_blocks {
                0 => String::new(),
                blocked => format!(" and {} blocked", grouped(blocked)),
            }
        )?;
        if self.snapshot.cpus.sources.is_under_pressure(self.snapshot.at.as_ns()) {
            writeln!(out, "             many new sources: one of few SYNs gets no entry in the table")?;
        }
        Ok(())
    }

    fn write_counters(&self, out: &mut String) -> fmt::Result {
        let counters = &self.snapshot.counters;
        let verdict = |verdict| short(counters.with_verdict(verdict).packets);
        let SynFates { passed, dropped: over_limit, answered, blocked, would_drop } = counters.syn_fates();
        writeln!(
            out,
            "since start  {} packets: {} passed, {} dropped, {} answered",
            short(counters.total().packets),
            verdict(Verdict::Pass),
            verdict(Verdict::Drop),
            verdict(Verdict::Transmit)
        )?;
        let would = if would_drop == 0 {
            String::new()
        } else {
            format!(" ({} of them would have been dropped outside monitor mode)", short(would_drop))
        };
        writeln!(
            out,
            "             {} SYNs: {} passed{would}, {} dropped over a limit, {} blocked, {} answered",
            short(counters.guarded_syns()),
            short(passed),
            short(over_limit),
            short(blocked),
            short(answered)
        )?;
        for &reason in Reason::ALL {
            let counter = counters.get(reason);
            if counter.packets > 0 {
                let (verdict, label) = (verdict_label(reason.verdict()), reason.label());
                writeln!(out, "  {verdict:6} {label:28} {:>20}", grouped(counter.packets))?;
            }
        }
        Ok(())
    }
}

/// Writes the five answers, and a warning above them if some interface is not filtered.
pub(in crate::commands) fn write_answers(
    out: &mut String,
    situation: &Situation,
    colour: bool,
) -> fmt::Result {
    let alert = |is_alert: bool, text: String| {
        if is_alert && colour { format!("{ALERT}{text}{ALERT:#}") } else { text }
    };
    if let Some(warning) = situation.warning() {
        writeln!(out, "{}", alert(true, warning))?;
    }
    writeln!(out, "{}", alert(situation.phase == Phase::Attack, situation.headline()))?;
    writeln!(out, "  response   {}", situation.response())?;
    writeln!(out, "  visitors   {}", situation.visitors())?;
    writeln!(out, "  sources    {}", situation.sources())?;
    let more = if situation.is_idle() {
        format!(". Live: {}   Log: {}", situation.command("top"), situation.command("events -f"))
    } else {
        String::new()
    };
    writeln!(out, "  next       {}{more}\n", situation.next())
}

/// Names interfaces with the place of their program: all of a few, and of many some and their number.
fn places_text(links: &[&Attached]) -> String {
    let named: Vec<String> = links
        .iter()
        .take(NAMED_MAX)
        .map(|link| format!("{} ({})", link.name, place::place_brief(link)))
        .collect();
    match links.len() {
        0 => "on no interface".to_owned(),
        count if count > NAMED_MAX => {
            format!("{count} interfaces: {} and {} more", named.join(", "), count - NAMED_MAX)
        }
        _ => named.join(", "),
    }
}

fn limits_text(settings: &Settings) -> String {
    let (rate, burst) = settings.rate_and_burst();
    let Settings { hold, ports, .. } = settings;
    let ports = if *ports == Ports::All { "all ports".to_owned() } else { format!("ports {ports}") };
    format!("{rate} SYN/s per source, burst {burst}, hold {}; {ports}", duration::format(*hold))
}

/// Names the settings that differ from the defaults.
fn settings_text(settings: &Settings) -> String {
    let defaults = Settings::default();
    let pairs = iter::zip(settings.entries(), defaults.entries());
    let changed: Vec<String> = pairs
        .filter(|((_, value), (_, default))| value != default)
        .map(|((key, value), _)| format!("{key}={value}"))
        .collect();
    let changed = if changed.is_empty() { "as by default".to_owned() } else { changed.join(" ") };
    format!("{changed}   (all of them: synguard show)")
}

fn size_text(ListSize { entries, capacity }: ListSize) -> String {
    format!("{} of {}", grouped(entries), grouped(capacity))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use synguard_kernel::netlink::XdpPlace;
    use synguard_model::{
        settings::Cookies,
        situation::{ControllerLife, SynRates, TopSource, Visitors},
        snapshot::Snapshot,
        source::SourceStatus,
    };

    use super::*;
    use crate::commands::{busiest::FoundSources, status::control::ControlState};

    fn link(name: &str, ifindex: u32) -> Attached {
        let place = (ifindex != 0).then_some(XdpPlace::Native);
        Attached { name: name.to_owned(), ifindex, place, program_id: 7 }
    }

    /// Returns the status of a filter that has seen nothing.
    fn status(interfaces: Vec<Attached>) -> Status {
        Status {
            name: "default".to_owned(),
            interfaces,
            controller: None,
            control: ControlState::calm(),
            settings: Settings::default(),
            disarm_at_ns: 0,
            snapshot: Snapshot::default(),
            syn_rate: 0.0,
            syn_rates: SynRates::default(),
            accepted_rate: None,
            found: FoundSources::default(),
            allowed_families: Vec::new(),
            capacity: 262_144,
            prefixes_capacity: 65_536,
            lists: [ListSize { entries: 0, capacity: 1_000 }, ListSize { entries: 5, capacity: 1_000_000 }],
            unsaved_lists: [false; 2],
        }
    }

    #[test]
    fn answers_come_before_the_facts() {
        let text = status(vec![link("srv0", 2)]).text(false);
        let expected = "\
calm: 0 SYN/s
  response   none needed: no SYN arrives; 5 entries in the blocklist
  visitors   not known: no controller runs
  sources    none over its limit of 100 SYN/s
  next       no controller runs, so nothing reacts to attacks: synguard attach srv0

filter       srv0 (native)
controller   not running; the filter works without it
limits       100 SYN/s per source, burst 200, hold 10s; all ports
settings     as by default   (all of them: synguard show)
lists        blocklist 5 of 1 000 000 (0 automatic), allowlist 0 of 1 000
kernel       tcp_syncookies 1, tcp_timestamps 1: SYN cookies on demand, when a listen queue is full
sources      0 of 262 144 tracked, 0 in hold; about 0 in the last second
since start  0 packets: 0 passed, 0 dropped, 0 answered
             0 SYNs: 0 passed, 0 dropped over a limit, 0 blocked, 0 answered
";
        assert_eq!(text, expected);
    }

    #[test]
    fn hundreds_of_interfaces_do_not_hide_the_answers() {
        let filtered = (1..=200).map(|i| link(&format!("a{i}"), i));
        let unfiltered = (1..=100).map(|i| link(&format!("no-such-{i}"), 0));
        let text = status(filtered.chain(unfiltered).collect()).text(false);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("PARTLY PROTECTED: the filter is not on no-such-1, "), "{text}");
        assert_eq!(lines[1], "calm: 0 SYN/s");
        assert!(lines.len() < 30 && lines.iter().all(|line| line.len() < 140), "{text}");
        assert!(text.contains("filter       200 interfaces: a1 (native), "), "{text}");
        assert!(text.contains("no-such-1: gone; nobody attaches it again"), "{text}");
        assert!(text.contains("and 96 more interfaces that are not filtered"), "{text}");
    }

    #[test]
    fn unsaved_lists_are_named_with_the_next_attempt() {
        let unsaved = |lists, controller| {
            let text =
                Status { unsaved_lists: lists, controller, ..status(vec![link("srv0", 2)]) }.text(false);
            text.lines().filter(|line| line.contains("not saved")).map(str::to_owned).collect::<Vec<_>>()
        };
        let health = |seconds| Some(ControllerHealth { pid: 7, silence: Some(Duration::from_secs(seconds)) });
        assert_eq!(unsaved([false, false], health(0)), [""; 0]);
        assert_eq!(
            unsaved([false, true], health(0)),
            ["             the blocklist is in force, but not saved; tried again every 10s"]
        );
        // A controller that does not respond does not try either.
        for controller in [None, health(20)] {
            let lines = unsaved([true, true], controller);
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(
                lines[1].starts_with("             the allowlist is in force, but not saved; "),
                "{lines:?}"
            );
            assert!(lines.iter().all(|line| line.contains("tried again by the next command")), "{lines:?}");
        }
    }

    #[test]
    fn only_settings_that_differ_are_named() {
        let mut settings = Settings::default();
        settings.set_all([("syn-rate", "77"), ("ports", "80,443")]).expect("valid");
        settings.cookies = Cookies::Off;
        let text = settings_text(&settings);
        assert_eq!(text, "syn-rate=77 syn-burst=154 ports=80,443 cookies=off   (all of them: synguard show)");
        assert_eq!(limits_text(&settings), "77 SYN/s per source, burst 154, hold 10s; ports 80,443");
    }

    #[test]
    fn attack_is_coloured_where_colour_is_wanted() {
        let situation = Situation {
            filtered: vec!["srv0".to_owned()],
            controller: ControllerLife::Responding,
            phase: Phase::Attack,
            phase_seconds: Some(4),
            syns: SynRates { dropped: 84_400.0, ..SynRates::default() },
            source_limit: 100,
            top_sources: vec![TopSource {
                source: "11.0.0.0".to_owned(),
                rate: 84_400.0,
                status: SourceStatus::Hold,
            }],
            visitors: Visitors { accepted_rate: Some(61.0), ..Visitors::default() },
            ..Situation::default()
        };
        let answers = |colour| {
            let mut out = String::new();
            write_answers(&mut out, &situation, colour).expect("a String takes it");
            out
        };
        let plain = answers(false);
        assert!(plain.starts_with("ATTACK for 4 s: 1 source sends > 99 % of 84 400 SYN/s\n"), "{plain}");
        assert!(
            plain.contains("\n  next       nothing urgent; to block it: synguard block add 11.0.0.0 "),
            "{plain}"
        );
        assert_eq!(plain.matches('\u{1b}').count(), 0);
        let coloured = answers(true);
        assert_eq!(coloured.lines().filter(|line| line.contains('\u{1b}')).count(), 1, "{coloured}");
        assert!(coloured.starts_with("\u{1b}[1m\u{1b}[93mATTACK"), "{coloured:?}");
    }
}

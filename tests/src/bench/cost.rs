//! Rows about the cost of a SYN: of one known source, and forged.

use anyhow::Result;
use synguard_common::{gcra::RateLimit, reason::Reason};

use crate::{
    bench::{
        Bench,
        blocklist::Blocklist,
        line::{Goal, Line},
        live::{Case, compare_rates, floor_of},
        path::Path,
        subject::Subject,
        turns::compare,
        workload::{DEFAULT_LIMIT, describe, flood, line, settings},
    },
    xdp::Program,
};

/// A limit that nothing here exceeds: 50 M SYNs a second, more than the settings accept.
const GENEROUS: RateLimit = RateLimit { interval_ns: 20, tolerance_ns: 20_000_000 };
fn synguard(bench: &Bench, sources: u32, path: Path) -> Case {
    let within = path == Path::Reason(Reason::SynPassed);
    let settings = settings(if within { GENEROUS } else { DEFAULT_LIMIT });
    let floor = if path == Path::Reason(Reason::Hold) { Program::DropEmpty } else { Program::Pass };
    Case {
        name: format!("synguard, {}", describe(sources)),
        subject: Subject::Synguard(settings, Blocklist::Empty),
        flood: flood(bench, sources),
        floor,
        path,
    }
}

fn plain(bench: &Bench, sources: u32) -> Case {
    Case {
        name: "plain LRU".to_owned(),
        subject: Subject::Lab(Program::PlainLru),
        flood: flood(bench, sources),
        // One source is over its limit; many are not.
        floor: if sources == 1 { Program::DropEmpty } else { Program::Pass },
        path: if sources > 1_000_000 { Path::PlainFull } else { Path::Any },
    }
}

/// One known source, within its rate and in hold.
pub(super) fn known(bench: &Bench) -> Result<Vec<Line>> {
    let peer = plain(bench, 1);
    let mut lines = Vec::new();
    for (what, reason) in [("within its rate", Reason::SynPassed), ("in hold", Reason::Hold)] {
        let case = synguard(bench, 1, Path::Reason(reason));
        let comparison = compare(bench, &case, &peer)?;
        lines.push(line("known", format!("SYN of one known source, {what}"), "plain LRU", comparison));
    }
    Ok(lines)
}

/// Forged SYNs from 65 k sources.
pub(super) fn forged_65k(bench: &Bench) -> Result<Vec<Line>> {
    // Each sends fewer than its limit allows; whether the table keeps up or the sketch takes over is not fixed.
    forged(bench, "forged-65k", 65_000, Path::Any, None)
}

/// Forged SYNs from 1 M sources.
pub(super) fn forged_1m(bench: &Bench) -> Result<Vec<Line>> {
    forged(bench, "forged-1m", 1_000_000, Path::Any, None)
}

/// Forged SYNs from 16 M sources.
pub(super) fn forged_16m(bench: &Bench) -> Result<Vec<Line>> {
    forged(bench, "forged-16m", 16_000_000, Path::Crowded, Some(Goal::at_most(0.12, 0.06)))
}

fn forged(
    bench: &Bench,
    row: &'static str,
    sources: u32,
    path: Path,
    goal: Option<Goal>,
) -> Result<Vec<Line>> {
    let comparison = compare(bench, &synguard(bench, sources, path), &plain(bench, sources))?;
    let what = format!("forged SYN, {}", describe(sources));
    Ok(vec![Line { goal, ..line(row, what, "plain LRU", comparison) }])
}

/// Forged SYNs from 16 M sources against those of one known source.
pub(super) fn forged_vs_known(bench: &Bench) -> Result<Vec<Line>> {
    let forged = synguard(bench, 16_000_000, Path::Crowded);
    let known = synguard(bench, 1, Path::Reason(Reason::SynPassed));
    let comparison = compare(bench, &forged, &known)?;
    let what = "forged SYN, 16 M sources, by one known source".to_owned();
    let goal = Some(Goal::at_most(1.0, 0.6));
    Ok(vec![Line { goal, ..line("forged-vs-known", what, "one known source", comparison) }])
}

/// Live drops a second, of one source in hold, against an empty program that drops.
pub(super) fn drop_rate(bench: &Bench) -> Result<Vec<Line>> {
    let case = synguard(bench, 1, Path::Reason(Reason::Hold));
    let comparison = compare_rates(bench, &case, &floor_of(&case))?.scaled(1e-6);
    let what = "live drops a second, one source in hold".to_owned();
    let goal = Some(Goal::at_least(0.85, 0.95));
    let line = line("drop-rate", what, "empty XDP_DROP", comparison);
    Ok(vec![Line { unit: "Mpps", goal, ..line }])
}

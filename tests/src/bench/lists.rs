//! Rows about the operator's lists: the cost of a blocked source, and of one that is in no list.

use std::net::Ipv4Addr;

use anyhow::Result;
use synguard_common::reason::Reason;

use crate::{
    bench::{
        Bench,
        blocklist::{Blocklist, FIRST},
        line::{Goal, Line},
        live::{Case, compare},
        path::Path,
        subject::Subject,
        workload,
    },
    flood::{ACK, FloodSpec},
    xdp::Program,
};

/// Sources of the flood when all are blocked.
const BLOCKED: u32 = 1_000_000;
/// Sources of the flood when none is listed.
const STRANGERS: u32 = 16_000_000;
fn listed(bench: &Bench, list: Blocklist, flood: FloodSpec, reason: Reason) -> Case {
    Case {
        name: format!("synguard, {list:?}"),
        subject: Subject::Synguard(workload::settings(workload::DEFAULT_LIMIT), list),
        flood: FloodSpec { max_duration: bench.pace.sample_max(), ..flood },
        floor: if reason.is_drop() { Program::DropEmpty } else { Program::Pass },
        path: Path::Reason(reason),
    }
}

/// A blocked source's SYN with a million single addresses in the list, against xdp-filter: of one source that both
/// block, and of all million, which xdp-filter cannot hold and lets pass.
pub(super) fn blocked(bench: &Bench) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (sources, deny) in [(1, true), (BLOCKED, false)] {
        let flood = workload::flood(bench, sources);
        let case = listed(bench, Blocklist::Exact(BLOCKED), flood.clone(), Reason::BlockedSyn);
        let peer = Case {
            name: "xdp-filter".to_owned(),
            subject: Subject::XdpFilter { features: "ipv4", deny: deny.then_some(Ipv4Addr::from(FIRST)) },
            flood,
            floor: if deny { Program::DropEmpty } else { Program::Pass },
            path: Path::Any,
        };
        let comparison = compare(bench, &case, &peer)?;
        let what = format!("blocked SYN, 1 M exact entries, from {}", workload::describe(sources));
        let name = if deny { "xdp-filter -f ipv4, blocking it" } else { "xdp-filter -f ipv4, a miss" };
        // A table of the million is more than a CPU's cache, and the peer's has nothing to find: no bar for that.
        let goal = deny.then(|| Goal::at_most(1.0, 0.6));
        lines.push(Line { goal, ..workload::line("blocked", what, name, comparison) });
    }
    Ok(lines)
}

/// A packet of an established connection whose source is in no list, with 100 k prefixes in it, against one prefix.
pub(super) fn miss(bench: &Bench) -> Result<Vec<Line>> {
    let flood = FloodSpec { tcp_flags: ACK, ..workload::flood(bench, STRANGERS) };
    let mut lines = Vec::new();
    let pairs = [
        (Blocklist::Prefixes(100_000), Blocklist::Prefixes(1), Some(Goal::at_most(1.3, 1.1))),
        (Blocklist::Prefixes(1_000_000), Blocklist::Prefixes(1), None),
        (Blocklist::Prefixes(1), Blocklist::Empty, None),
    ];
    for (many, few, goal) in pairs {
        let [many_case, few_case] =
            [many, few].map(|list| listed(bench, list, flood.clone(), Reason::NotSyn));
        let comparison = compare(bench, &many_case, &few_case)?;
        let what = format!("ACK from a source in no list, {many:?}");
        lines.push(Line { goal, ..workload::line("list-miss", what, &format!("{few:?}"), comparison) });
    }
    Ok(lines)
}

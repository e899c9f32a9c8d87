//! Rows about the operator's lists: the cost of a blocked source, and of one that is in no list.

use std::{net::Ipv4Addr, path::Path as FilePath};

use anyhow::{Context as _, Result};
use synguard_common::{
    addr::Addr,
    ip_list::{List, ListEntry, Prefix},
    reason::Reason,
};
use synguard_datapath::{ListMaps, PrefixEntry};

use crate::{
    bench::{
        Bench,
        cost::{self, SEED},
        line::{Goal, Line},
        live::{Case, Subject, compare},
        path::Path,
    },
    flood::{ACK, FloodSpec},
    xdp::Program,
};

/// Sources of the flood when all are blocked.
const BLOCKED: u32 = 1_000_000;
/// Sources of the flood when none is listed.
const STRANGERS: u32 = 16_000_000;
/// First source of the flood, as a number.
const FIRST: u32 = 0x0a00_0001;

/// Contents of the blocklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocklist {
    /// Nothing.
    Empty,
    /// This many single addresses, from the flood's first source on.
    Exact(u32),
    /// This many prefixes all over the address space, of /16 to /32; no prefix of /24 or shorter contains a source of
    /// the flood.
    Prefixes(u32),
}

impl Blocklist {
    pub(super) fn items(self) -> Vec<PrefixEntry> {
        match self {
            Self::Empty => Vec::new(),
            Self::Exact(count) => (0..count).map(|n| item(FIRST + n, 32)).collect(),
            Self::Prefixes(count) => prefixes(count as usize),
        }
    }

    /// Applies the list to the maps pinned in this folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(self, pins: &FilePath) -> Result<()> {
        let mut lists = ListMaps::open(pins, SEED)?;
        lists.set_capacity(u32::MAX)?;
        lists.replace(List::Block, self.items()).context("write the blocklist")
    }
}

fn item(address: u32, length: u32) -> PrefixEntry {
    let mapped = Addr::from(Ipv4Addr::from(address));
    (Prefix::new(mapped, 96 + length), ListEntry::default())
}

/// Lengths as they occur in published lists: mostly single addresses and /24, some of every other.
fn prefixes(count: usize) -> Vec<PrefixEntry> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        // xorshift64*: the same list in every run.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let mut items = Vec::with_capacity(count);
    while items.len() < count {
        let (number, choice) = (next(), next() >> 32);
        let length = match choice % 4 {
            0 => 32,
            1 => 24,
            _ => 16 + (choice >> 8) as u32 % 17,
        };
        let address = (number >> 32) as u32;
        let of_the_flood = address >> 24 == FIRST >> 24;
        if !of_the_flood || length > 24 {
            items.push(item(address, length));
        }
    }
    items
}

fn listed(bench: &Bench, list: Blocklist, flood: FloodSpec, reason: Reason) -> Case {
    Case {
        name: format!("synguard, {list:?}"),
        subject: Subject::Synguard(cost::settings(cost::DEFAULT_LIMIT), list),
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
        let flood = cost::flood(bench, sources);
        let case = listed(bench, Blocklist::Exact(BLOCKED), flood.clone(), Reason::BlockedSyn);
        let peer = Case {
            name: "xdp-filter".to_owned(),
            subject: Subject::XdpFilter { features: "ipv4", deny: deny.then_some(Ipv4Addr::from(FIRST)) },
            flood,
            floor: if deny { Program::DropEmpty } else { Program::Pass },
            path: Path::Any,
        };
        let comparison = compare(bench, &case, &peer)?;
        let what = format!("blocked SYN, 1 M exact entries, from {}", cost::describe(sources));
        let name = if deny { "xdp-filter -f ipv4, blocking it" } else { "xdp-filter -f ipv4, a miss" };
        // A table of the million is more than a CPU's cache, and the peer's has nothing to find: no bar for that.
        let goal = deny.then(|| Goal::at_most(1.0, 0.6));
        lines.push(Line { goal, ..cost::line("blocked", what, name, comparison) });
    }
    Ok(lines)
}

/// A packet of an established connection whose source is in no list, with 100 k prefixes in it, against one prefix.
pub(super) fn miss(bench: &Bench) -> Result<Vec<Line>> {
    let flood = FloodSpec { tcp_flags: ACK, ..cost::flood(bench, STRANGERS) };
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
        lines.push(Line { goal, ..cost::line("list-miss", what, &format!("{few:?}"), comparison) });
    }
    Ok(lines)
}

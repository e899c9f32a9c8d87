//! The bench: the cost and the limits of synguard, against peers measured in the same run.
//!
//! It asserts nothing: figures depend on the machine, and only their ratios travel. See docs/performance.md.
#![expect(clippy::print_stdout, reason = "the bench talks to whoever runs it")]

mod blocklist;
mod cookie_rate;
mod cookies;
mod cost;
mod counters;
mod distinct;
mod dump;
mod established;
mod goodput;
mod import;
mod line;
mod lists;
mod live;
mod machine;
mod number;
mod offenders;
mod path;
mod peers;
mod plot;
mod report;
mod rounds;
mod screen;
mod single;
mod spread;
mod stall;
mod subject;
mod turns;
mod visitors;
mod workload;
mod xdp_filter;
mod xdp_link;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};

use self::line::{Line, Verdict};
use crate::{command::pin_to_cpu, interrupt, lab::Lab};

const MIB: f64 = 1024.0 * 1024.0;

/// The rows to measure, and the folder for the results.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "cargo xtask bench",
    about = "Measure synguard against its peers, in network namespaces (root)"
)]
pub struct Options {
    /// Only the rows whose names begin so; separated by commas, or given several times
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    only: Vec<String>,
    /// Short samples and few of them: shows that it works, and little else
    #[arg(long)]
    quick: bool,
    /// Name the rows, and end
    #[arg(long)]
    list: bool,
    /// Fail when a bar is missed or a row could not be measured
    #[arg(long)]
    strict: bool,
    /// Folder that bench.json and bench.svg are written to
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    output: PathBuf,
}

type Measure = fn(&Bench) -> Result<Vec<Line>>;

/// Every row: its name, its subject, and its measurement.
const ROWS: [(&str, &str, Measure); 22] = [
    ("established", "an established TCP packet, against xdp-filter", established::run),
    ("known", "a SYN of one known source, within its rate and in hold", cost::known),
    ("forged-65k", "a forged SYN from 65 k sources, against a plain LRU filter", cost::forged_65k),
    ("forged-1m", "the same from 1 M sources", cost::forged_1m),
    ("forged-16m", "the same from 16 M sources", cost::forged_16m),
    (
        "forged-vs-known",
        "a forged SYN from 16 M sources, against one of a known source",
        cost::forged_vs_known,
    ),
    ("drop-rate", "live drops a second, against an empty program", cost::drop_rate),
    ("blocked", "a blocked source with a million in the list, against xdp-filter", lists::blocked),
    ("list-miss", "a source in no list, with many prefixes in it against one", lists::miss),
    ("list-import", "import of a million targets: time and memory", import::run),
    ("list-stall", "how long a million list entries keep a CPU when they are replaced", stall::run),
    ("offenders", "100 offenders among 1 M forged sources", offenders::run),
    ("distinct-v4", "error of the distinct count, IPv4", distinct::v4),
    ("distinct-v6", "error of the distinct count, IPv6", distinct::v6),
    ("cookies", "the controller: cookies raised, what visitors notice, and put back", cookies::run),
    ("answer-kernel", "SYNs answered a second, against the kernel's cookies", cookie_rate::kernel),
    ("answer-synproxy", "SYNs answered a second, against nft SYNPROXY", cookie_rate::synproxy),
    ("answer-visitors", "new connections while nearly as many SYNs come as can be answered", visitors::run),
    ("answer-goodput", "how much of a flood halves the goodput, against the kernel's cookies", goodput::run),
    ("dump", "reading a table of 1 M sources, in batches and one by one", dump::run),
    ("top", "what the screen of top costs under a flood of 1 M sources, with a full table", screen::run),
    ("peers", "forged SYNs a second that the kernel's own means handle, end to end", peers::all),
];

/// Lengths and numbers of the measurements.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Flood before a sample, for tables to fill.
    warm_up: Duration,
    /// A sample of a live flood.
    window: Duration,
    /// Rounds of a comparison.
    rounds: usize,
    /// Turns of each case in a round.
    turns: usize,
    /// Runs in a sample of a single packet.
    repeat: u32,
    /// Runs of the row about offenders.
    offender_runs: u32,
    /// Length of each of them.
    long_window: Duration,
    /// Seeds of the distinct count.
    seeds: u64,
    /// Limit on the sources of the distinct count.
    distinct_max: u32,
}

impl Pace {
    const FULL: Self = Self {
        warm_up: Duration::from_millis(800),
        window: Duration::from_secs(1),
        rounds: 7,
        turns: 16,
        repeat: 5_000_000,
        offender_runs: 3,
        long_window: Duration::from_secs(6),
        seeds: 3,
        distinct_max: u32::MAX,
    };
    const QUICK: Self = Self {
        warm_up: Duration::from_millis(500),
        window: Duration::from_millis(200),
        rounds: 2,
        turns: 4,
        repeat: 500_000,
        offender_runs: 1,
        long_window: Duration::from_secs(2),
        seeds: 1,
        distinct_max: 100_000,
    };

    /// A bound on the flood of a sample.
    fn sample_max(self) -> Duration {
        self.warm_up + self.window + Duration::from_secs(10)
    }
}

/// The arguments that every row takes.
#[derive(Debug)]
struct Bench {
    lab: Lab,
    pace: Pace,
}

/// Runs the bench; `false` if it was to be strict and something is amiss.
///
/// # Errors
/// When it could not be carried out, for want of root or a tool, or was interrupted.
pub fn run(options: &Options) -> Result<bool> {
    let rows = chosen(&options.only)?;
    if options.list {
        for (name, what, _) in &rows {
            println!("{name:<16} {what}");
        }
        return Ok(true);
    }
    interrupt::watch();
    // The flood and its receiver have CPU 1 to themselves.
    pin_to_cpu(0).and_then(|()| crate::command::take_precedence()).context("pin the bench to CPU 0")?;
    let pace = if options.quick { Pace::QUICK } else { Pace::FULL };
    let mut lines = Vec::new();
    for (name, what, measure) in rows {
        println!("{name}: {what}");
        let measured = Lab::new().and_then(|lab| measure(&Bench { lab, pace }));
        if interrupt::check().is_err() {
            break;
        }
        let measured = measured.unwrap_or_else(|error| vec![Line::not_run(name, what, format!("{error:#}"))]);
        for line in &measured {
            println!("  {}", report::brief(line));
        }
        lines.extend(measured);
    }
    println!("\n{}", report::table(&lines));
    for path in report::write(&options.output, options.quick, &lines)? {
        println!("{}", path.display());
    }
    // The rows measured before the interrupt have been reported.
    interrupt::check()?;
    let amiss = |line: &Line| matches!(line.verdict(), Verdict::Missed | Verdict::NotRun);
    Ok(!options.strict || !lines.iter().any(amiss))
}

/// The rows whose names begin with one of `only`, or all.
fn chosen(only: &[String]) -> Result<Vec<(&'static str, &'static str, Measure)>> {
    if let Some(unknown) = only.iter().find(|name| !ROWS.iter().any(|row| row.0.starts_with(name.as_str()))) {
        let names: Vec<&str> = ROWS.iter().map(|row| row.0).collect();
        bail!("no row `{unknown}`; there are {}", names.join(", "));
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|prefix| name.starts_with(prefix.as_str()));
    Ok(ROWS.into_iter().filter(|row| wanted(row.0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_what_their_names_begin_with() {
        let names = |only: &[&str]| -> Vec<&str> {
            let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
            chosen(&only).unwrap().iter().map(|row| row.0).collect()
        };
        assert_eq!(names(&[]).len(), ROWS.len());
        assert_eq!(names(&["known", "forged-1"]), ["known", "forged-1m", "forged-16m"]);
        chosen(&["fast".to_owned()]).unwrap_err();
    }
}

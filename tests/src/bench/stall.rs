//! The row about how long a CPU is busy in the kernel when a large list is put in place of another, or freed.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use synguard_common::ip_list::List;
use synguard_datapath::{ListMaps, PrefixEntry};

use crate::{
    bench::{
        Bench,
        blocklist::Blocklist,
        line::{Goal, Line},
        spread::Spread,
        workload::{self, SEED},
    },
    bpffs::Dirs,
    command::{pin_to_cpu, preempt_everything},
    interrupt,
    testrun::Filter,
};

const ROW: &str = "list-stall";
const ENTRIES: u32 = 1_000_000;
/// Interval at which each CPU is tried.
const STEP: Duration = Duration::from_millis(1);
/// Wait after a change: the kernel frees the replaced tables a little later.
const SETTLE: Duration = Duration::from_secs(1);

/// The longest that a thread which precedes all others had to wait for any CPU while a list of a million was put
/// in the place of another, and then freed; against the same time without.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let dirs = Dirs::new()?;
    let filter = Filter::with_config(workload::settings(workload::DEFAULT_LIMIT));
    filter.pin_lists(&dirs.bpffs());
    let lists = [Blocklist::Exact(ENTRIES), Blocklist::Prefixes(ENTRIES), Blocklist::Empty];
    let (mut changing, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..bench.pace.rounds {
        interrupt::check()?;
        let start = Instant::now();
        let worst = longest_wait(|| {
            for list in lists {
                replace(&dirs, list.items())?;
                thread::sleep(SETTLE);
            }
            Ok(())
        })?;
        let took = start.elapsed();
        changing.push(worst);
        idle.push(longest_wait(|| {
            thread::sleep(took);
            Ok(())
        })?);
    }
    let idle =
        Spread::of(idle).map_or_else(|| "not measured".to_owned(), |idle| format!("{:.1} ms", idle.median));
    Ok(vec![Line {
        value: Spread::of(changing),
        goal: Some(Goal::at_most(100.0, 20.0)),
        notes: vec![format!(
            "{ENTRIES} addresses, {ENTRIES} prefixes in their place, then none; without any: {idle}"
        )],
        ..Line::new(ROW, "longest wait for a CPU while a million entries are replaced and freed", "ms")
    }])
}

fn replace(dirs: &Dirs, items: Vec<PrefixEntry>) -> Result<()> {
    let pins = dirs.bpffs();
    let mut lists = ListMaps::open(&pins, SEED)?;
    lists.set_capacity(2 * ENTRIES)?;
    lists.replace(List::Block, items).context("replace the list")
}

/// Milliseconds of the longest wait of any CPU while `work` is done.
fn longest_wait(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let stop = AtomicBool::new(false);
    let cpus = thread::available_parallelism().context("count the CPUs")?.get();
    thread::scope(|scope| {
        let watch = |cpu: usize| {
            let stop = &stop;
            move || -> Result<f64> {
                pin_to_cpu(cpu)?;
                preempt_everything(0)?;
                let mut worst = Duration::ZERO;
                while !stop.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    thread::sleep(STEP);
                    worst = worst.max(start.elapsed().saturating_sub(STEP));
                }
                Ok(worst.as_secs_f64() * 1e3)
            }
        };
        let watchers: Vec<_> = (0..cpus).map(|cpu| scope.spawn(watch(cpu))).collect();
        let result = work();
        stop.store(true, Ordering::Relaxed);
        let mut worst = 0.0f64;
        for watcher in watchers {
            let waited = watcher.join().map_err(|_| anyhow::anyhow!("a watcher panicked"))?;
            worst = worst.max(waited?);
        }
        result.map(|()| worst)
    })
}

//! `cargo xtask vm`: boots other kernels in emulated machines, and runs the tests there that need nothing but a
//! kernel: the verifier, the tables of verdicts, and a small lab.

mod console;
mod cpio;
mod image;
mod kernel;
mod machine;
mod module;

use std::{
    env::consts,
    fs,
    panic::resume_unwind,
    path::{Path, PathBuf},
    slice, thread,
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow, ensure};

pub(crate) use self::kernel::KernelSeries;
use self::{console::MachineReport, image::MachineImage, kernel::TestKernel, machine::TestMachine};
use crate::{
    artifacts::{self, Artifacts},
    process::{find, workspace_root},
    results::{Outcome, summary, table},
    rungs::{Rung, test_targets},
    setup::{self, SetupScope},
};

/// The one lab test whose tools are all in the machine.
const LAB: &str = "lab_small";
/// Modules of Debian's kernels that the devices of tests need, and those of connection tracking and address translation.
const MODULES: [&str; 8] =
    ["veth", "bridge", "tun", "nf_conntrack", "nf_conntrack_netlink", "nft_chain_nat", "nft_nat", "nft_masq"];
/// Programs that tests start. A test names the one that it misses.
const TOOLS: [&str; 6] = ["ip", "bridge", "ethtool", "nsenter", "bpftool", "nft"];

/// Number of machines that run side by side.
const AT_A_TIME: usize = 2;

/// Options of `cargo xtask vm`.
#[derive(clap::Args, Default)]
pub(crate) struct VmArgs {
    /// Only this kernel series, such as 6.1 or 6.12; may be given several times
    #[arg(long = "kernel", value_name = "VERSION")]
    kernels: Vec<KernelSeries>,
    /// Keep the machine's file system, and say how to boot it by hand
    #[arg(long)]
    keep: bool,
}

/// Sets up, boots every kernel, and prints the results. Reports whether all passed.
pub(crate) fn run(args: &VmArgs) -> Result<bool> {
    setup::run(SetupScope::Machines)?;
    let outcomes = outcomes(args);
    println!("\n{}", table(&outcomes, false));
    println!("{}", summary(&outcomes));
    Ok(outcomes.iter().all(|outcome| outcome.fault(false).is_none()))
}

/// Builds the tests and runs them on every kernel, two at a time, since a machine uses one CPU of the host. Call it
/// after setup.
pub(crate) fn outcomes(args: &VmArgs) -> Vec<Outcome> {
    let kernels = if args.kernels.is_empty() { &KernelSeries::TESTED[..] } else { &args.kernels };
    let built = build();
    let prepare = |&series: &KernelSeries| match &built {
        Ok(built) => (series, machine(series, built)),
        Err(error) => (series, Err(anyhow!("{error:#}"))),
    };
    let machines: Vec<_> = kernels.iter().map(prepare).collect();
    let boot = |(series, machine): &(KernelSeries, Result<TestMachine>)| {
        let title = format!("{} {series}", Rung::Machines.title());
        let report = match machine {
            Ok(machine) => boot(machine, args.keep),
            Err(error) => Err(anyhow!("{error:#}")),
        };
        match report {
            Ok(report) => report.outcome(title),
            Err(error) => Outcome::not_run(title, format!("{error:#}")),
        }
    };
    let mut outcomes = Vec::new();
    for machines in machines.chunks(AT_A_TIME) {
        thread::scope(|scope| {
            let running: Vec<_> = machines.iter().map(|machine| scope.spawn(move || boot(machine))).collect();
            // The thread has printed the panic; without it the row would silently be missing.
            outcomes
                .extend(running.into_iter().map(|thread| thread.join().unwrap_or_else(|p| resume_unwind(p))));
        });
    }
    for outcome in &outcomes {
        println!("--- rung {}: {}", outcome.title, summary(slice::from_ref(outcome)));
        if let Some(why) = &outcome.broken {
            println!("--- rung {}: {why}", outcome.title);
        }
    }
    outcomes
}

/// Builds the programs that go into every machine.
fn build() -> Result<Artifacts> {
    ensure!(consts::ARCH == "x86_64", "the kernels are for x86_64, and this machine is not");
    let targets = test_targets(&workspace_root().join("tests/tests"))?;
    let wanted = targets.into_iter().filter(|name| name.starts_with("kernel_") || name == LAB).collect();
    artifacts::build(wanted)
}

/// Returns a machine with the newest kernel of a series, ready to boot.
fn machine(series: KernelSeries, built: &Artifacts) -> Result<TestMachine> {
    let dir = workspace_root().join("target/vm");
    let kernel = TestKernel::get(series, &dir.join("kernels"))?;
    let dir = dir.join(series.to_string());
    fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
    let initramfs = dir.join("initramfs");
    fs::write(&initramfs, image(&kernel, built)?).context("write the machine's file system")?;
    Ok(TestMachine { name: series.to_string(), kernel: kernel.image, initramfs, log: dir.join("kernel.log") })
}

/// Boots a machine, and prints a line about its run.
fn boot(machine: &TestMachine, keep: bool) -> Result<MachineReport> {
    println!("=== booting Linux {}", machine.name);
    let start = Instant::now();
    let report = machine.run();
    if keep {
        println!("to boot it by hand: {}", machine.command_line());
    } else {
        let _ = fs::remove_file(&machine.initramfs);
    }
    let report = report?;
    println!("=== {}", describe(machine, &report, start));
    Ok(report)
}

fn image(kernel: &TestKernel, built: &Artifacts) -> Result<Vec<u8>> {
    let mut image = MachineImage::new(&module::with_dependencies(&kernel.modules, &MODULES)?)?;
    let tools = TOOLS.iter().filter_map(|tool| Some((find(tool)?, format!("/sbin/{tool}"))));
    let tests = built.tests.iter().map(|(name, file)| (file.clone(), format!("/tests/{name}")));
    let program = (built.program.clone(), "/bin/synguard".to_owned());
    let programs: Vec<(PathBuf, String)> = tools.chain(tests).chain([program]).collect();
    for (file, path) in programs {
        image.program(Path::new(&file), &path)?;
    }
    Ok(image.finish())
}

/// Describes a run in one line, for people.
fn describe(machine: &TestMachine, report: &MachineReport, start: Instant) -> String {
    let release = report.release.clone().unwrap_or_else(|| format!("{}, which did not boot", machine.name));
    let boot = report.boot.map(|boot| format!(", up after {:.1} s", boot.as_secs_f64())).unwrap_or_default();
    let examined = report.examined.map(|count| format!(", the verifier examined {count} instructions"));
    let total = start.elapsed().as_secs_f64();
    format!("Linux {release}{boot}, off after {total:.0} s{}", examined.unwrap_or_default())
}

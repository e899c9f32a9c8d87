//! The test ladder: the tests of each rung, and the cargo command that runs them. Pure but for [`test_targets`].

use std::{ffi::OsStr, fs, path::Path};

use anyhow::{Context as _, Result, bail};

/// A rung of the ladder. Lower rungs need less, and their tests look at smaller pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rung {
    /// Arithmetic, policy, settings, lists, rendering: no kernel, no privilege
    #[value(name = "1", alias = "pure")]
    Pure,
    /// The datapath's real parser and rate limit, run on the host over every shape of packet
    #[value(name = "2", alias = "host")]
    Host,
    /// The real program in the kernel, one packet at a time
    #[value(name = "3", alias = "kernel")]
    Kernel,
    /// Real servers, clients and floods in network namespaces
    #[value(name = "4", alias = "lab")]
    Lab,
    /// The tests of the kernel and a small lab on other kernels, in emulated machines
    #[value(name = "5", alias = "vm")]
    Machines,
}

impl Rung {
    /// From the bottom up.
    pub(crate) const ALL: [Self; 5] = [Self::Pure, Self::Host, Self::Kernel, Self::Lab, Self::Machines];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Pure => "1 pure",
            Self::Host => "2 host",
            Self::Kernel => "3 kernel",
            Self::Lab => "4 lab",
            Self::Machines => "5 vm",
        }
    }

    /// Reports whether the rung's tests load BPF programs or make network namespaces.
    pub(crate) const fn needs_root(self) -> bool {
        matches!(self, Self::Kernel | Self::Lab)
    }

    /// Returns the rung that the name of a file in `tests/tests` begins with.
    fn of(target: &str) -> Option<Self> {
        match target.split_once('_')?.0 {
            "host" => Some(Self::Host),
            "kernel" => Some(Self::Kernel),
            "lab" => Some(Self::Lab),
            _ => None,
        }
    }

    /// Returns the arguments of each `cargo` that the rung takes, one after the other. None if the rung has no tests,
    /// or runs in machines.
    pub(crate) fn cargo_commands(self, targets: &[String]) -> Vec<Vec<String>> {
        let own: Vec<&String> = targets.iter().filter(|name| Self::of(name) == Some(self)).collect();
        match self {
            // Unit tests, and the examples in documentation.
            Self::Pure => vec![test(&["--lib", "--bins"], &[]), test(&["--doc"], &[])],
            Self::Machines => Vec::new(),
            Self::Host | Self::Kernel | Self::Lab if own.is_empty() => Vec::new(),
            Self::Host | Self::Kernel => vec![test(&[], &own)],
            Self::Lab => {
                // The lab's tests start the program itself, which cargo does not build for another package's tests.
                let mut build = words(&["build"]);
                build.extend(words(&HOST_PACKAGES));
                build.extend(words(&["--bin", "synguard"]));
                build.extend(named(&own));
                let run = |programs: &[&String], threads: &str| {
                    let mut run = test(&[], programs);
                    run.extend(words(&["--", threads]));
                    (!programs.is_empty()).then_some(run)
                };
                let (calm, flooded): (Vec<_>, Vec<_>) =
                    own.into_iter().partition(|name| CALM_LABS.contains(&name.as_str()));
                // Floods share the machine's CPUs: one at a time, or they measure each other.
                let runs = [run(&calm, "--test-threads=2"), run(&flooded, "--test-threads=1")];
                let mut commands = vec![build];
                commands.extend(runs.into_iter().flatten());
                commands
            }
        }
    }
}

/// The labs in which nothing is measured against a flood. Their tests wait most of the time, so two run side by side.
const CALM_LABS: [&str; 3] = ["lab_cli", "lab_lifecycle", "lab_lists"];

/// The packages that the host compiles, in every cargo command of the ladder: cargo unites the features of the
/// packages that a command selects, and with another selection it would compile synguard, and the BPF object in it,
/// once more.
pub(crate) const HOST_PACKAGES: [&str; 5] =
    ["--workspace", "--exclude", "synguard-ebpf", "--exclude", "synguard-tests-ebpf"];

/// Returns the arguments of a `cargo test` with these flags and test programs.
fn test(flags: &[&str], programs: &[&String]) -> Vec<String> {
    let mut arguments = words(&["test", "--no-fail-fast"]);
    arguments.extend(words(&HOST_PACKAGES));
    arguments.extend(words(flags));
    arguments.extend(named(programs));
    arguments
}

/// Returns the arguments that select test programs.
fn named(programs: &[&String]) -> impl Iterator<Item = String> {
    programs.iter().flat_map(|&name| ["--test".to_owned(), name.clone()])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Returns the names of the test programs in `tests/tests`, sorted; none if there is no such folder. A name without
/// a rung is an error, so that no test is left out unnoticed.
pub(crate) fn test_targets(folder: &Path) -> Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut targets = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        // As cargo finds them: a file, or a folder with a main.rs (other folders are modules).
        let is_target = path.extension() == Some(OsStr::new("rs")) || path.join("main.rs").exists();
        if let Some(name) = path.file_stem().and_then(OsStr::to_str).filter(|_| is_target) {
            targets.push(name.to_owned());
        }
    }
    targets.sort();
    for name in &targets {
        if Rung::of(name).is_none() {
            bail!("{}/{name}.rs is on no rung: begin its name with host_, kernel_ or lab_", folder.display());
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rung's commands, without the packages that each selects.
    fn commands(rung: Rung, targets: &[&str]) -> Vec<String> {
        let packages = HOST_PACKAGES.join(" ") + " ";
        let lines = rung.cargo_commands(&words(targets)).into_iter().map(|arguments| arguments.join(" "));
        lines
            .inspect(|line| assert!(line.contains(&packages), "{line}"))
            .map(|l| l.replace(&packages, ""))
            .collect()
    }

    #[test]
    fn name_decides_the_rung() {
        for (name, rung) in [
            ("host_parser", Some(Rung::Host)),
            ("kernel_load", Some(Rung::Kernel)),
            ("lab_cli", Some(Rung::Lab)),
            ("load", None),
            ("labs_cli", None),
            ("kernel", None),
        ] {
            assert_eq!(Rung::of(name), rung, "{name}");
        }
    }

    #[test]
    fn each_rung_runs_its_own_tests() {
        let all = ["host_parser", "kernel_load", "kernel_verdict", "lab_cli", "lab_flood"];
        let run = |rung| commands(rung, &all);
        assert_eq!(run(Rung::Pure), ["test --no-fail-fast --lib --bins", "test --no-fail-fast --doc"]);
        assert_eq!(run(Rung::Host), ["test --no-fail-fast --test host_parser"]);
        assert_eq!(run(Rung::Kernel), ["test --no-fail-fast --test kernel_load --test kernel_verdict"]);
        assert_eq!(
            run(Rung::Lab),
            [
                "build --bin synguard --test lab_cli --test lab_flood",
                "test --no-fail-fast --test lab_cli -- --test-threads=2",
                "test --no-fail-fast --test lab_flood -- --test-threads=1"
            ]
        );
        assert_eq!(commands(Rung::Lab, &["lab_flood"]).len(), 2);
        assert!(run(Rung::Machines).is_empty());
    }

    #[test]
    fn rung_without_tests_runs_nothing() {
        assert!(commands(Rung::Lab, &["kernel_load"]).is_empty());
        assert!(commands(Rung::Kernel, &[]).is_empty());
    }

    #[test]
    fn every_test_of_this_workspace_is_on_a_rung() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests");
        let targets = test_targets(&folder).expect("every file's name begins with a rung's");
        assert!(CALM_LABS.iter().all(|lab| targets.iter().any(|name| name == lab)), "{targets:?}");
        // No rung runs the integration tests of another package.
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let crates =
            root.join("synguard/crates").read_dir().into_iter().flatten().flatten().map(|e| e.path());
        let products = ["synguard", "synguard-common", "synguard-ebpf", "xtask"].map(|name| root.join(name));
        for package in crates.chain(products) {
            assert!(
                !package.join("tests").exists(),
                "move the tests of {} to tests/tests",
                package.display()
            );
        }
    }
}

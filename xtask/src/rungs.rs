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

    /// Returns the arguments of the `cargo` that runs the rung. `None` if the rung has no tests, or runs in machines.
    pub(crate) fn cargo_arguments(self, targets: &[String]) -> Option<Vec<String>> {
        let mut arguments = words(&["test", "--no-fail-fast"]);
        match self {
            // The default members' unit tests, integration tests and documentation examples.
            Self::Pure => {}
            Self::Machines => return None,
            Self::Host | Self::Kernel | Self::Lab => {
                arguments.extend(words(&["--package", "synguard-tests"]));
                let own: Vec<&String> = targets.iter().filter(|name| Self::of(name) == Some(self)).collect();
                if own.is_empty() {
                    return None;
                }
                if self == Self::Kernel {
                    // The unit tests of the lab's own code: they have no file of their own in `tests/tests`.
                    arguments.push("--lib".into());
                }
                for name in own {
                    arguments.extend(["--test".into(), name.clone()]);
                }
                if self == Self::Lab {
                    // Floods share the machine's cores: one at a time, or they measure each other.
                    arguments.extend(words(&["--", "--test-threads=1"]));
                }
            }
        }
        Some(arguments)
    }
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

    fn arguments(rung: Rung, targets: &[&str]) -> Option<String> {
        rung.cargo_arguments(&words(targets)).map(|arguments| arguments.join(" "))
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
        let targets = ["host_parser", "kernel_load", "kernel_verdict", "lab_flood"];
        let run = |rung| arguments(rung, &targets);
        assert_eq!(run(Rung::Pure).as_deref(), Some("test --no-fail-fast"));
        let host = "test --no-fail-fast --package synguard-tests --test host_parser";
        assert_eq!(run(Rung::Host).as_deref(), Some(host));
        let kernel =
            "test --no-fail-fast --package synguard-tests --lib --test kernel_load --test kernel_verdict";
        assert_eq!(run(Rung::Kernel).as_deref(), Some(kernel));
        let lab = "test --no-fail-fast --package synguard-tests --test lab_flood -- --test-threads=1";
        assert_eq!(run(Rung::Lab).as_deref(), Some(lab));
    }

    #[test]
    fn rung_without_tests_runs_nothing() {
        assert_eq!(arguments(Rung::Lab, &["kernel_load"]), None);
        assert_eq!(arguments(Rung::Kernel, &[]), None);
    }

    #[test]
    fn every_test_of_this_workspace_is_on_a_rung() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests");
        test_targets(&folder).expect("every file's name begins with a rung's");
    }
}

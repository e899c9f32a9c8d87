//! A test machine's serial lines: the results of its tests, and the errors of its kernel. Pure.

use std::time::Duration;

use crate::results::{Counts, Outcome};

/// The beginning of lines that init writes for xtask.
const MARK: &str = "@vm ";
/// The beginning of the line in which the load test prints how much the verifier examined.
const EXAMINED: &str = "instructions examined by the verifier: ";
/// Parts of kernel messages that show a fault of the kernel itself, not of a test.
const KERNEL_FAULTS: [&str; 9] = [
    "BUG:",
    "WARNING:",
    "Oops",
    "Kernel panic",
    "kernel BUG at",
    "general protection fault",
    "UBSAN:",
    "blocked for more than",
    // The image does not fit into half of the memory, and its last programs are cut short.
    "nitramfs unpacking failed",
];

/// A line that init wrote for xtask.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark<'a> {
    /// The machine has booted; the kernel's release.
    Booted(&'a str),
    /// A test program starts; its name.
    Begin(&'a str),
    /// A test program has ended; its name and exit code.
    End(&'a str, &'a str),
    /// A step of init itself failed; its description.
    Broken(&'a str),
    /// All programs have ended.
    Finished,
}

impl<'a> Mark<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let words = line.trim().strip_prefix(MARK)?;
        let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
        Some(match word {
            "booted" => Self::Booted(rest),
            "begin" => Self::Begin(rest),
            "end" => rest.split_once(' ').map(|(name, code)| Self::End(name, code))?,
            "broken:" => Self::Broken(rest),
            "finished" => Self::Finished,
            _ => return None,
        })
    }
}

/// The events of a machine's run, so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MachineReport {
    pub(super) release: Option<String>,
    /// Time from power-on until init ran.
    pub(super) boot: Option<Duration>,
    /// Number of instructions that the verifier examined.
    pub(super) examined: Option<u64>,
    /// Tests of the programs that have ended.
    counts: Counts,
    /// The test program that is running.
    running: Option<String>,
    /// Faults other than failed tests.
    faults: Vec<String>,
    finished: bool,
}

impl MachineReport {
    /// Takes a line of the second serial line, which came this long after power-on.
    pub(super) fn line(&mut self, line: &str, at: Duration) {
        match Mark::of(line) {
            Some(Mark::Booted(release)) => {
                (self.release, self.boot) = (Some(release.to_owned()), Some(at));
            }
            Some(Mark::Begin(name)) => self.running = Some(name.to_owned()),
            Some(Mark::End(name, code)) => {
                self.running = None;
                // libtest exits with 101 after it has printed which tests failed; any other code means it did not.
                if code != "0" && code != "101" {
                    self.faults.push(format!("{name} ended with {code}"));
                }
            }
            Some(Mark::Broken(what)) => self.faults.push(what.to_owned()),
            Some(Mark::Finished) => self.finished = true,
            None => {
                self.counts += Counts::parse(line);
                if let Some(examined) = line.trim().strip_prefix(EXAMINED) {
                    self.examined = examined.parse().ok();
                }
            }
        }
    }

    /// Takes the kernel's whole log.
    pub(super) fn kernel_log(&mut self, log: &str) {
        let faults = log.lines().filter(|line| KERNEL_FAULTS.iter().any(|sign| line.contains(sign)));
        // The first are likely to be the cause of the others; the file has them all.
        self.faults.extend(faults.take(3).map(|line| format!("the kernel: {}", line.trim())));
    }

    /// Reports whether all tests have ended, and the machine is about to switch itself off.
    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Returns the rung's outcome on this machine.
    pub(super) fn outcome(&self, title: String) -> Outcome {
        let mut faults = self.faults.clone();
        if !self.finished {
            faults.insert(
                0,
                match (&self.release, &self.running) {
                    (None, _) => "the machine did not boot in time".to_owned(),
                    (Some(_), Some(name)) => format!("{name} did not end in time"),
                    (Some(_), None) => "the machine did not finish in time".to_owned(),
                },
            );
        }
        if self.finished && self.counts.total() == 0 {
            faults.push("no test ran".to_owned());
        }
        let mut counts = self.counts;
        if counts.failed == 0 && !faults.is_empty() {
            counts.failed = 1;
        }
        let broken = (!faults.is_empty()).then(|| faults.join("; "));
        Outcome { title, counts, broken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "\
@vm booted 6.1.0-56-cloud-amd64\r
@vm begin kernel_load\r
running 2 tests\r
instructions examined by the verifier: 25713\r
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 5.58s\r
@vm end kernel_load 0\r
@vm begin lab_small\r
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\r
@vm end lab_small 101\r
@vm finished\r
";

    /// Returns the report of the first lines of a run.
    fn report(text: &str, lines: usize) -> MachineReport {
        let mut report = MachineReport::default();
        for (line, second) in text.lines().take(lines).zip(4..) {
            report.line(line, Duration::from_secs(second));
        }
        report
    }

    fn broken(report: &MachineReport) -> Option<String> {
        report.outcome("5 vm".into()).broken
    }

    #[test]
    fn whole_run_is_counted() {
        let report = report(RUN, usize::MAX);
        assert_eq!(report.release.as_deref(), Some("6.1.0-56-cloud-amd64"));
        assert_eq!((report.boot, report.examined), (Some(Duration::from_secs(4)), Some(25_713)));
        assert!(report.is_finished());
        let outcome = report.outcome("5 vm".into());
        assert_eq!((outcome.counts, outcome.broken), (Counts { passed: 3, failed: 1, skipped: 0 }, None));
    }

    #[test]
    fn machine_that_stops_early_has_failed() {
        for (lines, why) in [
            (0, "the machine did not boot in time"),
            (1, "the machine did not finish in time"),
            (2, "kernel_load did not end in time"),
            (8, "lab_small did not end in time"),
            (9, "the machine did not finish in time"),
        ] {
            let report = report(RUN, lines);
            assert_eq!(broken(&report).as_deref(), Some(why), "{lines} lines");
            assert_eq!(report.outcome(String::new()).counts.failed, 1, "{lines} lines");
        }
    }

    #[test]
    fn program_that_dies_has_failed() {
        let report = report("@vm booted 6.1\n@vm begin a\n@vm end a 139\n@vm finished\n", 4);
        assert_eq!(broken(&report).as_deref(), Some("a ended with 139; no test ran"));
        let module = self::report("@vm broken: module veth\n@vm finished\n", 2);
        assert!(broken(&module).is_some_and(|why| why.starts_with("module veth")));
    }

    #[test]
    fn kernel_faults_are_faults_of_the_run() {
        for (line, is_fault) in [
            ("[    9.1] WARNING: CPU: 1 PID: 99 at kernel/bpf/verifier.c:1 check+0x1/0x2", true),
            ("[    9.1] BUG: unable to handle page fault for address: 0", true),
            ("[    9.1] Oops: 0000 [#1] PREEMPT SMP", true),
            ("[    9.1] Kernel panic - not syncing: Attempted to kill init!", true),
            ("[    1.3] Initramfs unpacking failed: write error", true),
            ("[    9.1] reboot: Power down", false),
            ("[    1.2] mtrr: your CPUs had inconsistent fixed MTRR settings", false),
        ] {
            let good = RUN.replace("1 failed", "0 failed");
            let mut report = report(&good, usize::MAX);
            report.kernel_log(line);
            assert_eq!(broken(&report).is_some(), is_fault, "{line}");
        }
    }
}

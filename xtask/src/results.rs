//! Test results: counts from libtest's output, and the table and last line made from them. Pure.

use std::{fmt::Write as _, ops::AddAssign};

/// Numbers of tests by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    /// Failed tests, and 1 for a test program that ended without printing its results.
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Counts {
    /// Adds up every `test result:` line in the output of `cargo test`.
    pub(crate) fn parse(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines().filter_map(|line| line.trim().strip_prefix("test result:")) {
            sum += Self {
                passed: number(line, "passed"),
                failed: number(line, "failed"),
                skipped: number(line, "ignored"),
            };
        }
        sum
    }

    pub(crate) fn total(self) -> u64 {
        self.passed + self.failed + self.skipped
    }
}

/// Returns the number before `word` in `ok. 12 passed; 0 failed; …`, or 0.
fn number(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line.split([' ', ';']).filter(|word| !word.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

/// The result of a rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The rung's number and name.
    pub(crate) title: String,
    pub(crate) counts: Counts,
    /// The reason if the rung did not run to its end.
    pub(crate) broken: Option<String>,
}

impl Outcome {
    /// Returns the outcome of a `cargo test` from its output and exit status.
    pub(crate) fn of(title: String, output: &str, succeeded: bool) -> Self {
        let mut counts = Counts::parse(output);
        let mut broken = None;
        if !succeeded && counts.failed == 0 {
            counts.failed = 1;
            broken = Some("the build failed, or a test program ended early".to_owned());
        }
        Self { title, counts, broken }
    }

    /// Returns the outcome of a rung that could not be started.
    pub(crate) fn not_run(title: String, why: String) -> Self {
        Self { title, counts: Counts { failed: 1, ..Counts::default() }, broken: Some(why) }
    }

    /// Returns the outcome's fault, if it has one. In CI, a rung without tests and a skipped test are faults as well.
    pub(crate) fn fault(&self, in_ci: bool) -> Option<String> {
        if let Some(why) = &self.broken {
            return Some(why.clone());
        }
        match self.counts {
            Counts { failed: 1.., .. } => Some("tests failed".to_owned()),
            Counts { skipped: 1.., .. } if in_ci => {
                Some("tests were skipped, which CI does not accept".to_owned())
            }
            counts if counts.total() == 0 && in_ci => {
                Some("it has no tests, which CI does not accept".to_owned())
            }
            _ => None,
        }
    }
}

/// Returns a table with one row a rung, and their sum.
pub(crate) fn table(outcomes: &[Outcome], in_ci: bool) -> String {
    let sum = sum(outcomes);
    let width = outcomes.iter().map(|outcome| outcome.title.len()).max().unwrap_or(0).max("rung".len());
    let mut text = format!("{:width$}  passed  failed  skipped\n", "rung");
    let rows = outcomes.iter().map(|o| (o.title.as_str(), o.counts, o.fault(in_ci)));
    for (title, counts, fault) in rows.chain([("sum", sum, None)]) {
        let Counts { passed, failed, skipped } = counts;
        let fault = fault.map(|fault| format!("  {fault}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{title:width$}  {passed:>6}  {failed:>6}  {skipped:>7}{fault}");
    }
    text
}

/// Returns the last line of the output, for people and programs: `N passed, M failed`, then `, K skipped` if any were.
pub(crate) fn summary(outcomes: &[Outcome]) -> String {
    let Counts { passed, failed, skipped } = sum(outcomes);
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    format!("{passed} passed, {failed} failed{skipped}")
}

fn sum(outcomes: &[Outcome]) -> Counts {
    let mut sum = Counts::default();
    for outcome in outcomes {
        sum += outcome.counts;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.01s

   Doc-tests synguard
test result: FAILED. 10 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s
";

    fn outcome(passed: u64, failed: u64, skipped: u64) -> Outcome {
        Outcome { title: "1 pure".into(), counts: Counts { passed, failed, skipped }, broken: None }
    }

    #[test]
    fn every_result_line_counts() {
        assert_eq!(Counts::parse(OUTPUT), Counts { passed: 12, failed: 3, skipped: 1 });
        assert_eq!(Counts::parse("no tests here; 5 passed"), Counts::default());
    }

    #[test]
    fn broken_run_counts_as_a_failure() {
        let broken = Outcome::of("x".into(), "error: could not compile", false);
        assert_eq!(broken.counts.failed, 1);
        assert!(broken.fault(false).is_some());
        let failed = Outcome::of("x".into(), OUTPUT, false);
        assert_eq!((failed.counts.failed, failed.broken.as_deref()), (3, None));
        assert_eq!(failed.fault(false).as_deref(), Some("tests failed"));
    }

    #[test]
    fn skipped_and_missing_tests_are_faults_in_ci_only() {
        for (outcome, here, in_ci) in [
            (outcome(5, 0, 0), false, false),
            (outcome(5, 0, 1), false, true),
            (outcome(0, 0, 0), false, true),
            (outcome(5, 1, 0), true, true),
        ] {
            assert_eq!(
                (outcome.fault(false).is_some(), outcome.fault(true).is_some()),
                (here, in_ci),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn last_line_is_the_sum() {
        assert_eq!(summary(&[outcome(5, 0, 0), outcome(7, 1, 0)]), "12 passed, 1 failed");
        assert_eq!(summary(&[outcome(5, 0, 2)]), "5 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn table_names_the_fault() {
        let table = table(&[outcome(5, 0, 0), Outcome::not_run("4 lab".into(), "no sudo".into())], false);
        let lines: Vec<&str> = table.lines().map(str::trim_end).collect();
        assert_eq!(lines[0], "rung    passed  failed  skipped");
        assert_eq!(lines[1], "1 pure       5       0        0");
        assert_eq!(lines[2], "4 lab        0       1        0  no sudo");
        assert_eq!(lines[3], "sum          5       1        0");
    }
}

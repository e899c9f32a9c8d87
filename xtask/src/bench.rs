//! `cargo xtask bench`: the filter's costs against those of its peers, in network namespaces of its own.

use anyhow::Result;

use crate::{run_bin::run_bin, setup::SetupScope};

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct BenchArgs {
    /// Only the rows whose names begin so; separated by commas, or given several times
    #[arg(long, value_name = "ROW,…")]
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
}

impl BenchArgs {
    /// Returns the arguments of the bench program.
    fn passed_on(&self) -> Vec<&str> {
        let mut arguments = Vec::new();
        for rows in &self.only {
            arguments.extend(["--only", rows]);
        }
        for (wanted, flag) in [(self.quick, "--quick"), (self.list, "--list"), (self.strict, "--strict")] {
            arguments.extend(wanted.then_some(flag));
        }
        arguments
    }
}

pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    run_bin("bench", SetupScope::Bench, &args.passed_on())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_reaches_the_bench() {
        let args = BenchArgs { only: vec!["a,b".into(), "c".into()], quick: true, list: false, strict: true };
        assert_eq!(args.passed_on(), ["--only", "a,b", "--only", "c", "--quick", "--strict"]);
    }
}

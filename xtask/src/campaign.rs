//! `cargo xtask campaign`: the full forms of tests that the ladder runs in a short form, or of which one run says little. Each
//! prints its figures.

use std::{slice, time::Instant};

use anyhow::Result;

use crate::{
    process::{Privilege, cargo, tee},
    results::{Outcome, summary, table},
    rungs::HOST_PACKAGES,
    setup::{self, SetupScope},
};

/// Options of `cargo xtask campaign`.
#[derive(clap::Args)]
pub(crate) struct CampaignArgs {
    /// Only the campaign of this name, or all whose description contains it; without it all, which takes about an hour
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// A test in its full form.
struct Campaign {
    name: &'static str,
    /// Environment variables that make the form full.
    variables: &'static [(&'static str, &'static str)],
    /// Flags that select the test program, and the name of the test in it.
    target: &'static [&'static str],
    test: &'static str,
    needs_root: bool,
}

const CAMPAIGNS: [Campaign; 8] = [
    Campaign {
        name: "traces: the phase and the totals of 10 000 random floods",
        variables: &[("PROPTEST_CASES", "10000")],
        target: &["--lib"],
        test: "floods_are_never_called_calm_and_totals_are_exact",
        needs_root: false,
    },
    Campaign {
        name: "lists: 10 000 sequences of changes, kills and disk failures",
        variables: &[("PROPTEST_CASES", "10000")],
        target: &["--lib"],
        test: "reported_changes_stay_in_force",
        needs_root: false,
    },
    Campaign {
        name: "frames: two million random frames against the model",
        variables: &[("SYNGUARD_TEST_FRAMES", "2000000")],
        target: &["--test", "kernel_property"],
        test: "",
        needs_root: true,
    },
    Campaign {
        name: "cookies: two million random SYNs that get a SYN cookie or pass",
        variables: &[("SYNGUARD_TEST_FRAMES", "2000000")],
        target: &["--test", "kernel_syn_cookie"],
        test: "random_syns_get_correct_cookies_or_pass",
        needs_root: true,
    },
    Campaign {
        name: "list-kills: 200 commands killed while they change a list",
        variables: &[("SYNGUARD_TEST_KILLS", "200")],
        target: &["--test", "lab_lists"],
        test: "killed_command_leaves_one_of_two_states",
        needs_root: true,
    },
    Campaign {
        name: "list-size: every verb with a million entries",
        variables: &[("LIST_TARGETS", "1000000")],
        target: &["--test", "lab_lists"],
        test: "every_verb_with_many",
        needs_root: true,
    },
    Campaign {
        name: "kills: 200 controllers killed under floods",
        variables: &[("SYNGUARD_TEST_KILLS", "200")],
        target: &["--test", "lab_controller"],
        test: "original_value_is_back_after_each_kill",
        needs_root: true,
    },
    Campaign {
        name: "removals: 100 removals of what keeps the filter in place",
        variables: &[("SYNGUARD_TEST_REMOVALS", "100")],
        target: &["--test", "lab_controller"],
        test: "every_removal_is_reported_and_the_host_protected_again",
        needs_root: true,
    },
];

impl Campaign {
    fn title(&self) -> String {
        self.name.split(':').next().unwrap_or(self.name).to_owned()
    }

    /// Returns the arguments of cargo.
    fn arguments(&self) -> impl Iterator<Item = &'static str> {
        let harness = ["--", "--nocapture", "--test-threads=1", self.test];
        let harness = harness.into_iter().filter(|word| !word.is_empty());
        ["test", "--no-fail-fast"]
            .into_iter()
            .chain(HOST_PACKAGES)
            .chain(self.target.iter().copied())
            .chain(harness)
    }

    /// Runs the test; its figures are in the output.
    fn run(&self) -> Outcome {
        println!("\n=== campaign {}", self.name);
        let start = Instant::now();
        let outcome = match self.try_run() {
            Ok((output, succeeded)) => Outcome::of(self.title(), &output, succeeded),
            Err(error) => Outcome::not_run(self.title(), format!("{error:#}")),
        };
        let (summary, seconds) = (summary(slice::from_ref(&outcome)), start.elapsed().as_secs());
        println!("--- campaign {}: {summary}, after {seconds} s", outcome.title);
        outcome
    }

    fn try_run(&self) -> Result<(String, bool)> {
        let mut command = cargo();
        if self.needs_root {
            command.args(Privilege::get().cargo_runner()?);
        }
        let (status, output) = tee(command.args(self.arguments()).envs(self.variables.iter().copied()))?;
        Ok((output, status.success()))
    }
}

/// Sets up, and runs every wanted campaign, also after one has failed. Reports whether all passed.
pub(crate) fn run(args: &CampaignArgs) -> Result<bool> {
    setup::run(SetupScope::Everything)?;
    // The lab starts the program itself, which cargo does not build for another package's tests.
    crate::process::run(cargo().arg("build").args(HOST_PACKAGES).args(["--bin", "synguard"]))?;
    let outcomes: Vec<Outcome> = wanted(args.name.as_deref()).map(Campaign::run).collect();
    // A campaign that ran no test looked for one that has another name now.
    let all_passed = !outcomes.is_empty() && outcomes.iter().all(|outcome| outcome.fault(true).is_none());
    println!("\n{}", table(&outcomes, true));
    println!("{}", summary(&outcomes));
    Ok(all_passed)
}

/// Returns the campaign of this name, or else those whose description contains it.
fn wanted(name: Option<&str>) -> impl Iterator<Item = &'static Campaign> {
    let is_title = CAMPAIGNS.iter().any(|campaign| name == Some(&campaign.title()));
    CAMPAIGNS.iter().filter(move |campaign| {
        name.is_none_or(|name| if is_title { campaign.title() == name } else { campaign.name.contains(name) })
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn title_selects_one_campaign_and_another_word_several() {
        let titles = |name| wanted(name).map(Campaign::title).collect::<Vec<_>>();
        assert_eq!(titles(None).len(), CAMPAIGNS.len());
        assert_eq!(titles(Some("kills")), ["kills"]);
        assert_eq!(titles(Some("lists")), ["lists"]);
        assert_eq!(titles(Some("kill")), ["lists", "list-kills", "kills"]);
        assert_eq!(titles(Some("nothing")), [""; 0]);
    }

    #[test]
    fn every_campaign_is_described() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/campaigns.md");
        let text = fs::read_to_string(path).expect("text");
        for campaign in &CAMPAIGNS {
            assert!(text.contains(&format!("\n| `{}` | ", campaign.title())), "{}", campaign.name);
        }
    }

    #[test]
    fn every_campaign_names_an_existing_test() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let sources = [root.join("tests/tests"), root.join("synguard/crates")];
        let mut text = String::new();
        let mut todo: Vec<_> = sources.into();
        while let Some(path) = todo.pop() {
            if path.is_dir() {
                todo.extend(fs::read_dir(path).expect("readable").flatten().map(|entry| entry.path()));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &fs::read_to_string(path).expect("text");
            }
        }
        for campaign in &CAMPAIGNS {
            assert!(text.contains(&format!("fn {}", campaign.test)), "{}", campaign.name);
            let unused = campaign.variables.iter().find(|(name, _)| !text.contains(&format!("\"{name}\"")));
            assert_eq!(unused, None, "{}", campaign.name);
        }
        let line = CAMPAIGNS[7].arguments().collect::<Vec<_>>().join(" ");
        assert!(line.ends_with("--test lab_controller -- --nocapture --test-threads=1 every_removal_is_reported_and_the_host_protected_again"), "{line}");
    }
}

//! Commit messages: `area: what changes` on the first line, and below it why.

use anyhow::Result;

use crate::{
    lint::breach::{Breach, deny},
    process::{command, output, output_or_error},
};

/// The last commit that was made before the rule; the default base.
const RULE_SINCE: &str = "6ccd6c303bbb5d1df9e474f9ce7420a24db29c20";
/// The most characters of a first line.
const SUBJECT_MAX: usize = 72;
/// Separate the fields of a commit, and the commits, in git's output.
const FIELD: char = '\u{1f}';
const RECORD: char = '\u{1e}';

/// Prints every message after `base` that breaks the rule. A base that is no ancestor, as in a shallow clone,
/// leaves nothing to check.
pub(crate) fn check(base: Option<&str>) -> Result<()> {
    let base = base.unwrap_or(RULE_SINCE);
    let mut ancestor = command("git");
    ancestor.args(["merge-base", "--is-ancestor", base, "HEAD"]);
    if output(&mut ancestor).is_none() {
        println!("{base} is no ancestor of this commit: not checked");
        return Ok(());
    }
    let format = format!("--format=%h{FIELD}%P{FIELD}%s{FIELD}%b{RECORD}");
    let log = output_or_error(command("git").args(["log", &format, &format!("{base}..HEAD")]))?;
    let commits: Vec<CommitMessage<'_>> = log.split(RECORD).filter_map(CommitMessage::parse).collect();
    println!("{} commits since {base}", commits.len());
    deny(&commits.iter().flat_map(CommitMessage::breaches).collect::<Vec<_>>())
}

#[derive(Debug)]
struct CommitMessage<'a> {
    hash: &'a str,
    parents: usize,
    subject: &'a str,
    body: &'a str,
}

impl<'a> CommitMessage<'a> {
    fn parse(record: &'a str) -> Option<Self> {
        let mut fields = record.trim().splitn(4, FIELD);
        Some(Self {
            hash: fields.next()?,
            parents: fields.next()?.split_whitespace().count(),
            subject: fields.next()?,
            body: fields.next().unwrap_or_default().trim(),
        })
    }

    fn breaches(&self) -> Vec<Breach> {
        let mut messages = Vec::new();
        if self.parents > 1 {
            messages.push("a merge: rebase instead".to_owned());
        }
        let length = self.subject.chars().count();
        if length > SUBJECT_MAX {
            messages.push(format!("the subject has {length} characters, {SUBJECT_MAX} at most: shorten it"));
        }
        match area(self.subject) {
            None => messages
                .push("the subject has no area: begin it with a crate or folder, as \"xtask: …\"".to_owned()),
            Some("wip" | "fixup" | "squash") => {
                messages.push("unfinished: squash it into the commit that it belongs to".to_owned());
            }
            Some("docs") => {}
            Some(_) if self.body.is_empty() => {
                messages.push("no body: say why below the subject, as all but docs must".to_owned());
            }
            Some(_) => {}
        }
        let place = format!("commit {} \"{}\"", self.hash, self.subject);
        messages.into_iter().map(|message| Breach::new(&place, 0, message)).collect()
    }
}

/// Returns the area that the subject begins with: one lower-case word, or several separated by commas.
fn area(subject: &str) -> Option<&str> {
    let (area, change) = subject.split_once(": ")?;
    let is_word = |word: &str| {
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_/.".contains(c);
        !word.is_empty() && word.chars().all(is_part)
    };
    (area.split(", ").all(is_word) && !change.trim().is_empty()).then_some(area)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The breaches of a commit with this subject, body and number of parents.
    fn breaches(subject: &str, body: &str, parents: usize) -> Vec<String> {
        let record = format!("abc{FIELD}{}{FIELD}{subject}{FIELD}{body}\n", "p ".repeat(parents));
        let commit = CommitMessage::parse(&record).expect("it has all fields");
        commit.breaches().into_iter().map(|breach| breach.message).collect()
    }

    #[test]
    fn each_part_of_the_rule_is_checked() {
        let long = |length: usize| format!("xtask: {}", "x".repeat(length - 7));
        for (subject, body, parents, breach) in [
            ("xtask: check the prose", "It drifted.", 1, ""),
            ("docs: measure again", "", 1, ""),
            ("datapath, synguard-ebpf: count once", "Twice before.", 1, ""),
            (&long(72), "Why.", 1, ""),
            (&long(73), "Why.", 1, "73 characters"),
            ("xtask: check the prose", "", 1, "no body"),
            ("xtask: check the prose", "  \n", 1, "no body"),
            ("xtask: check the prose", "Why.", 2, "merge"),
            ("wip: check the prose", "Why.", 1, "unfinished"),
            ("Check the prose", "Why.", 1, "no area"),
            ("Revert \"xtask: check the prose\"", "Why.", 1, "no area"),
            ("xtask:check", "Why.", 1, "no area"),
            (": check", "Why.", 1, "no area"),
        ] {
            let found = breaches(subject, body, parents);
            match breach {
                "" => assert_eq!(found, Vec::<String>::new(), "{subject}"),
                breach => assert!(found.len() == 1 && found[0].contains(breach), "{subject}: {found:?}"),
            }
        }
    }

    #[test]
    fn unknown_base_leaves_nothing_to_check() {
        check(Some("0000000000000000000000000000000000000000")).expect("nothing is checked");
    }
}

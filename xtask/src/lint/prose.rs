//! Doc comments begin with a noun or a verb: a first word such as "what" or "whether" makes a sentence that has to
//! be read twice. A few are allowed, since no list of words can judge a sentence.

use anyhow::Result;

use crate::lint::{
    breach::{Breach, deny},
    source_file::{Area, SourceFile},
};

/// Question words, pronouns and the like.
const WEAK_STARTS: [&str; 15] = [
    "what", "whether", "who", "how", "it", "that", "those", "when", "why", "where", "whom", "which", "so",
    "for", "of",
];
/// The share of doc comments that may begin with one, in percent of an area's.
const SHARE_MAX: usize = 5;

/// Prints the share for each area, and every offender where it is over the limit.
pub(crate) fn check(files: &[SourceFile]) -> Result<()> {
    deny(&breaches(files))
}

fn breaches(files: &[SourceFile]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for area in [Area::Product, Area::Tests, Area::Xtask] {
        let survey = ProseSurvey::of(files.iter().filter(|file| file.area() == area));
        let (bad, all, percent) = (survey.offenders.len(), survey.all, survey.percent());
        println!(
            "{}: {bad} of {all} doc comments begin with a question word or pronoun, {percent:.1} %",
            area.name()
        );
        if !survey.is_within_limit() {
            breaches.extend(survey.offenders);
        }
    }
    breaches
}

/// The doc comments of an area: all of them counted, and those that begin with a listed word.
#[derive(Debug, Default)]
struct ProseSurvey {
    all: usize,
    offenders: Vec<Breach>,
}

impl ProseSurvey {
    fn of<'a>(files: impl IntoIterator<Item = &'a SourceFile>) -> Self {
        let mut survey = Self::default();
        for file in files {
            survey.add(file);
        }
        survey
    }

    /// Adds the first line of each block of doc comments.
    fn add(&mut self, file: &SourceFile) {
        let mut end_of_block = None;
        for comment in &file.comments {
            let Some(prose) = doc_text(&comment.text) else { continue };
            let continues = end_of_block == Some(comment.line);
            end_of_block = Some(comment.line + 1);
            if continues {
                continue;
            }
            self.all += 1;
            let word = first_word(prose);
            if WEAK_STARTS.contains(&word.as_str()) {
                let remedy =
                    format!("begins with \"{word}\": begin with a noun or a third-person verb: {prose}");
                self.offenders.push(Breach::new(&file.path, comment.line, remedy));
            }
        }
    }

    fn percent(&self) -> f64 {
        100.0 * self.offenders.len() as f64 / self.all.max(1) as f64
    }

    const fn is_within_limit(&self) -> bool {
        self.offenders.len() * 100 <= self.all * SHARE_MAX
    }
}

/// Returns the text of a `///` or `//!` line.
fn doc_text(comment: &str) -> Option<&str> {
    let text = comment.strip_prefix("///").or_else(|| comment.strip_prefix("//!"))?;
    // Four slashes are an ordinary comment.
    (!text.starts_with('/')).then(|| text.trim())
}

/// Returns the first word in lower case, up to an apostrophe or other punctuation.
fn first_word(prose: &str) -> String {
    prose.chars().take_while(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(text: &str) -> ProseSurvey {
        ProseSurvey::of([&SourceFile::new("a.rs", text)])
    }

    #[test]
    fn first_line_of_each_block_counts() {
        let survey = survey(
            "//! What it is for.\n//! Whether or not.\n\n/// Whether it is.\nfn a() {}\n/// The length\n/// of it.\n\
             // What no doc comment says.\n//// What neither does.\nconst A: &str = \"/// What a string says\";\n",
        );
        assert_eq!(survey.all, 3);
        assert_eq!(survey.offenders.iter().map(|breach| breach.line).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn limit_holds_in_every_area() {
        for path in ["synguard/src/lib.rs", "tests/src/lib.rs", "xtask/src/main.rs"] {
            assert_eq!(breaches(&[SourceFile::new(path, "/// What.\n")]).len(), 1, "{path}");
        }
    }

    #[test]
    fn contractions_and_capitals_are_seen_through() {
        for (prose, is_weak) in [
            ("It's so.", true),
            ("WHEN done", true),
            ("Whatever comes", false),
            ("Item of it", false),
            ("`what` is a field", false),
        ] {
            assert_eq!(survey(&format!("/// {prose}\n")).offenders.len(), usize::from(is_weak), "{prose}");
        }
    }

    #[test]
    fn share_at_the_limit_is_accepted_and_above_is_not() {
        let text = |bad: usize| {
            let line = |at: usize| if at < bad { "/// What.\n\n" } else { "/// Fine.\n\n" };
            (0..20).map(line).collect::<String>()
        };
        assert!(survey(&text(1)).is_within_limit());
        assert!(!survey(&text(2)).is_within_limit());
        assert!(survey("").is_within_limit());
    }
}

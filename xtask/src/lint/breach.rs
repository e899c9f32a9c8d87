//! A breach of a rule: the place, the rule and the remedy.

use std::fmt;

use anyhow::{Result, bail};

/// One place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    /// The file, from the workspace's root; or whatever else the place is, such as a commit.
    pub(crate) place: String,
    /// Counted from 1; 0 if the breach is the whole file's.
    pub(crate) line: usize,
    /// The broken rule and its remedy.
    pub(crate) message: String,
}

impl Breach {
    pub(crate) fn new(place: &str, line: usize, message: impl Into<String>) -> Self {
        Self { place: place.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.place, self.message),
            line => write!(f, "{}:{line}: {}", self.place, self.message),
        }
    }
}

/// Prints the breaches, and fails if there are any.
pub(crate) fn deny(breaches: &[Breach]) -> Result<()> {
    for breach in breaches {
        println!("{breach}");
    }
    match breaches.len() {
        0 => Ok(()),
        1 => bail!("1 breach"),
        count => bail!("{count} breaches"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breach_names_file_and_line() {
        assert_eq!(Breach::new("a.rs", 3, "too long").to_string(), "a.rs:3: too long");
        assert_eq!(Breach::new("a.rs", 0, "too long").to_string(), "a.rs: too long");
    }

    #[test]
    fn any_breach_fails() {
        deny(&[]).expect("no breach, no error");
        deny(&[Breach::new("a.rs", 1, "x")]).expect_err("a breach is an error");
    }
}

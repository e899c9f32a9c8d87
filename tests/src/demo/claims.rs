//! The table at the end: each claim, the measured figure, and whether the claim holds.

use std::fmt;

/// The claims checked so far.
#[derive(Debug, Default)]
pub(super) struct Claims(Vec<Claim>);

#[derive(Debug)]
struct Claim {
    text: String,
    measured: String,
    finding: Finding,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    Holds,
    Fails,
    /// The machine did not make the flood that the claim is about, for this reason.
    NotTried(String),
}

/// The result of all claims together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemoVerdict {
    /// Every claim was tried and holds.
    Holds,
    /// A claim failed.
    Fails,
    /// No claim failed, but some could not be tried.
    NotTried,
}

impl Claims {
    pub(super) fn check(&mut self, claim: impl Into<String>, measured: impl Into<String>, holds: bool) {
        self.check_unless(None, claim, measured, holds);
    }

    /// Checks a claim that is about a flood, unless the flood was not as it should be, for the reason given.
    pub(super) fn check_unless(
        &mut self,
        untried: Option<&str>,
        claim: impl Into<String>,
        measured: impl Into<String>,
        holds: bool,
    ) {
        let finding = match (untried, holds) {
            (Some(why), _) => Finding::NotTried(why.to_owned()),
            (None, true) => Finding::Holds,
            (None, false) => Finding::Fails,
        };
        self.0.push(Claim { text: claim.into(), measured: measured.into(), finding });
    }

    /// Returns the result of all claims together.
    pub(super) fn verdict(&self) -> DemoVerdict {
        match (self.count(|finding| *finding == Finding::Fails), self.untried()) {
            (0, 0) => DemoVerdict::Holds,
            (0, _) => DemoVerdict::NotTried,
            _ => DemoVerdict::Fails,
        }
    }

    fn count(&self, is: impl Fn(&Finding) -> bool) -> usize {
        self.0.iter().filter(|claim| is(&claim.finding)).count()
    }

    fn untried(&self) -> usize {
        self.count(|finding| matches!(finding, Finding::NotTried(_)))
    }

    fn summary(&self) -> String {
        let (untried, all) = (self.untried(), self.0.len());
        match self.verdict() {
            DemoVerdict::Holds => "Every claim holds.".to_owned(),
            DemoVerdict::NotTried => format!(
                "No claim failed, but {untried} of {all} could not be tried: this machine did not make the flood.\n\
                 Run the demo again with nothing else running."
            ),
            DemoVerdict::Fails => "NOT every claim holds.".to_owned(),
        }
    }
}

impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: fn(&Claim) -> &String| {
            self.0.iter().map(|claim| column(claim).chars().count()).max().unwrap_or_default()
        };
        let (claims, measures) = (width(|claim| &claim.text), width(|claim| &claim.measured));
        for Claim { text, measured, finding } in &self.0 {
            let finding = match finding {
                Finding::Holds => "ok".to_owned(),
                Finding::Fails => "FAILED".to_owned(),
                Finding::NotTried(why) => format!("not tried: {why}"),
            };
            writeln!(f, "{text:claims$}   {measured:measures$}   {finding}")?;
        }
        write!(f, "\n{}", self.summary())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_failure_decides() {
        let mut claims = Claims::default();
        claims.check("short", "1 of 1", true);
        assert_eq!(claims.verdict(), DemoVerdict::Holds);
        claims.check("a longer one", "0", false);
        assert_eq!(claims.verdict(), DemoVerdict::Fails);
        let table = "short          1 of 1   ok\na longer one   0        FAILED\n\nNOT every claim holds.";
        assert_eq!(claims.to_string(), table);
    }

    #[test]
    fn untried_claim_neither_holds_nor_fails() {
        let mut claims = Claims::default();
        claims.check("calm", "1 of 1", true);
        for holds in [true, false] {
            claims.check_unless(
                Some("this machine makes only 12 000 SYN/s"),
                "under a flood",
                "12000/s",
                holds,
            );
        }
        assert_eq!(claims.verdict(), DemoVerdict::NotTried);
        let text = claims.to_string();
        assert_eq!(text.matches("not tried: this machine makes only 12 000 SYN/s\n").count(), 2, "{text}");
        assert!(text.contains("No claim failed, but 2 of 3 could not be tried"), "{text}");
        claims.check("a failure", "0", false);
        assert_eq!(claims.verdict(), DemoVerdict::Fails);
    }
}

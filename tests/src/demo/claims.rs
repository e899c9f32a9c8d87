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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Holds,
    Fails,
    /// The machine did not make the flood that the claim is about.
    NotTried,
}

impl Claims {
    pub(super) fn check(&mut self, claim: impl Into<String>, measured: impl Into<String>, holds: bool) {
        self.check_if(true, claim, measured, holds);
    }

    /// Checks a claim that is about a flood, if the flood was as it should be.
    pub(super) fn check_if(
        &mut self,
        tried: bool,
        claim: impl Into<String>,
        measured: impl Into<String>,
        holds: bool,
    ) {
        let finding = match (tried, holds) {
            (false, _) => Finding::NotTried,
            (true, true) => Finding::Holds,
            (true, false) => Finding::Fails,
        };
        self.0.push(Claim { text: claim.into(), measured: measured.into(), finding });
    }

    /// Reports whether no claim failed and at least one holds.
    pub(super) fn hold(&self) -> bool {
        self.count(Finding::Fails) == 0 && self.count(Finding::Holds) > 0
    }

    fn count(&self, finding: Finding) -> usize {
        self.0.iter().filter(|claim| claim.finding == finding).count()
    }

    fn summary(&self) -> String {
        match (self.count(Finding::Fails), self.count(Finding::NotTried)) {
            (0, 0) => "Every claim holds.".to_owned(),
            (0, untried) => format!(
                "No claim failed, but {untried} of {} could not be tried: this machine did not make the flood.\n\
                 Run the demo again with nothing else running.",
                self.0.len()
            ),
            _ => "NOT every claim holds.".to_owned(),
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
                Finding::Holds => "ok",
                Finding::Fails => "FAILED",
                Finding::NotTried => "not tried",
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
        assert!(!claims.hold());
        claims.check("short", "1 of 1", true);
        assert!(claims.hold());
        claims.check("a longer one", "0", false);
        assert!(!claims.hold());
        let table = "short          1 of 1   ok\na longer one   0        FAILED\n\nNOT every claim holds.";
        assert_eq!(claims.to_string(), table);
    }

    #[test]
    fn untried_claim_neither_holds_nor_fails() {
        let mut claims = Claims::default();
        for holds in [true, false] {
            claims.check_if(false, "under a flood", "12000/s", holds);
        }
        assert!(!claims.hold(), "nothing was shown");
        claims.check("calm", "1 of 1", true);
        assert!(claims.hold());
        let text = claims.to_string();
        assert_eq!(text.matches("not tried\n").count(), 2, "{text}");
        assert!(text.contains("No claim failed, but 2 of 3 could not be tried"), "{text}");
    }
}

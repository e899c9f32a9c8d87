//! The table at the end: each claim, what was measured, and whether it holds.

use std::fmt;

/// The claims checked so far.
#[derive(Debug, Default)]
pub(super) struct Verdict(Vec<Claim>);

#[derive(Debug)]
struct Claim {
    claim: String,
    measured: String,
    holds: bool,
}

impl Verdict {
    pub(super) fn check(&mut self, claim: impl Into<String>, measured: impl Into<String>, holds: bool) {
        self.0.push(Claim { claim: claim.into(), measured: measured.into(), holds });
    }

    /// Whether all claims hold; without any, nothing was shown.
    pub(super) fn holds(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|claim| claim.holds)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&Claim) -> &String| {
            self.0.iter().map(|claim| text(claim).chars().count()).max().unwrap_or_default()
        };
        let (claims, measures) = (width(|claim| &claim.claim), width(|claim| &claim.measured));
        for Claim { claim, measured, holds } in &self.0 {
            let verdict = if *holds { "ok" } else { "FAILED" };
            writeln!(f, "{claim:claims$}   {measured:measures$}   {verdict}")?;
        }
        let verdict = if self.holds() { "Every claim holds." } else { "NOT every claim holds." };
        writeln!(f, "{verdict}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_claim_that_does_not_hold_decides() {
        let mut verdict = Verdict::default();
        assert!(!verdict.holds());
        verdict.check("short", "1 of 1", true);
        assert!(verdict.holds());
        verdict.check("a longer one", "0", false);
        assert!(!verdict.holds());
        let table = "short          1 of 1   ok\na longer one   0        FAILED\nNOT every claim holds.\n";
        assert_eq!(verdict.to_string(), table);
    }
}

//! One result of the bench: the measurement, its competitor and its goal. Pure.

use serde_json::{Value, json};

use crate::bench::spread::Spread;

/// The direction of a goal: less is better, or more is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    /// The figure should be at most the bar.
    AtMost,
    /// The figure should be at least the bar.
    AtLeast,
}

/// The value that a figure should have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Goal {
    /// The direction.
    pub(super) sense: Sense,
    /// The value that must be reached.
    pub(super) bar: f64,
    /// A value that would be better still.
    pub(super) stretch: Option<f64>,
}

impl Goal {
    /// Sets a goal of at most `bar`, better at most `stretch`.
    pub(super) const fn at_most(bar: f64, stretch: f64) -> Self {
        Self { sense: Sense::AtMost, bar, stretch: Some(stretch) }
    }

    /// Sets a goal of at least `bar`, better at least `stretch`.
    pub(super) const fn at_least(bar: f64, stretch: f64) -> Self {
        Self { sense: Sense::AtLeast, bar, stretch: Some(stretch) }
    }

    /// Removes the stretch.
    pub(super) const fn without_stretch(self) -> Self {
        Self { stretch: None, ..self }
    }

    fn is_reached(self, figure: f64, target: f64) -> bool {
        match self.sense {
            Sense::AtMost => figure <= target,
            Sense::AtLeast => figure >= target,
        }
    }

    /// The bar for people.
    pub(super) fn describe(self) -> String {
        let sign = if self.sense == Sense::AtMost { "<=" } else { ">=" };
        let stretch = self.stretch.map(|stretch| format!(" ({stretch})")).unwrap_or_default();
        format!("{sign} {}{stretch}", self.bar)
    }
}

/// The outcome of a comparison of a figure with its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Better than the stretch.
    Stretch,
    /// The bar is reached.
    Pass,
    /// The bar is not reached.
    Missed,
    /// There is no bar.
    NoBar,
    /// Nothing was measured.
    NotRun,
}

impl Verdict {
    /// Returns the verdict as the report prints it.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Stretch => "PASS, stretch",
            Self::Pass => "PASS",
            Self::Missed => "MISSED",
            Self::NoBar => "-",
            Self::NotRun => "NOT RUN",
        }
    }
}

/// One result.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// The row it belongs to, as `--only` names it.
    pub(super) row: &'static str,
    /// The quantity that was measured.
    pub(super) what: String,
    /// Unit of `value` and `peer`.
    pub(super) unit: &'static str,
    /// The figure.
    pub(super) value: Option<Spread>,
    /// The competitor's name and figure, measured in the same run.
    pub(super) peer: Option<(String, Spread)>,
    /// The figure by that of the peer, round by round.
    pub(super) ratio: Option<Spread>,
    /// The goal for the ratio, or without one for the figure.
    pub(super) goal: Option<Goal>,
    /// Method and caveats of the measurement.
    pub(super) notes: Vec<String>,
}

impl Line {
    /// A result that is still to be filled in.
    pub(super) fn new(row: &'static str, what: impl Into<String>, unit: &'static str) -> Self {
        Self {
            row,
            what: what.into(),
            unit,
            value: None,
            peer: None,
            ratio: None,
            goal: None,
            notes: Vec::new(),
        }
    }

    /// Returns a line for a figure that could not be measured, with the reason.
    pub(super) fn not_run(row: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { notes: vec![why.into()], ..Self::new(row, what, "") }
    }

    /// Returns the figure that the goal is about.
    pub(super) fn judged(&self) -> Option<Spread> {
        if self.peer.is_some() { self.ratio } else { self.value }
    }

    /// Compares the figure with its goal.
    pub(super) fn verdict(&self) -> Verdict {
        let Some(judged) = self.judged() else { return Verdict::NotRun };
        let Some(goal) = self.goal else { return Verdict::NoBar };
        if goal.stretch.is_some_and(|stretch| goal.is_reached(judged.median, stretch)) {
            Verdict::Stretch
        } else if goal.is_reached(judged.median, goal.bar) {
            Verdict::Pass
        } else {
            Verdict::Missed
        }
    }

    /// Returns the line as JSON.
    pub(super) fn json(&self) -> Value {
        json!({
            "row": self.row,
            "what": self.what,
            "unit": self.unit,
            "value": self.value.map(spread_json),
            "peer": self.peer.as_ref().map(|(name, spread)| json!({ "name": name, "value": spread_json(*spread) })),
            "ratio": self.ratio.map(spread_json),
            "goal": self.goal.map(|goal| json!({
                "sense": if goal.sense == Sense::AtMost { "at_most" } else { "at_least" },
                "bar": goal.bar,
                "stretch": goal.stretch,
            })),
            "verdict": self.verdict().label(),
            "notes": self.notes,
        })
    }
}

fn spread_json(spread: Spread) -> Value {
    json!({ "median": spread.median, "min": spread.min, "max": spread.max })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ratio: f64, goal: Goal) -> Line {
        let peer = Some(("peer".to_owned(), Spread::single(1.0)));
        let value = Some(Spread::single(5.0));
        Line {
            value,
            peer,
            ratio: Some(Spread::single(ratio)),
            goal: Some(goal),
            ..Line::new("r", "w", "ns")
        }
    }

    #[test]
    fn the_ratio_is_judged_and_without_a_peer_the_figure() {
        let at_most = Goal::at_most(0.12, 0.06);
        for (ratio, verdict) in [(0.05, Verdict::Stretch), (0.12, Verdict::Pass), (0.13, Verdict::Missed)] {
            assert_eq!(line(ratio, at_most).verdict(), verdict, "{ratio}");
        }
        let at_least = Goal::at_least(0.85, 0.95);
        for (ratio, verdict) in [(0.96, Verdict::Stretch), (0.9, Verdict::Pass), (0.8, Verdict::Missed)] {
            assert_eq!(line(ratio, at_least).verdict(), verdict, "{ratio}");
        }
        let alone = Line { peer: None, ratio: None, ..line(0.0, at_least) };
        assert_eq!(alone.verdict(), Verdict::Stretch);
        assert_eq!(Line::not_run("r", "w", "no tool").verdict(), Verdict::NotRun);
        assert_eq!(Line { goal: None, ..alone }.verdict(), Verdict::NoBar);
    }
}

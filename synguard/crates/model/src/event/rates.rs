//! The figures that a decision was made of. They go with every event.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

/// What was seen in about the last second. Rates are a second; `None` is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct AttackRates {
    /// SYNs to guarded ports.
    #[serde(serialize_with = "whole")]
    pub syn_rate: f64,
    /// Those of them that were over their source's or prefix's limit.
    #[serde(serialize_with = "whole")]
    pub unwanted_rate: f64,
    /// Distinct sources.
    #[serde(serialize_with = "whole")]
    pub distinct_sources: f64,
    /// The limit of those in force; 0 is none.
    pub distinct_limit: u32,
    /// Connections that were completed.
    #[serde(serialize_with = "whole_if_known")]
    pub completed_rate: Option<f64>,
    /// SYNs that the kernel dropped because a queue was full.
    #[serde(serialize_with = "whole_if_known")]
    pub queue_full_rate: Option<f64>,
    /// SYN cookies that the kernel sent.
    #[serde(serialize_with = "whole_if_known")]
    pub cookies_sent_rate: Option<f64>,
    /// SYN cookies sent, by the kernel or the filter, that did not come back.
    #[serde(serialize_with = "whole_if_known")]
    pub unreturned_cookies_rate: Option<f64>,
    /// SYNs that the filter answered.
    #[serde(serialize_with = "whole")]
    pub answered_rate: f64,
    /// SYNs that it dropped because there were more than it may answer in all.
    #[serde(serialize_with = "whole")]
    pub over_budget_rate: f64,
    /// The same, to one network.
    #[serde(serialize_with = "whole")]
    pub over_network_budget_rate: f64,
    /// SYNs that it dropped because they were new.
    #[serde(serialize_with = "whole")]
    pub first_syn_rate: f64,
}

impl AttackRates {
    /// Whether at least this share of the SYNs that passed or were answered led to connections. Of what was dropped
    /// nobody can tell, and most of it is sent again.
    pub fn completes(&self, share: f64) -> bool {
        let unanswered = self.over_budget_rate + self.over_network_budget_rate + self.first_syn_rate;
        let passed = self.syn_rate - self.unwanted_rate - unanswered;
        self.completed_rate.is_some_and(|completed| completed >= share * passed)
    }
}

impl Display for AttackRates {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { syn_rate, unwanted_rate, distinct_sources, distinct_limit, .. } = self;
        write!(f, "{syn_rate:.0} SYN/s, {unwanted_rate:.0} over the limit, {distinct_sources:.0} sources")?;
        if *distinct_limit > 0 {
            write!(f, " (limit {distinct_limit})")?;
        }
        if let Some(completed) = self.completed_rate {
            write!(f, ", {completed:.0} connections/s completed")?;
        }
        if let Some(full) = self.queue_full_rate.filter(|full| *full >= 1.0) {
            write!(f, ", {full:.0} SYN/s found a full queue")?;
        }
        if self.answered_rate >= 1.0 {
            write!(f, ", {:.0} SYN/s answered in the driver", self.answered_rate)?;
        }
        Ok(())
    }
}

fn whole<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(number.round() as u64)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn whole_if_known<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => whole(number, serializer),
        None => serializer.serialize_none(),
    }
}

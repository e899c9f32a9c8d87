//! The rates that a decision of the controller was based on. Most events carry them.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

use crate::number::{Counted, grouped, grouped_rate};

/// Measurements over about the last second. Rates are per second; `None` is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct AttackRates {
    /// SYNs to guarded ports.
    #[serde(serialize_with = "rounded")]
    #[cfg_attr(feature = "schemas", schemars(with = "u64"))]
    pub syn_rate: f64,
    /// SYNs over the limit of their source or prefix.
    #[serde(rename = "unwanted_rate", serialize_with = "rounded")]
    #[cfg_attr(feature = "schemas", schemars(with = "u64"))]
    pub excess_rate: f64,
    /// SYNs from addresses in the blocklist.
    #[serde(serialize_with = "rounded")]
    #[cfg_attr(feature = "schemas", schemars(with = "u64"))]
    pub blocked_rate: f64,
    /// Distinct sources.
    #[serde(serialize_with = "rounded")]
    #[cfg_attr(feature = "schemas", schemars(with = "u64"))]
    pub distinct_sources: f64,
    /// The limit of distinct sources in force; 0 is none.
    pub distinct_limit: u32,
    /// Completed connections.
    #[serde(serialize_with = "rounded_if_known")]
    #[cfg_attr(feature = "schemas", schemars(with = "Option<u64>"))]
    pub completed_rate: Option<f64>,
    /// SYNs that the kernel dropped because a listener's queue was full.
    #[serde(serialize_with = "rounded_if_known")]
    #[cfg_attr(feature = "schemas", schemars(with = "Option<u64>"))]
    pub queue_full_rate: Option<f64>,
    /// SYN cookies that the kernel sent.
    #[serde(serialize_with = "rounded_if_known")]
    #[cfg_attr(feature = "schemas", schemars(with = "Option<u64>"))]
    pub cookies_sent_rate: Option<f64>,
    /// SYN cookies of the kernel and of XDP that clients did not return.
    #[serde(serialize_with = "rounded_if_known")]
    #[cfg_attr(feature = "schemas", schemars(with = "Option<u64>"))]
    pub unreturned_cookies_rate: Option<f64>,
    /// SYN cookies that XDP sent.
    #[serde(rename = "answered_rate", serialize_with = "rounded")]
    #[cfg_attr(feature = "schemas", schemars(with = "u64"))]
    pub xdp_cookie_rate: f64,
    /// SYNs that XDP dropped because of the rate of cookies in all.
    #[serde(rename = "over_budget_rate", serialize_with = "rounded")]
    #[cfg_attr(feature = "schemas", schemars(with = "u64"))]
    pub over_cookie_limit: f64,
    /// SYNs that XDP dropped because of the rate of cookies to one prefix.
    #[serde(rename = "over_network_budget_rate", serialize_with = "rounded")]
    #[cfg_attr(feature = "schemas", schemars(with = "u64"))]
    pub over_cookie_prefix_limit: f64,
    /// New SYNs that XDP dropped because it requires a retransmission.
    #[serde(serialize_with = "rounded")]
    #[cfg_attr(feature = "schemas", schemars(with = "u64"))]
    pub first_syn_rate: f64,
}

impl AttackRates {
    /// Reports whether at least `share` of the SYNs that passed or got a cookie led to connections. Dropped SYNs are not
    /// counted: their outcome is unknown, and most are sent again.
    pub fn completes(&self, share: f64) -> bool {
        let dropped = self.over_cookie_limit + self.over_cookie_prefix_limit + self.first_syn_rate;
        let passed = self.syn_rate - self.excess_rate - self.blocked_rate - dropped;
        self.completed_rate.is_some_and(|completed| completed >= share * passed)
    }
}

impl AttackRates {
    /// Returns the symptom for which SYN cookies are needed.
    pub fn cookie_cause(&self) -> String {
        let sources = Counted(self.distinct_sources.round() as u64, "source");
        if self.distinct_sources >= f64::from(self.distinct_limit) {
            format!("SYNs from {sources} (limit {})", grouped(self.distinct_limit.into()))
        } else if let Some(full) = self.queue_full_rate.filter(|full| *full >= 1.0) {
            format!("listen queues are full, {} SYNs/s dropped ({sources})", grouped_rate(full))
        } else {
            format!("half-open connections are not completing ({sources})")
        }
    }
}

impl Display for AttackRates {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (syns, excess) = (grouped_rate(self.syn_rate), grouped_rate(self.excess_rate));
        write!(f, "{syns} SYN/s, {excess} over the limit")?;
        if self.blocked_rate >= 1.0 {
            write!(f, ", {} blocked", grouped_rate(self.blocked_rate))?;
        }
        // An estimate of 0 means that the count has just begun.
        if self.distinct_sources >= 1.0 {
            write!(f, ", from {}", Counted(self.distinct_sources.round() as u64, "source"))?;
        }
        if self.distinct_limit > 0 && self.distinct_sources >= f64::from(self.distinct_limit) {
            write!(f, " (limit {})", grouped(self.distinct_limit.into()))?;
        }
        if let Some(completed) = self.completed_rate {
            write!(f, ", {} connections/s accepted", grouped_rate(completed))?;
        }
        if let Some(full) = self.queue_full_rate.filter(|full| *full >= 1.0) {
            write!(f, ", {} SYN/s found a full queue", grouped_rate(full))?;
        }
        if self.xdp_cookie_rate >= 1.0 {
            write!(f, ", {} XDP cookies/s", grouped_rate(self.xdp_cookie_rate))?;
        }
        Ok(())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
fn rounded<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(number.round() as u64)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn rounded_if_known<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => rounded(number, serializer),
        None => serializer.serialize_none(),
    }
}

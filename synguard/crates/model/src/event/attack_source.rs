//! The busiest sources of an attack.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::number::grouped;

/// A source that stands out in an attack: over its limit, or blocked, with a hundredth of the SYNs or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct AttackSource {
    /// The address, or the prefix of a source or of an entry of the blocklist.
    pub source: String,
    /// SYNs per second over about the last second; the highest during the attack when it is over.
    pub syn_rate: u64,
    /// SYNs since the attack began.
    pub syns: u64,
    /// Set if an entry of the blocklist drops its SYNs.
    pub blocked: bool,
}

impl Display for AttackSource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}/s", self.source, grouped(self.syn_rate))?;
        f.write_str(if self.blocked { ", blocked)" } else { ")" })
    }
}

/// Returns a clause with the sources that stand out; in an attack that `may_be_forged`, also that none does.
pub(super) fn now_text(sources: &[AttackSource], may_be_forged: bool) -> String {
    match (sources, may_be_forged) {
        ([], true) => "; no source stands out".to_owned(),
        ([], false) => String::new(),
        (sources, _) => format!("; {}", listed(sources.iter().map(AttackSource::to_string))),
    }
}

/// Does the same as [`now_text`] for an attack that is over, with the SYNs of each source.
pub(super) fn total_text(sources: &[AttackSource], may_be_forged: bool) -> String {
    let text = |source: &AttackSource| format!("{} ({} SYNs)", source.source, grouped(source.syns));
    match (sources, may_be_forged) {
        ([], true) => "; no source stood out".to_owned(),
        ([], false) => String::new(),
        (sources, _) => format!("; {}", listed(sources.iter().map(text))),
    }
}

fn listed(sources: impl ExactSizeIterator<Item = String>) -> String {
    let noun = if sources.len() == 1 { "top source" } else { "top sources" };
    format!("{noun} {}", sources.collect::<Vec<_>>().join(", "))
}

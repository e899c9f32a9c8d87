//! `top --json`.

use serde::Serialize;

use super::{HeadJson, SourceTableJson, names::SourceStateJson};

/// Output of `synguard top --json`: the keys of `status`, and the busiest sources.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TopJson {
    #[serde(flatten)]
    pub(crate) head: HeadJson,
    /// Table of sources; `sources` in `status`.
    pub(crate) source_table: SourceTableJson,
    /// Busiest sources, in the order of `--sort`.
    pub(crate) sources: Vec<SourceRowJson>,
    /// Share of the table of sources that was read in the time limit, up to 1.
    pub(crate) coverage: f64,
}

/// A source.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SourceRowJson {
    /// Address, or prefix of `source-prefix-v6` bits.
    pub(crate) source: String,
    /// SYNs a second, in tenths.
    pub(crate) syn_rate: f64,
    /// SYNs since the source has an entry.
    pub(crate) syn_total: u64,
    /// SYNs.
    pub(crate) dropped: u64,
    pub(crate) state: SourceStateJson,
    /// Time of the first SYN in seconds since 1970.
    pub(crate) first_seen: f64,
    /// Time of the last SYN in seconds since 1970.
    pub(crate) last_seen: f64,
}

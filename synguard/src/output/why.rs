//! `why --json`.

use serde::Serialize;
use synguard_policy::explain::{
    ArmedValues, BucketValues, CookieValues, CoveringEntry, HoldValues, KernelCookieValues, PortValues, Rule,
    Rules, SketchValues,
};

use super::{SchemaVersion, VerdictJson};

/// Output of `synguard why --json`: the fate of a SYN from an address, and every rule that applies.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct WhyJson {
    pub(crate) schema: SchemaVersion,
    pub(crate) address: String,
    /// Source of the address: the address, or its prefix of `source-prefix-v6` bits.
    pub(crate) source: String,
    /// Prefix of the address: /24 or /48.
    pub(crate) network: String,
    /// Verdict of most CPUs.
    pub(crate) verdict: VerdictJson,
    /// Reason of most CPUs.
    #[cfg_attr(test, schemars(extend("enum" = super::schema_tests::reasons())))]
    pub(crate) reason: &'static str,
    /// Every CPU decides for the same reason.
    pub(crate) unanimous: bool,
    /// CPUs by decision, the most common decision first.
    pub(crate) cpus: Vec<CpuDecisionJson>,
    /// Further facts about the address and the port, in words.
    pub(crate) notes: Vec<String>,
    pub(crate) rules: RuleSetJson,
}

/// CPUs that decide alike.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CpuDecisionJson {
    /// Indexes of the CPUs.
    pub(crate) cpus: Vec<usize>,
    pub(crate) verdict: VerdictJson,
    #[cfg_attr(test, schemars(extend("enum" = super::schema_tests::reasons())))]
    pub(crate) reason: &'static str,
}

/// Every rule, in the order in which the program applies them.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RuleSetJson {
    pub(crate) allow: RuleJson<Vec<CoveringEntryJson>>,
    pub(crate) block: RuleJson<Vec<CoveringEntryJson>>,
    pub(crate) port: RuleJson<PortFiguresJson>,
    pub(crate) sketch: RuleJson<SketchFiguresJson>,
    pub(crate) hold: RuleJson<HoldFiguresJson>,
    pub(crate) bucket: RuleJson<Option<BucketFiguresJson>>,
    pub(crate) prefix: RuleJson<Option<BucketFiguresJson>>,
    pub(crate) answer: RuleJson<CookieFiguresJson>,
    pub(crate) armed: RuleJson<ArmedFiguresJson>,
    pub(crate) cookies: RuleJson<KernelCookieFiguresJson>,
}

/// A rule.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RuleJson<F> {
    /// State of the rule in words.
    pub(crate) text: String,
    /// The rule decides about the SYN on at least one CPU.
    pub(crate) decides: bool,
    pub(crate) figures: F,
}

/// An entry of a list that covers the address.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CoveringEntryJson {
    /// Address or prefix.
    pub(crate) target: String,
    #[cfg_attr(test, schemars(extend("enum" = super::schema_tests::ORIGINS)))]
    pub(crate) origin: &'static str,
    #[cfg_attr(test, schemars(extend("enum" = super::schema_tests::SCOPES)))]
    pub(crate) scope: &'static str,
    /// Packets that the entry has decided about.
    pub(crate) hits: u64,
    /// Null means forever.
    pub(crate) seconds_left: Option<f64>,
}

/// Port of the SYN.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PortFiguresJson {
    /// Null stands for any guarded port.
    pub(crate) port: Option<u16>,
    /// The guarded ports in the notation of `set`.
    pub(crate) guarded: String,
}

/// Admission of the source to the table of sources.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SketchFiguresJson {
    /// Indexes of the CPUs under pressure.
    pub(crate) crowded_cpus: Vec<usize>,
    /// Estimate from which a source is looked up on those CPUs; 0 without pressure.
    pub(crate) mark: u32,
    /// Estimated SYNs of the source, the present one included.
    pub(crate) estimate: u32,
}

/// Entry of the source in the table of sources.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct HoldFiguresJson {
    /// The source has an entry.
    pub(crate) tracked: bool,
    /// Seconds until the hold ends; null outside of a hold.
    pub(crate) seconds_left: Option<f64>,
    /// SYNs since the source has an entry.
    pub(crate) syn_total: Option<u64>,
    /// SYNs.
    pub(crate) dropped: Option<u64>,
}

/// Level of a token bucket, in SYNs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BucketFiguresJson {
    pub(crate) left: u64,
    pub(crate) burst: u64,
    /// SYNs a second.
    pub(crate) rate: u64,
}

/// SYN cookies of the XDP program. While they are off, `on` is the only key.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(crate) enum CookieFiguresJson {
    /// The program sends none.
    Off {
        #[cfg_attr(test, schemars(extend("const" = false)))]
        on: bool,
    },
    /// The program sends them.
    On {
        #[cfg_attr(test, schemars(extend("const" = true)))]
        on: bool,
        /// The cookies carry TCP options besides the MSS.
        options: bool,
        /// A new SYN is dropped and its retransmission gets a cookie.
        first_syn: bool,
        /// Cookies left on the CPU that sends the most; null without a limit.
        left: Option<u64>,
        /// The source returned a valid cookie recently.
        proven: bool,
    },
}

/// Monitor mode and confirmation.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ArmedFiguresJson {
    /// The program drops packets at all.
    pub(crate) drops: bool,
}

/// SYN cookies of the kernel.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct KernelCookieFiguresJson {
    /// Value of `net.ipv4.tcp_syncookies`; null if it cannot be read.
    pub(crate) sysctl: Option<u8>,
}

impl RuleSetJson {
    /// Converts the rules; `decides` reports whether the rule of a name decides.
    pub(crate) fn new(rules: &Rules, decides: impl Fn(&str) -> bool) -> Self {
        let Rules { allow, block, port, sketch, hold, bucket, prefix, answer, armed, cookies } = rules;
        let buckets = |figures: &Option<BucketValues>| figures.as_ref().map(BucketFiguresJson::from);
        Self {
            allow: RuleJson::new(allow, &decides, |entries| entries.iter().map(Into::into).collect()),
            block: RuleJson::new(block, &decides, |entries| entries.iter().map(Into::into).collect()),
            port: RuleJson::new(port, &decides, Into::into),
            sketch: RuleJson::new(sketch, &decides, Into::into),
            hold: RuleJson::new(hold, &decides, Into::into),
            bucket: RuleJson::new(bucket, &decides, buckets),
            prefix: RuleJson::new(prefix, &decides, buckets),
            answer: RuleJson::new(answer, &decides, |figures| figures.as_ref().into()),
            armed: RuleJson::new(armed, &decides, Into::into),
            cookies: RuleJson::new(cookies, &decides, Into::into),
        }
    }
}

impl<F> RuleJson<F> {
    fn new<'a, G>(
        rule: &'a Rule<G>,
        decides: impl Fn(&str) -> bool,
        convert: impl FnOnce(&'a G) -> F,
    ) -> Self {
        Self { text: rule.text.clone(), decides: decides(rule.name), figures: convert(&rule.values) }
    }
}

impl From<&CoveringEntry> for CoveringEntryJson {
    fn from(covering: &CoveringEntry) -> Self {
        Self {
            target: covering.target(),
            origin: covering.origin(),
            scope: covering.scope(),
            hits: covering.entry.hits,
            seconds_left: covering.seconds_left,
        }
    }
}

impl From<&PortValues> for PortFiguresJson {
    fn from(PortValues { port, guarded }: &PortValues) -> Self {
        Self { port: *port, guarded: guarded.clone() }
    }
}

impl From<&SketchValues> for SketchFiguresJson {
    fn from(figures: &SketchValues) -> Self {
        Self {
            crowded_cpus: figures.cpus_under_pressure.clone(),
            mark: figures.promotion_threshold,
            estimate: figures.estimate,
        }
    }
}

impl From<&HoldValues> for HoldFiguresJson {
    fn from(figures: &HoldValues) -> Self {
        let HoldValues { is_tracked: tracked, seconds_left, syn_total, dropped } = *figures;
        Self { tracked, seconds_left, syn_total, dropped }
    }
}

impl From<&BucketValues> for BucketFiguresJson {
    fn from(figures: &BucketValues) -> Self {
        let BucketValues { left, burst, rate } = *figures;
        Self { left, burst, rate }
    }
}

impl From<Option<&CookieValues>> for CookieFiguresJson {
    fn from(figures: Option<&CookieValues>) -> Self {
        match figures {
            None => Self::Off { on: false },
            Some(&CookieValues { has_options, requires_retransmit, left, is_validated }) => Self::On {
                on: true,
                options: has_options,
                first_syn: requires_retransmit,
                left,
                proven: is_validated,
            },
        }
    }
}

impl From<&ArmedValues> for ArmedFiguresJson {
    fn from(figures: &ArmedValues) -> Self {
        Self { drops: figures.drops }
    }
}

impl From<&KernelCookieValues> for KernelCookieFiguresJson {
    fn from(figures: &KernelCookieValues) -> Self {
        Self { sysctl: figures.sysctl }
    }
}

//! The values behind an explanation, for programs: one type a rule.

use synguard_common::ip_list::{ListEntry, Prefix};

/// A rule that applies to a SYN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<V> {
    pub name: &'static str,
    /// The state of the rule, for people.
    pub text: String,
    /// The state of the rule, for programs.
    pub values: V,
}

/// Every rule, in the order in which the program applies them.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    pub allow: Rule<Vec<CoveringEntry>>,
    pub block: Rule<Vec<CoveringEntry>>,
    pub port: Rule<PortValues>,
    pub sketch: Rule<SketchValues>,
    pub hold: Rule<HoldValues>,
    /// No values if no rate is configured.
    pub bucket: Rule<Option<BucketValues>>,
    /// No values if prefixes have no limit.
    pub prefix: Rule<Option<BucketValues>>,
    /// No values if XDP sends no SYN cookies.
    pub answer: Rule<Option<CookieValues>>,
    pub armed: Rule<ArmedValues>,
    pub cookies: Rule<KernelCookieValues>,
}

/// An entry of a list that covers the address and has not expired.
#[derive(Clone, Debug, PartialEq)]
pub struct CoveringEntry {
    pub prefix: Prefix,
    pub entry: ListEntry,
    /// Seconds until the entry expires, in tenths; `None` means that it never does.
    pub seconds_left: Option<f64>,
}

/// Port of the SYN, and the guarded ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortValues {
    /// `None` stands for any guarded port.
    pub port: Option<u16>,
    /// The guarded ports in the notation of `set`.
    pub guarded: String,
}

/// Admission of the source to the table of sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SketchValues {
    /// CPUs under pressure.
    pub cpus_under_pressure: Vec<usize>,
    /// Estimate from which a source is looked up on those CPUs; 0 without pressure.
    pub promotion_threshold: u32,
    /// Estimated SYNs of the source, the present one included.
    pub estimate: u32,
}

/// Entry of the source in the table of sources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HoldValues {
    pub is_tracked: bool,
    /// Seconds until the hold ends, in tenths; `None` outside of a hold.
    pub seconds_left: Option<f64>,
    pub syn_total: Option<u64>,
    pub dropped: Option<u64>,
}

/// Level of a token bucket, in SYNs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketValues {
    pub left: u64,
    pub burst: u64,
    /// SYNs a second.
    pub rate: u64,
}

/// SYN cookies of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieValues {
    /// The cookies carry TCP options besides the MSS.
    pub has_options: bool,
    /// Only a retransmitted SYN gets a cookie.
    pub requires_retransmit: bool,
    /// Cookies left on the CPU that sends the most; `None` without a limit.
    pub left: Option<u64>,
    pub is_validated: bool,
}

/// Monitor mode and confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArmedValues {
    /// The program drops at all.
    pub drops: bool,
}

/// SYN cookies of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelCookieValues {
    /// Value of `net.ipv4.tcp_syncookies`, if it can be read.
    pub sysctl: Option<u8>,
}

impl Rules {
    /// Returns the name and the text of each rule, in order.
    pub fn texts(&self) -> [(&'static str, &str); 10] {
        let Self { allow, block, port, sketch, hold, bucket, prefix, answer, armed, cookies } = self;
        [
            (allow.name, &allow.text),
            (block.name, &block.text),
            (port.name, &port.text),
            (sketch.name, &sketch.text),
            (hold.name, &hold.text),
            (bucket.name, &bucket.text),
            (prefix.name, &prefix.text),
            (answer.name, &answer.text),
            (armed.name, &armed.text),
            (cookies.name, &cookies.text),
        ]
    }
}

impl CoveringEntry {
    /// Returns the target in the notation of the list files.
    pub fn target(&self) -> String {
        super::labels::target(&self.prefix)
    }

    /// Returns the name of the entry's origin.
    pub const fn origin(&self) -> &'static str {
        super::labels::origin(&self.entry)
    }

    /// Returns the name of the entry's scope.
    pub const fn scope(&self) -> &'static str {
        super::labels::scope(&self.entry)
    }
}

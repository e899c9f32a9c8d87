//! The live settings as flags of `attach`.

use std::time::Duration;

use clap::Args;
use synguard_model::{
    ports::Ports,
    settings::{
        ANSWER_NETWORK_RATE, ANSWER_RATE, Cookies, DISTINCT_LIMIT, FirstSyn, HOLD, PREFIX_RATE, Patch,
        SOURCE_PREFIX_V6, SYN_BURST, SYN_RATE, parse_bool, parse_hold, parse_ports,
    },
};

use super::choices;

/// The live settings as flags of `attach`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings (also changed later with `synguard set`)")]
pub struct SettingsArgs {
    /// SYNs a second from one source.
    #[arg(long, value_name = "N", value_parser = |text: &str| SYN_RATE.parse::<u32>(text),
        help = format!("SYNs a second that one source may send: {SYN_RATE} [default: 100]"))]
    pub syn_rate: Option<u32>,
    /// SYNs at once from one source.
    #[arg(long, value_name = "N", value_parser = |text: &str| SYN_BURST.parse::<u32>(text),
        help = format!("SYNs that one source may send at once: {SYN_BURST} [default: twice the rate]"))]
    pub syn_burst: Option<u32>,
    /// How long a source over its rate stays dropped.
    #[arg(long, value_name = "DUR", value_parser = parse_hold,
        help = format!("How long the SYNs of a source over its rate stay dropped: {HOLD} [default: 10s]"))]
    pub hold: Option<Duration>,
    /// TCP ports to guard: `all`, or a list such as 80,443,8000-8010 [default: all]
    #[arg(long, value_name = "LIST|all", value_parser = parse_ports)]
    pub ports: Option<Ports>,
    /// Count what would be dropped, and drop nothing
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = parse_bool)]
    pub monitor: Option<bool>,
    /// Also drop combinations of TCP flags that no host sends
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = parse_bool)]
    pub drop_bad_flags: Option<bool>,
    /// How much of an IPv6 address is the source.
    #[arg(long, value_name = "N", value_parser = |text: &str| SOURCE_PREFIX_V6.parse::<u8>(text),
        help = format!("Leading bits of an IPv6 address that make one source: {SOURCE_PREFIX_V6} [default: 64]"))]
    pub source_prefix_v6: Option<u8>,
    /// SYNs a second from one network.
    #[arg(long, value_name = "N", value_parser = |text: &str| PREFIX_RATE.parse::<u32>(text),
        help = format!("SYNs a second that all of a /24 or IPv6 /48 may send together: {PREFIX_RATE} [default: 0]"))]
    pub prefix_rate: Option<u32>,
    /// Distinct sources from which on a flood is distributed.
    #[arg(long, value_name = "N", value_parser = |text: &str| DISTINCT_LIMIT.parse::<u32>(text),
        help = format!("Sources of SYNs a second above which a flood counts as distributed: {DISTINCT_LIMIT} [default: 4096]"))]
    pub distinct_limit: Option<u32>,
    /// What is done about a distributed flood: have the kernel answer with SYN cookies (kernel), answer in the driver
    /// (xdp), begin with the kernel and go on in the driver when that is not enough (auto), or nothing (off)
    /// [default: auto]
    #[arg(long, value_parser = choices::cookies())]
    pub cookies: Option<Cookies>,
    /// Answers a second in all.
    #[arg(long, value_name = "N", value_parser = |text: &str| ANSWER_RATE.parse::<u32>(text),
        help = format!("SYNs a second that are answered in the driver at most: {ANSWER_RATE} [default: 1000000]"))]
    pub answer_rate: Option<u32>,
    /// Answers a second to one network.
    #[arg(long, value_name = "N", value_parser = |text: &str| ANSWER_NETWORK_RATE.parse::<u32>(text),
        help = format!("Of these, to addresses of one /24 or IPv6 /48: {ANSWER_NETWORK_RATE} [default: 10000]"))]
    pub answer_network_rate: Option<u32>,
    /// Raise net.ipv4.tcp_timestamps to 2 while it answers, so that connections keep window scaling and SACK
    /// [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = parse_bool)]
    pub keep_options: Option<bool>,
    /// When more SYNs come than may be answered: drop each new one, and answer it when it is sent again (auto), or
    /// drop those that are too many (off) [default: auto]
    #[arg(long, value_parser = choices::first_syn())]
    pub first_syn: Option<FirstSyn>,
    /// Drop ACKs that return no valid cookie while it answers [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = parse_bool)]
    pub check_acks: Option<bool>,
}

impl SettingsArgs {
    /// The settings that were given.
    pub(crate) fn patch(&self) -> Patch {
        let Self {
            syn_rate,
            syn_burst,
            hold,
            ports,
            monitor,
            drop_bad_flags,
            source_prefix_v6,
            prefix_rate,
            distinct_limit,
            cookies,
            answer_rate,
            answer_network_rate,
            keep_options,
            first_syn,
            check_acks,
        } = self.clone();
        Patch {
            syn_rate,
            syn_burst,
            hold,
            ports,
            monitor,
            drop_bad_flags,
            source_prefix_v6,
            prefix_rate,
            distinct_limit,
            cookies,
            answer_rate,
            answer_network_rate,
            keep_options,
            first_syn,
            check_acks,
        }
    }
}

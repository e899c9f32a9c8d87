//! The types of `synguard block` and `synguard allow`, which have the same verbs.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use synguard_model::{
    ip_prefix::{ParsedTarget, TargetError},
    list_entry::{EntryReason, EntryReasonError, Scope, TTL},
    settings::ValueError,
};

use super::{Output, choices};

/// Examples in the help of `synguard block`.
pub(super) const BLOCK_EXAMPLES: &str = "\
Examples:
  synguard block add 192.0.2.7 --ttl 1h --reason scan
  synguard block add 198.51.100.0/24 2001:db8::/32
  synguard block import firehol_level1.netset --replace
  synguard block check 192.0.2.7     which entry decides, and why
  synguard block export > backup.list

What is in the list survives a restart; the allowlist wins over it.";

/// Examples in the help of `synguard allow`.
pub(super) const ALLOW_EXAMPLES: &str = "\
Examples:
  synguard allow add 192.0.2.0/24 --reason office
  synguard allow import monitoring.list
  synguard allow list

What is in the list is never dropped, whatever it sends, and survives a restart.";

/// What is said of list files in the help of `import`.
pub(super) const FILE_HELP: &str = "\
A list file has one address or CIDR a line. Comments begin with # or ;. After the target may stand \
ttl=DUR, scope=syn and reason=\"TEXT\". The lists of FireHOL and Spamhaus load as they are. A line \
that is wrong fails the whole import, and nothing is changed.

With --replace everything else goes, what was added by hand or automatically included. To have \
several feeds in one list, import each without it and with a --ttl longer than until its next \
import: what has left a feed ends by itself.

Examples:
  curl -s https://www.spamhaus.org/drop/drop.txt | synguard block import - --ttl 2d --reason DROP
  synguard block import firehol_level1.netset --replace --aggregate";

/// What to do with a list.
#[derive(Clone, Debug, Subcommand)]
pub enum ListCommand {
    /// Add addresses and networks: all of them, or on an error none
    Add(AddArgs),
    /// Take addresses and networks out: all of them, or on an error none
    #[command(aliases = ["delete", "remove", "rm"])]
    Del {
        /// Entries to take out, as `list` shows them
        #[arg(value_name = "TARGET", required = true, value_parser = parse_target)]
        targets: Vec<ParsedTarget>,
    },
    /// Show the entries, with their packets and the time they have left
    List(Output),
    /// Add the targets in a file: all of them, or on an error none
    #[command(after_help = FILE_HELP)]
    Import(ImportArgs),
    /// Print the list in the form that `import` reads
    Export,
    /// Take everything out
    Flush,
    /// Show what the lists say of an address: which entry decides, and why
    Check {
        /// The address
        #[arg(value_name = "IP", value_parser = parse_address)]
        address: IpAddr,
        /// The form of the answer.
        #[command(flatten)]
        output: Output,
    },
}

/// Arguments of `add`.
#[derive(Args, Clone, Debug)]
pub struct AddArgs {
    /// Addresses and CIDRs, IPv4 and IPv6
    #[arg(value_name = "TARGET", required = true, value_parser = parse_target)]
    pub targets: Vec<ParsedTarget>,
    /// What to do with each.
    #[command(flatten)]
    pub entry: EntryArgs,
}

/// Arguments of `import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Put what is in the file in the place of the whole list: every packet meets either the old list or the new one
    #[arg(long)]
    pub replace: bool,
    /// Merge overlapping and adjacent networks that agree in ttl, scope and reason
    #[arg(long)]
    pub aggregate: bool,
    /// What holds for lines that do not say otherwise.
    #[command(flatten)]
    pub entry: EntryArgs,
}

/// What is said of new entries.
#[derive(Args, Clone, Debug)]
pub struct EntryArgs {
    /// How long they last
    #[arg(long, value_name = "DUR", value_parser = parse_ttl, help = format!("How long entries last, such as 30m or 7d: {TTL} [default: for good]"))]
    pub ttl: Option<Duration>,
    /// Why they are there, to be shown in the list
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    pub reason: Option<EntryReason>,
    /// What of their traffic it is about: all packets, or SYNs only, so that connections go on
    #[arg(long, value_parser = choices::scope(), default_value = Scope::default().name())]
    pub scope: Scope,
    /// Block even what should not be: own addresses, gateways, resolvers, peers of SSH sessions
    #[arg(long)]
    pub force: bool,
}

fn parse_target(text: &str) -> Result<ParsedTarget, TargetError> {
    ParsedTarget::parse(text)
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    let address = text.parse::<IpAddr>().map(|address| address.to_canonical());
    address.map_err(|_| "must be one address, such as 192.0.2.1 or 2001:db8::1".to_owned())
}

fn parse_ttl(text: &str) -> Result<Duration, ValueError> {
    TTL.parse(text)
}

fn parse_reason(text: &str) -> Result<EntryReason, EntryReasonError> {
    EntryReason::new(text)
}

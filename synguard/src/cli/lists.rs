//! Arguments of `synguard block` and `synguard allow`, which have the same subcommands.

use std::{ffi::OsString, net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, Command, Subcommand};
use synguard_model::{
    ip_prefix::{ParsedTarget, TargetError},
    list_entry::{EntryReason, Scope},
    time_to_live::{self, TimeToLiveError},
};

use super::{Output, choices, parse_address};

/// Examples in the help of `synguard block`.
pub(super) const BLOCK_EXAMPLES: &str = "\
Examples:
  synguard block add 192.0.2.7 --ttl 1h --reason scan
  synguard block add 198.51.100.0/24 2001:db8::/32
  synguard block import firehol_level1.netset --replace
  synguard block check 192.0.2.7     show which entry decides
  synguard block export > backup.list

The list survives a restart. The allowlist takes precedence over it.";

/// Examples in the help of `synguard allow`.
pub(super) const ALLOW_EXAMPLES: &str = "\
Examples:
  synguard allow add 192.0.2.0/24 --reason office
  synguard allow import monitoring.list
  synguard allow list

Packets from these addresses are never dropped. The list survives a restart.";

/// Description of list files in the help of `import`.
pub(super) const FILE_HELP: &str = "\
A list file has one address or CIDR per line. Comments begin with # or ;. A target may be followed by \
ttl=DUR, scope=syn and reason=\"TEXT\". The lists of FireHOL and Spamhaus load unmodified. An \
invalid line fails the whole import, and nothing is changed. What must not be blocked is left out \
and named: this host's addresses and networks, gateways, resolvers, peers of SSH sessions.

--replace removes all other entries, including those added by hand or automatically. To combine \
several feeds in one list, import each of them without --replace and with a --ttl that is longer \
than the interval between its imports: entries that a feed no longer contains then expire.

Examples:
  curl -s https://www.spamhaus.org/drop/drop.txt | synguard block import - --ttl 2d --reason DROP
  synguard block import firehol_level1.netset --replace --aggregate";

/// Subcommands of `block` and `allow`.
#[derive(Clone, Debug, Subcommand)]
pub enum ListCommand {
    /// Add addresses and prefixes (all or none)
    Add(AddArgs),
    /// Remove entries; a target that has none is noted
    #[command(aliases = ["delete", "remove", "rm"])]
    Del(DelArgs),
    /// Show the entries with their packet counts and remaining times
    List(Output),
    /// Add the targets in a file (all or none)
    #[command(after_help = FILE_HELP)]
    Import(ImportArgs),
    /// Print the list in the form that `import` reads
    Export,
    /// Remove all entries
    Flush(Output),
    /// Show which entry of the lists decides about an address
    Check {
        /// The address
        #[arg(value_name = "IP", value_parser = parse_address)]
        address: IpAddr,
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
    #[command(flatten)]
    pub entry: EntryArgs,
    #[command(flatten)]
    pub output: Output,
}

/// Arguments of `del`.
#[derive(Args, Clone, Debug)]
pub struct DelArgs {
    /// Entries to remove, as `list` shows them
    #[arg(value_name = "TARGET", required = true, value_parser = parse_target)]
    pub targets: Vec<ParsedTarget>,
    /// Fail with exit code 1, and remove nothing, if a target has no entry
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub output: Output,
}

/// Arguments of `import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Replace the whole list by the file: every packet meets either the old list or the new one
    #[arg(long)]
    pub replace: bool,
    /// Merge overlapping and adjacent prefixes with equal ttl, scope and reason
    #[arg(long)]
    pub aggregate: bool,
    /// Attributes of lines that do not give them.
    #[command(flatten)]
    pub entry: EntryArgs,
    #[command(flatten)]
    pub output: Output,
}

/// Attributes of new entries.
#[derive(Args, Clone, Debug)]
pub struct EntryArgs {
    /// Time to live of the entries, such as 30m, 7d, 3600 (seconds) or forever
    #[arg(long, value_name = "DUR", value_parser = parse_ttl, allow_negative_numbers = true, default_value = "forever")]
    pub ttl: EntryTtl,
    /// Reason of the entries, shown in the list: one line, which is cut at 256 bytes
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<OsString>,
    /// Packets to which the entries apply: all, or SYNs only, so that existing connections continue
    #[arg(long, value_parser = choices::scope(), default_value = Scope::default().name())]
    pub scope: Scope,
    /// Block even protected addresses: this host's own, gateways, resolvers, peers of SSH sessions
    #[arg(long)]
    pub force: bool,
}

/// A time to live; `None` means forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryTtl(pub Option<Duration>);

impl EntryArgs {
    /// Returns the reason as it is stored; `None` if it has no words.
    pub fn reason(&self) -> Option<EntryReason> {
        EntryReason::clean(&self.reason.as_ref()?.to_string_lossy())
    }
}

/// Describes `--force` for the allowlist.
pub(super) fn allowlist_force(command: Command) -> Command {
    command.mut_arg("force", |arg| {
        arg.help("Allow even every address of IPv4 or IPv6, so that the filter drops nothing of it")
    })
}

fn parse_target(text: &str) -> Result<ParsedTarget, TargetError> {
    ParsedTarget::parse(text)
}

fn parse_ttl(text: &str) -> Result<EntryTtl, TimeToLiveError> {
    time_to_live::parse(text).map(EntryTtl)
}

//! The command line, as types. `render` turns the types into texts.

mod choices;
mod lists;
mod render;
mod settings;

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;
use synguard_kernel::instance::Instance;
use synguard_model::{
    duration,
    instance_name::DEFAULT_NAME,
    settings::{Key, parse_confirm, parse_instance, parse_interface},
};
use synguard_top::sources::Sort;

pub use self::{
    lists::{AddArgs, DelArgs, EntryArgs, EntryTtl, ImportArgs, ListCommand},
    render::{completions, man, usage_line},
    settings::SettingFlags,
};
use crate::config::DEFAULT_PATH;

/// A macro because `concat!` takes no constants.
macro_rules! examples {
    () => {
        "\
Examples:
  synguard attach eth0 --monitor      count for a while what would be dropped
  synguard attach eth0 --confirm 60s  filter; undone unless `synguard confirm` follows in time
  synguard status                     packets seen and dropped, and the reasons
  synguard set syn-rate=200           change a limit while attached
  synguard block add 192.0.2.0/24     drop all packets from a prefix
  synguard detach                     remove everything"
    };
}

const EXAMPLES: &str = examples!();

const EXAMPLES_AND_EXIT_CODES: &str = concat!(
    examples!(),
    "

Durations (DUR) are a number and a unit: 500ms, 30s, 10m, 2h, 7d.

Exit codes:
  0  done
  1  failed
  2  usage, or an invalid value or file
  3  not attached
  4  missing privilege: run it as root
  5  conflict: already attached, another XDP program is attached, or the lock is held"
);

const ATTACH_EXAMPLES: &str = "\
Examples:
  synguard attach eth0
  synguard attach eth0 eth1 --ports 80,443 --syn-rate 50 --hold 30s
  synguard attach eth0 --confirm 60s     over SSH: detaches again unless confirmed
  synguard attach eth0 --no-control      attach and return; the filter works without a controller

A flag wins over the configuration file, and the file over the defaults.
A flag that is true or false also takes a value: --monitor=false.";

const STATUS_EXAMPLES: &str = "\
Examples:
  synguard status
  synguard status --json | jq .counters
  synguard status --check                   one line, for a monitoring system

Exit codes of --check: 0 protected; 3 the filter is on no interface; 1 it is not on all
of them, or its controller does not respond.";

const TOP_EXAMPLES: &str = "\
Examples:
  synguard top                              live; ? shows the keys, q quits
  synguard top --once --limit 5             the five busiest sources, as text
  synguard top --json --sort dropped | jq '.sources[].source'

Without a terminal it prints once. Rates are measured over the interval.";

const SET_EXAMPLES: &str = "\
Examples:
  synguard set syn-rate=200
  synguard set syn-rate=1000 syn-burst=5000 hold=1m
  synguard set ports=80,443,8000-8010 monitor=false
  synguard set syn-rate=200 --save       also in the configuration file
  synguard set --save                    keep what was set before";

const SHOW_EXAMPLES: &str = "\
Examples:
  synguard show
  synguard show > settings.toml          a part of a configuration file
  synguard show --json | jq .origin";

/// Returns what follows the options in the help of `set`.
fn set_help() -> String {
    let keys: Vec<_> = Key::live().map(Key::name).collect();
    format!(
        "{SET_EXAMPLES}\n\nKeys: {}.\nEach takes the values of the `attach` flag of that name. The lines that `show` prints are accepted too.",
        keys.join(", ")
    )
}

/// Protects this server from SYN floods: limits SYNs per source in the network driver (XDP) and switches SYN cookies on and off.
#[derive(Clone, Debug, Parser)]
#[command(name = "synguard", bin_name = "synguard", version, after_help = EXAMPLES, after_long_help = EXAMPLES_AND_EXIT_CODES)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Heading of the options that every command has.
const EVERY_COMMAND: &str = "Options of every command";

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// Instance name (to run several filters on one host)
    #[arg(long, global = true, help_heading = EVERY_COMMAND, value_name = "INSTANCE", default_value = DEFAULT_NAME, value_parser = parse_instance)]
    pub name: String,
    /// Directory of lasting state, with a subdirectory for each instance
    #[arg(long, global = true, help_heading = EVERY_COMMAND, value_name = "DIR", default_value = "/var/lib/synguard")]
    pub state_dir: PathBuf,
    /// Directory of locks and journals, with a subdirectory for each instance
    #[arg(long, global = true, help_heading = EVERY_COMMAND, value_name = "DIR", default_value = "/run/synguard")]
    pub run_dir: PathBuf,
    /// Mount point of the BPF file system, in which program and maps are pinned
    #[arg(long, global = true, help_heading = EVERY_COMMAND, value_name = "DIR", default_value = "/sys/fs/bpf")]
    pub bpffs: PathBuf,
    /// Verbose; -vv for debugging
    #[arg(short, long, global = true, help_heading = EVERY_COMMAND, action = ArgAction::Count)]
    pub verbose: u8,
}

/// A command.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Start filtering; stays in the foreground, and Ctrl-C removes the filter
    Attach(AttachArgs),
    /// Stop filtering on these interfaces, or on all; restores every kernel setting
    #[command(
        aliases = ["stop", "off"],
        after_help = "Examples:\n  synguard detach eth1   from this interface; the others stay\n  synguard detach        from all"
    )]
    Detach {
        /// Interfaces to detach from; none: all
        #[arg(value_name = "IFACE", value_parser = parse_interface)]
        interfaces: Vec<String>,
    },
    /// Show the interfaces, the packets seen and dropped, and the reasons
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Show the busiest sources and their state, live or once
    #[command(after_help = TOP_EXAMPLES)]
    Top(TopArgs),
    /// Explain the verdict on a SYN from an address at this moment
    #[command(
        after_help = "Examples:\n  synguard why 192.0.2.7\n  synguard why 2001:db8::1 --port 443 --json | jq .verdict"
    )]
    Why(WhyArgs),
    /// Change settings of the running filter until the next reload or restart (all or none)
    #[command(after_help = set_help())]
    Set {
        /// Settings and their new values
        #[arg(value_name = "KEY=VALUE", required_unless_present = "save", value_parser = Assignment::parse)]
        assignments: Vec<Assignment>,
        /// Also write them to the configuration file; without KEY=VALUE, write the settings in force
        #[arg(long)]
        save: bool,
    },
    /// Show the settings in force and their origins, in the form of the configuration file
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Output),
    /// Reload the configuration file; an invalid file changes nothing
    #[command(
        after_help = "Example:\n  synguard reload        like SIGHUP, but waits for the result and prints it"
    )]
    Reload,
    /// Manage the blocklist: drop all packets from addresses and prefixes
    #[command(after_help = lists::BLOCK_EXAMPLES)]
    Block {
        #[command(subcommand)]
        command: ListCommand,
    },
    /// Manage the allowlist: pass all packets from addresses and prefixes
    #[command(after_help = lists::ALLOW_EXAMPLES)]
    #[command(
        mut_subcommand("add", lists::allowlist_force),
        mut_subcommand("import", lists::allowlist_force)
    )]
    Allow {
        #[command(subcommand)]
        command: ListCommand,
    },
    /// Show the event log, oldest first: attacks, blocks, and who changed what
    #[command(
        after_help = "Examples:\n  synguard events\n  synguard events --follow\n  synguard events --json | jq '.events[] | select(.event == \"attack_began\")'"
    )]
    Events {
        /// Keep running and print new events
        #[arg(short, long)]
        follow: bool,
        /// With --follow, --json prints one object a line.
        #[command(flatten)]
        output: Output,
    },
    /// Keep the filter that was attached with --confirm
    #[command(
        after_help = "Example:\n  synguard attach eth0 --confirm 60s\n  synguard confirm        from a new connection, which proves that you are not locked out"
    )]
    Confirm,
    /// Print a script that completes synguard's command line in a shell
    #[command(after_help = "Example:\n  synguard completions bash > /etc/bash_completion.d/synguard")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  synguard man > /usr/local/share/man/man8/synguard.8")]
    Man,
    /// Print the version
    Version,
    /// Block addresses and prefixes: another name of `block add`
    #[command(hide = true, alias = "deny")]
    Ban(AddArgs),
    /// Remove addresses and prefixes from the blocklist: another name of `block del`
    #[command(hide = true, alias = "unblock")]
    Unban(DelArgs),
    /// Show the blocklist: another name of `block list`
    #[command(hide = true)]
    List(Output),
}

/// Arguments of `status`.
#[derive(Args, Clone, Copy, Debug)]
pub struct StatusArgs {
    #[command(flatten)]
    pub output: Output,
    /// Print one line, and fail if the host is not fully protected
    #[arg(long, conflicts_with = "json")]
    pub check: bool,
}

/// The output format of a command that reads, or changes a list.
#[derive(Args, Clone, Copy, Debug)]
pub struct Output {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `why`.
#[derive(Args, Clone, Copy, Debug)]
pub struct WhyArgs {
    /// Source address of the SYN
    #[arg(value_name = "IP", value_parser = parse_address)]
    pub address: IpAddr,
    /// Destination port of the SYN [default: a guarded port]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Parses an IP address. An IPv4-mapped IPv6 address becomes the IPv4 address.
fn parse_address(text: &str) -> Result<IpAddr, &'static str> {
    let address = text.parse::<IpAddr>().map(|address| address.to_canonical());
    address.map_err(|_| "must be one address, such as 192.0.2.1 or 2001:db8::1")
}

/// Arguments of `top`.
#[derive(Args, Clone, Copy, Debug)]
pub struct TopArgs {
    /// Print the busiest sources once, as text
    #[arg(long)]
    pub once: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Order of the sources
    #[arg(long, value_name = "BY", value_parser = choices::sort(), default_value = Sort::default().label())]
    pub sort: Sort,
    /// Most sources to list: 1 to 10000 [default: 20 as text, 1000 live and as JSON]
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    pub limit: Option<u16>,
    /// Time between two readings, over which rates are measured: 100ms to 1m; the screen reads a large table less often
    #[arg(long, value_name = "DUR", default_value = "1s", value_parser = parse_interval)]
    pub interval: Duration,
}

fn parse_limit(text: &str) -> Result<u16, String> {
    let limit = text.parse().ok().filter(|limit| (1..=10_000).contains(limit));
    limit.ok_or_else(|| "must be 1 to 10000".to_owned())
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = duration::parse(text).map_err(|error| error.to_string())?;
    let allowed = Duration::from_millis(100)..=Duration::from_secs(60);
    if allowed.contains(&interval) { Ok(interval) } else { Err("must be 100ms to 1m".to_owned()) }
}

/// Arguments of `attach`.
#[derive(Args, Clone, Debug)]
#[command(after_help = ATTACH_EXAMPLES)]
pub struct AttachArgs {
    /// Configuration file.
    #[arg(long, value_name = "FILE", help = format!("Configuration file [default: {DEFAULT_PATH}, if there is one]"))]
    pub config: Option<PathBuf>,
    /// Detach again unless `synguard confirm` follows within this time (1s to 1d)
    #[arg(long, value_name = "DUR", value_parser = parse_confirm)]
    pub confirm: Option<Duration>,
    /// Attach and return: the filter works without a controller until `synguard detach`
    #[arg(long)]
    pub no_control: bool,
    /// Settings to begin with, and interfaces.
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// One `KEY=VALUE` of `set`, not checked yet; see [`synguard_model::settings::Settings::set_all`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The text before the first `=`.
    pub key: String,
    /// The text after it.
    pub value: String,
}

impl Assignment {
    /// Reads `KEY=VALUE`, or a line of the configuration file.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE, such as syn-rate=200")?;
        Ok(Self { key: key.trim().to_owned(), value: plain_value(value).to_owned() })
    }
}

/// Returns a value as it was given, or without the quotes and the comment that a line of the configuration file has.
fn plain_value(text: &str) -> &str {
    let text = text.trim();
    let quoted = text.strip_prefix('"').and_then(|rest| rest.split_once('"'));
    match quoted {
        Some((value, rest)) if rest.trim_start().starts_with('#') || rest.trim().is_empty() => value,
        _ => text.split_once('#').map_or(text, |(value, _)| value.trim_end()),
    }
}

impl Global {
    /// Returns the chosen instance with its directories.
    pub fn instance(&self) -> Instance {
        Instance::new(&self.name, &self.bpffs, &self.run_dir, &self.state_dir)
    }
}

#[cfg(test)]
mod tests;

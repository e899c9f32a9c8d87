//! The verbs of the command line, one file each. A command opens the pins, does its work and closes them; only `attach` keeps
//! running, as the controller.

mod attach;
mod busiest;
mod detach;
mod events;
mod filter;
mod lists;
mod reload;
mod settings;
mod status;
mod stdout;
mod top;
mod why;

use anyhow::{Context as _, Result};
use synguard_common::{ip_list::List, reason::Verdict};

use self::stdout::emit;
use crate::cli::{self, Cli, Command, ListCommand};

/// Runs the command. [`synguard_model::error::exit_code`] converts an error to the exit code.
pub fn run(cli: &Cli) -> Result<()> {
    let instance = cli.global.instance();
    match &cli.command {
        Command::Attach(args) => attach::run(&instance, args),
        Command::Detach { interfaces } => detach::run(&instance, interfaces),
        Command::Status(args) => status::run(&instance, args.output.json, args.check),
        Command::Top(args) => top::run(&instance, args),
        Command::Why(args) => why::run(&instance, args, cli.global.verbose > 0),
        Command::Set { assignments, save } => settings::set(&instance, assignments, *save),
        Command::Show(output) => settings::show(&instance, output.json),
        Command::Reload => reload::run(&instance),
        Command::Block { command } => lists::run(&instance, List::Block, command),
        Command::Allow { command } => lists::run(&instance, List::Allow, command),
        Command::Events { follow, output } => events::run(&instance, *follow, output.json),
        Command::Confirm => settings::confirm(&instance),
        Command::Completions { shell } => emit(cli::completions(*shell)),
        Command::Man => emit(cli::man().context("make the manual page")?),
        Command::Version => emit(concat!("synguard ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Ban(args) => lists::run(&instance, List::Block, &ListCommand::Add(args.clone())),
        Command::Unban(args) => lists::run(&instance, List::Block, &ListCommand::Del(args.clone())),
        Command::List(output) => lists::run(&instance, List::Block, &ListCommand::List(*output)),
    }
}

/// Returns the name of a verdict in text.
const fn verdict_label(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Drop => "drop",
        Verdict::Transmit => "answer",
    }
}
